"""Care of people with severe mental illness: what was planted comes out, and the pitfalls are found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from picking import one

from shared_code import measures, methods
from shared_code.config import Site, codelists
from shared_code.config.study import Period
from shared_code.pooling.groups import gaps
from shared_code.synthetic import mental_health

ROOT = Path(__file__).parents[2]
STEM, PEOPLE = "severe_mental_illness_care", 6000
SITES = ["demo_ashvale", "demo_dunmere"]
PERIOD = Period(start="2021-04-01", end="2026-04-01")


@pytest.fixture(scope="session")
def two(demonstration):
    return demonstration(PEOPLE, *SITES, protected=False)


@pytest.fixture(scope="session")
def pooled(two) -> pd.DataFrame:
    return two.pool(STEM)


def test_all_six_are_counted_person_by_person(two):
    """Pitfall: the product of the single shares is not the share who had all six."""
    counted = pd.concat([t["checks"] for t in two.tables(STEM).values()])
    whole = pd.concat([t["all_six"] for t in two.tables(STEM).values()])
    counted = pd.concat([counted, whole[whole["place"] == "all"]]).groupby("check")[["people", "cases"]].sum()
    shares = counted["cases"] / counted["people"]
    single = shares.drop(["all_six", "high_pressure"])
    planted = sum(sum(row[-1] for row in made.truth["groups"]["rows"] if row[0] == "smi_checks") for made in two.sites)
    assert counted.loc["all_six", "cases"] == planted > 0
    assert shares["all_six"] < single.min() and abs(np.prod(single) - shares["all_six"]) > 0.05


def test_planted_shares_and_rates_are_recovered(two, pooled):
    truth = two.sites[0].truth["severe_mental_illness"]
    for level, share in truth["seen"].items():
        row = one(pooled, measure="share", item="seen", level=level)
        half = 3 * np.sqrt(share * (1 - share) / row["people"])
        assert abs(row["estimate"] / 100 - share) < half
    row = one(pooled, measure="rate ratio", item="crisis")
    assert abs(np.log(row["estimate"] / truth["crisis_ratio"])) < 3 * row["se"]
    row = one(pooled, measure="mortality ratio to people without")
    assert abs(np.log(row["estimate"] / truth["mortality_ratio"])) < 3 * row["se"]


def test_high_pressures_measured_again_are_those_that_were_planted(two, pooled):
    """Person by person at every site; nobody's routine check a year ago passes for being measured again."""
    whole = np.zeros(2)
    for made in two.sites:
        truth = made.truth["severe_mental_illness"]["read_again"]
        row = two.tables(STEM)[made.site.site]["checks"].set_index("check").loc["high_pressure"]
        assert [row["people"], row["cases"]] == [truth["people"], truth["cases"]] and truth["people"] > 10
        whole += truth["people"], truth["cases"]
    row = one(pooled, measure="share", item="high_pressure")
    assert row["estimate"] == pytest.approx(100 * whole[1] / whole[0])
    assert abs(row["estimate"] / 100 - truth["planted"]) < 3 * np.sqrt(0.6 * 0.4 / whole[0])


def test_at_larger_sites_who_is_seen_is_told_by_core20(demonstration, two):
    """Withheld at sites of some 20,000 people, with bounds that hold the truth; given at ten times that size."""
    name, told = "after_discharge", {}
    for times in (4, 40):
        larger = demonstration(PEOPLE, *SITES)
        larger._run = {STEM: {site: {name: scaled(t[name], times)} for site, t in two.tables(STEM).items()}}
        rows = gaps(larger.cells(STEM)[name], two.study.analyses[STEM].results[name], SEEN, {"pooled": SITES})
        told[times] = {(row["measure"], row["level"]): row for row in rows}
    small, large = told[4]["difference", "core20"], told[40]["difference", "core20"]
    raw = pd.concat([t[name] for t in two.tables(STEM).values()]).groupby("core20")[["people", "cases"]].sum()
    share = 100 * raw["cases"] / raw["people"]
    assert "estimate" not in small and small["reason"] == "too much is withheld"
    assert small["bound_lower"] < share["core20"] - share["rest"] < small["bound_upper"]
    assert abs(large["estimate"] - (share["core20"] - share["rest"])) < 3 and large["withheld_share"] < 0.2


def test_which_checks_are_missing_together_is_what_was_planted(two):
    """Everybody is in one combination; who lacks nothing had all six; single shares cannot tell what is missing together."""
    for made in two.sites:
        tables, truth = two.tables(STEM)[made.site.site], made.truth["severe_mental_illness"]["missing"]
        found = tables["missing"].set_index("missing")
        assert found["cases"][found["cases"] > 0].to_dict() == truth and truth["blood_habits"] > 0
        assert (found["people"] == found["cases"].sum()).all()
        assert found.loc["none", "cases"] == tables["all_six"].set_index("place").loc["all", "cases"]
        lacks = {kind: found.loc[[kind in m.split("_") for m in found.index], "cases"].sum() for kind in ("blood", "habits")}
        independent = lacks["blood"] * lacks["habits"] / found["cases"].sum()
        assert found.loc["blood_habits", "cases"] > independent


def test_a_combination_of_missing_checks_drawn(tmp_path):
    """a had everything; b declined the lipids and has no alcohol recorded; c has nothing; d's weight is a day too old."""
    every = ["bmi", "bp", "lipids", "hba1c_glucose", "alcohol", "smoking"]
    rows = [(who, check, "2025-06-01", False) for who, lacks in (("a", ()), ("b", ("lipids", "alcohol")), ("d", ("bmi",)))
            for check in every if check not in lacks]  # fmt: skip
    rows += [("b", "lipids", "2025-06-01", True), ("d", "bmi", "2025-03-31", False)]
    table = pd.DataFrame(rows, columns=["person_id", "concept", "date", "declined"])
    table = table.assign(date=pd.to_datetime(table["date"]).dt.date, value="1", unit=None, meas_id=table.index.astype(str))
    table.to_parquet(tmp_path / "measurement.parquet", index=False)
    kinds = {"body": ["bmi", "bp"], "blood": ["lipids", "hba1c_glucose"], "habits": ["alcohol", "smoking"]}
    levels = dict.fromkeys(["none", "body", "blood", "habits", "blood_habits", "body_blood_habits"], "")
    people = ibis.memtable(pd.DataFrame({"person_id": list("abcd")}))
    year = dt.date(2025, 4, 1), dt.date(2026, 4, 1)
    found = measures.missing_together(measures.open_prepared(tmp_path), people, kinds, *year, levels)
    assert found.set_index("missing")["cases"].to_dict() == {"none": 1, "body": 1, "blood": 0, "habits": 0, "blood_habits": 1,
                                                             "body_blood_habits": 1}  # fmt: skip


def test_crises_by_quarter_are_steady_as_planted_and_agree_with_the_contacts(two, pooled):
    rows = pooled[(pooled["scope"] == "pooled") & (pooled["group"] == "quarter")]
    assert len(rows) == 12
    chart = methods.p_chart(rows["events"].to_numpy(), rows["people"].to_numpy())
    assert not chart.beyond.any() and not chart.shifted.any()
    shape, step = mental_health.CLUSTERED, 0.25  # people have rates of their own: chance of any contact in a quarter
    low, high = (1 - (1 + mental_health.CRISES * ratio * step / shape) ** -shape for ratio in (1, mental_health.CORE20_RATIO))
    assert low - 0.03 < chart.centre < high + 0.03
    changed = np.where(np.arange(12) < 6, rows["events"], 2.5 * rows["events"])
    chart = methods.p_chart(changed, rows["people"].to_numpy())
    assert chart.beyond.any() or chart.shifted.any(), "a share that rose would be noticed"


DRAWN = ("2025-04-02", "2025-06-30", "2025-05-01", "2025-05-01", "2025-07-01")


def test_a_quarter_counts_people_and_not_contacts_and_who_is_there_at_its_start():
    """a has two contacts; b leaves before hers; c joins later in the quarter, in a crisis; d has none."""
    def day(text: str) -> int:
        return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days

    people = pd.DataFrame({"person_id": list("abcd"), "entry": [day("2025-01-01")] * 2 + [day("2025-05-01"), day("2025-01-01")],
                           "leave": [day("2026-01-01"), day("2025-05-01"), day("2026-01-01"), day("2026-01-01")]})  # fmt: skip
    days = pd.DataFrame({"person_id": ["a", "a", "b", "c", "c"],
                         "day": [day(d) for d in DRAWN]})
    found = measures.shares_with_event(people, days, "in_crisis", "quarter", ["2025-04", "2025-07"], dt.date(2025, 10, 1))
    assert found[["people", "cases"]].to_numpy().tolist() == [[3, 1], [3, 1]]


def test_whose_latest_code_is_remission_is_not_on_the_register(tmp_path):
    """Pitfall: a remission that ended leaves nobody out, and one that lasts is not counted as a lack of checks."""
    records = [("a", "58214004", "2015-01-01"), ("b", "58214004", "2015-01-01"), ("b", "4926007", "2020-01-01"),
               ("c", "13746004", "2015-01-01"), ("c", "85248005", "2019-01-01"), ("c", "F319", "2021-01-01"),
               ("d", "58214004", "2015-01-01"), ("d", "4926007", "2026-06-01"), ("e", "F317", "2021-01-01")]  # fmt: skip
    table = pd.DataFrame(records, columns=["person_id", "code", "event_date"])
    table = table.assign(event_date=pd.to_datetime(table["event_date"]).dt.date, status="active", source="GP",
                         code_system=np.where(table["code"].str[0] == "F", "ICD10", "SCT"))  # fmt: skip
    table.to_parquet(tmp_path / "condition_event.parquet", index=False)
    present = measures.conditions_present(measures.open_prepared(tmp_path), LIST, dt.date(2026, 4, 1))
    found = measures.with_code(present, "severe_mental_illness").execute()["person_id"]
    assert set(found) == {"a", "c", "d"}, "b and e are in remission; c's ended; d's comes after the day"


def test_planted_remissions_that_ended_leave_nobody_out(two):
    """Some of the ill were in remission once at every site; leaving out whoever ever was would lose them."""
    for made in two.sites:
        records = made.prepared.condition_event
        once = set(records.filter(records.code == mental_health.REMISSION).execute()["person_id"])
        ill = measures.with_code(measures.conditions_present(made.prepared, LIST, PERIOD.end), "severe_mental_illness").execute()
        assert once and len(once & set(ill["person_id"])) > 0.5 * len(once)
        people = set(measures.registered(made.prepared, PERIOD.end).execute()["person_id"])
        assert len(people & set(ill["person_id"])) == sum(made.truth["severe_mental_illness"]["missing"].values())


LIST = codelists.load("long_term_conditions/2026-11")
SEEN = {"item": "check", "group": "core20", "compare": "core20", "against": "rest"}


def scaled(table: pd.DataFrame, times: int) -> pd.DataFrame:
    return table.assign(people=times * table["people"], cases=times * table["cases"])


def test_crises_by_hand(two):
    """Every planted contact of the ill is counted once a day while they are followed."""
    made = two.sites[0]
    counted = two.tables(STEM)[made.site.site]["crisis"]
    everyone = counted[counted["core20"] == "all"].iloc[0]
    parts = counted[counted["core20"] != "all"][["people", "events", "person_days", "events_squared"]].sum()
    assert (parts == everyone[parts.index]).all()
    assert everyone["events_squared"] > everyone["events"] > 0


def test_who_died_is_in_the_denominators_for_the_time_lived(two):
    """Pitfall (survivors only): the alive on the last day have no deaths at all, and other crises than all who were followed."""
    for made in two.sites:
        tables = two.tables(STEM)[made.site.site]
        onset = measures.nth_condition(made.prepared, codelists.load("long_term_conditions/2026-11"), PERIOD.end, 1,
                                       "severe_mental_illness")  # fmt: skip
        both = measures.with_and_without(measures.follow_up(made.prepared, PERIOD, (18, 75), wash_in=0), onset)
        ill = both[both["group"] == "with"]
        known = ill[ill["core20"] != "Unknown"]
        days, dead = known["leave"] - known["entry"], known["died"]
        crisis = tables["crisis"].set_index("core20").loc["all"]
        assert days[dead].sum() > 0, "somebody died, or nobody could be forgotten"
        assert crisis["person_days"] == days.sum() > days[~dead].sum()
        assert tables["deaths"]["person_days"].sum() == (ill["leave"] - ill["entry"]).sum()
        survivors = measures.deaths_in_all(ill[~ill["died"]], "with")
        assert survivors["events"].sum() == 0 < tables["deaths"]["events"].sum()


def test_poisson_limits_of_crises_would_be_too_narrow(pooled):
    """Pitfall: contacts of the same person are not independent."""
    row = one(pooled, measure="rate", group="everyone", item="crisis")
    assert np.log(row["upper"] / row["lower"]) > 1.15 * 2 * 1.96 / np.sqrt(row["events"])


def test_the_ratio_is_of_sums_not_of_sites(two, pooled):
    """The pooled mortality ratio is all observed over all expected deaths, and the reference is the same everywhere."""
    step = next(s for s in two.study.analyses[STEM].pooled if s.table == "deaths")
    observed = sum(t["deaths"]["events"].sum() for t in two.tables(STEM).values())
    lived = pd.concat([t["lived"] for t in two.tables(STEM).values()])
    bands = list(two.study.analyses[STEM].results["lived"].dimensions["age"].levels())
    rates = [step.settings["rates"][sex][bands.index(age)] for sex, age in zip(lived["sex"], lived["age"])]
    expected = (lived["sum"] / 365.25 * rates).sum()
    row = one(pooled, measure="standardised mortality ratio")
    assert row["estimate"] == pytest.approx(observed / expected)
    limits = methods.poisson_interval(float(observed))
    assert (row["lower"], row["upper"]) == pytest.approx((limits.lower / expected, limits.upper / expected))
    others = pd.concat([t["others"] for t in two.tables(STEM).values()]).groupby(["sex", "age"])[["events", "person_days"]].sum()
    at_theirs = (lived.set_index(["sex", "age"])["sum"] * (others["events"] / others["person_days"])).sum()
    against = one(pooled, measure="mortality ratio to people without")
    assert against["estimate"] == pytest.approx(observed / at_theirs)
    assert one(pooled, measure="excess deaths")["estimate"] == pytest.approx(100 * (against["estimate"] - 1))
    assert against["upper"] / against["lower"] > limits.upper / limits.lower  # the rates of the others are estimated too


def test_days_deaths_and_years_lost_agree_with_the_follow_up(two):
    """Days by sex and age add up to all days; years lost are those between each death and the 75th birthday."""
    for made in two.sites:
        tables = two.tables(STEM)[made.site.site]
        assert tables["lived"]["sum"].sum() == pytest.approx(tables["deaths"]["person_days"].sum())
        people = measures.follow_up(made.prepared, PERIOD, (18, 75), wash_in=0)
        dead = people[people["died"]]
        lost = (75 - (dead["leave"] - dead["birth"]) / 365.25).sum()
        counted = tables["years_lost"]
        assert counted["sum"].sum() == pytest.approx(lost) and counted["people"].sum() == len(dead)
        assert counted.set_index("group").loc["with", "people"] == tables["deaths"]["events"].sum()


def test_deaths_of_any_cause_count_because_few_are_written_down_to_the_illness(two):
    """Pitfall: counting only deaths that were coded to mental illness would miss nearly all of them."""
    of_the_illness = whole = 0
    for made in two.sites:
        people = measures.follow_up(made.prepared, PERIOD, (18, 75), wash_in=0)
        onset = measures.nth_condition(made.prepared, LIST, PERIOD.end, 1, "severe_mental_illness")
        both = measures.with_and_without(people, onset)
        dead = both[(both["group"] == "with") & both["died"]]["person_id"]
        causes = made.prepared.death.execute().set_index("person_id")["underlying_icd10"].reindex(dead)
        assert two.tables(STEM)[made.site.site]["deaths"]["events"].sum() == len(dead)
        whole, of_the_illness = whole + len(dead), of_the_illness + causes.str.startswith("F").sum()
    assert whole > of_the_illness + 3


def test_an_internal_reference_excludes_the_ill(two, pooled):
    """Pitfall: deaths of the ill among the reference hide part of their excess."""
    lived = pd.concat([t["lived"] for t in two.tables(STEM).values()]).groupby(["sex", "age"])["sum"].sum()
    others = pd.concat([t["others"] for t in two.tables(STEM).values()]).groupby(["sex", "age"])[["events", "person_days"]].sum()
    deaths = sum(t["deaths"]["events"].sum() for t in two.tables(STEM).values())
    apart = lived / lived.sum() * deaths  # the deaths of the ill spread over the bands
    contaminated = (lived * (others["events"] + apart) / (others["person_days"] + lived)).sum()
    assert one(pooled, measure="mortality ratio to people without")["estimate"] > deaths / contaminated


def test_the_number_of_checks_is_their_sum(two, pooled):
    """The mean number is the sum of the shares of the single checks; the standard deviation is that of people."""
    tables = list(two.tables(STEM).values())
    counted = pd.concat([t["checks"] for t in tables]).groupby("check")[["people", "cases"]].sum().drop("high_pressure")
    row = one(pooled, measure="mean", item="checks", group="everyone")
    assert row["estimate"] == pytest.approx((counted["cases"] / counted["people"]).sum())
    number = pd.concat([t["number"] for t in tables])
    parts = number[number["place"] != "all"][["people", "sum", "sum_squares"]].sum()
    assert parts.tolist() == pytest.approx(number[number["place"] == "all"][["people", "sum", "sum_squares"]].sum().tolist())


def test_the_slope_goes_through_all_groups(pooled):
    shares = [one(pooled, measure="share", item="all_six", level=level) for level in ("core20", "middle", "least")]
    n, p = (np.array([row[name] for row in shares]) for name in ("people", "estimate"))
    slope = one(pooled, measure="slope index", item="all_six")
    rank = (np.cumsum(n) - n / 2) / n.sum()
    middle = (n * rank).sum() / n.sum()
    by_hand = (n * (rank - middle) * p).sum() / (n * (rank - middle) ** 2).sum()
    assert slope["estimate"] == pytest.approx(by_hand, abs=3) and slope["lower"] < slope["estimate"] < slope["upper"]
    level = one(pooled, measure="people to level with the best", item="all_six")
    assert level["estimate"] == pytest.approx((n * (p.max() - p)).sum() / 100)
    gap = one(pooled, measure="difference", item="all_six")
    rest = shares[1]["events"] + shares[2]["events"]
    assert gap["estimate"] == pytest.approx(p[0] - 100 * rest / (n[1] + n[2])) and gap["comparator"] == "middle and least"


def drawn(crises: dict[str, int], checks: dict[str, int]) -> pd.DataFrame:
    """Count first crises of three people followed for days 0 to 365, with a crisis or a check on some day."""
    people = pd.DataFrame({"person_id": ["a", "b", "c"], "entry": 0, "leave": 365})
    table = measures.first_events_by_check(people, *(pd.DataFrame({"person_id": list(d), "day": list(d.values())})
                                                     for d in (crises, checks)), "first_crisis")  # fmt: skip
    return table.set_index("since_check")[["events", "person_days"]]


def test_who_is_checked_counts_so_from_the_day_after():
    """a is checked on day 100 and has a crisis on day 200; b has a crisis on day 50, and a check on that day."""
    found = drawn({"a": 200, "b": 50}, {"a": 100, "b": 50})
    assert found.loc["within"].tolist() == [1, 99] and found.loc["longer"].tolist() == [1, 101 + 50 + 365]
    assert found.loc["all"].tolist() == [2, 200 + 50 + 365]
    old = drawn({"c": 300}, {"c": -100})  # the check of the year before holds up to day 265, the 365th after it
    assert old.loc["within"].tolist() == [0, 266] and old.loc["longer", "events"] == 1


def test_counting_as_checked_from_the_start_would_invent_protection():
    """Pitfall (immortal time): crises have nothing to do with checks here, and the naive comparison says they do."""
    rng = np.random.default_rng(5)
    n = 4000
    people = pd.DataFrame({"person_id": [f"{i:05d}" for i in range(n)], "entry": 0, "leave": 365})
    crisis, check = rng.exponential(365, n).astype(int), rng.integers(0, 365, n)
    came = check < crisis  # who has a crisis first is not checked any more
    days = pd.DataFrame({"person_id": people["person_id"], "day": crisis})
    checks = pd.DataFrame({"person_id": people["person_id"][came], "day": check[came]})
    timed = measures.first_events_by_check(people, days, checks, "first_crisis").set_index("since_check")
    rate = timed["events"] / timed["person_days"]
    assert abs(np.log(rate["within"] / rate["longer"])) < 0.12
    had, until = crisis < 365, np.minimum(crisis, 365)
    naive = (had[came].sum() / until[came].sum()) / (had[~came].sum() / until[~came].sum())
    assert naive < 0.6


def test_a_high_pressure_is_read_again_by_another_reading(tmp_path):
    """Only a later reading within 91 days counts, whatever it says; a reading too near the end starts nobody."""
    readings = [("a", "2025-06-01", "150/80", False), ("a", "2025-08-31", "120/70", False), ("b", "2025-06-01", "130/95", False),
                ("b", "2025-09-01", "130/80", False), ("c", "2025-06-01", "139/89", False), ("d", "2026-02-01", "180/99", False),
                ("e", "2025-06-01", "150/80", False), ("e", "2025-06-20", None, True)]  # fmt: skip
    table = pd.DataFrame(readings, columns=["person_id", "date", "value", "declined"])
    table = table.assign(date=pd.to_datetime(table["date"]).dt.date, concept="bp", meas_id=table.index.astype(str), unit="mm[Hg]")
    table.to_parquet(tmp_path / "measurement.parquet", index=False)
    high, again = measures.read_again(measures.open_prepared(tmp_path), dt.date(2025, 1, 1), dt.date(2026, 4, 1))
    assert set(high.execute()["person_id"]) == {"a", "b", "e"} and set(again.execute()["person_id"]) == {"a"}


def test_at_sites_of_this_size_the_main_answers_are_given(demonstration):
    """What may leave is enough: all six checks with the gap, crises with their ratio, deaths against those expected."""
    small = demonstration(PEOPLE, *SITES)
    small._run = demonstration(PEOPLE, *SITES, protected=False)._run
    released = small.pool(STEM)
    for measure, item in (("share", "all_six"), ("rate", "crisis"), ("rate", "first_crisis"), ("mean", "checks")):
        assert np.isfinite(one(released, measure=measure, item=item, group="everyone")["estimate"]), (measure, item)


def test_time_before_the_diagnosis_is_not_time_with_it(two):
    """Pitfall (immortal time): until their diagnosis people with it cannot have died with it; the rate would be too low."""
    made = two.sites[1]
    people = measures.follow_up(made.prepared, PERIOD, (18, 75), wash_in=0)
    onset = measures.nth_condition(made.prepared, codelists.load("long_term_conditions/2026-11"), PERIOD.end, 1,
                                   "severe_mental_illness")  # fmt: skip
    both = measures.with_and_without(people, onset)
    ill = both[both["group"] == "with"]
    ever = people[people["person_id"].isin(onset["person_id"])]
    assert (ill["leave"] - ill["entry"]).sum() < (ever["leave"] - ever["entry"]).sum()
    whole = (both["leave"] - both["entry"]).sum()
    assert whole == (people["leave"] - people["entry"]).sum(), "every day is counted once"
    assert both["died"].sum() == people["died"].sum(), "every death is counted once"


@pytest.mark.parametrize("stem", ["severe_mental_illness_care", "onset_of_multimorbidity", "emergency_admission_risk",
                                  "life_expectancy", "high_intensity_users"])  # fmt: skip
def test_a_site_without_a_table_of_deaths_is_left_out_and_named(demonstration, stem):
    """Otherwise its people would be counted as never dying: true zeros nobody saw."""
    made = demonstration(PEOPLE, *SITES, protected=False)
    lacking = Site.read("demo_carrowby", ROOT / "config" / "sites")
    assert "death" not in lacking.tables and not lacking.can_run(made.study.analyses[stem])
    assert all(one.site.can_run(made.study.analyses[stem]) for one in made.sites)
