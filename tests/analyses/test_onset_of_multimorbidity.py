"""Onset of multimorbidity: the planted hazards are recovered, and its two kinds of "years earlier" stay apart."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from picking import one

from shared_code import measures, methods
from shared_code.config import codelists
from shared_code.figures.curves import position
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling.attained_age import attained_age
from shared_code.reporting import evidence

STEM = "onset_of_multimorbidity"
EDGES = [20, 50, 60, 70, 80, 90]
PEOPLE = 6000


@pytest.fixture(scope="session")
def two(demonstration):
    return demonstration(PEOPLE, "demo_ashvale", "demo_dunmere", protected=False)


@pytest.fixture(scope="session")
def pooled(two):
    return two.pool(STEM)


def planted(demonstration, dimension: str, level: str) -> pd.DataFrame:
    """Add the planted numbers of all sites in the bands of the analysis."""
    truths = [made.truth["multimorbidity_onset"] for made in demonstration.sites]
    rows = pd.concat([pd.DataFrame(truth["rows"], columns=truth["columns"]) for truth in truths])
    rows = rows[(rows["dimension"] == dimension) & (rows["level"] == level)]
    band = pd.cut(rows["age"].str.split("-").str[0].astype(int), EDGES, right=False, labels=False)
    return rows.groupby(band)[["expected", "variance", "person_days", "events", "days"]].sum()


def test_events_and_days_are_those_that_were_planted(two):
    """The notebook counts from records what the simulation knows: every event and every day at risk, group by group."""
    for made in two.sites:
        counted = two.tables(STEM)[made.site.site]["onset"]
        counted = counted[counted["outcome"] == "onset"]
        truth = pd.DataFrame(made.truth["multimorbidity_onset"]["rows"], columns=made.truth["multimorbidity_onset"]["columns"])
        for dimension in ("deprivation", "ethnicity"):
            mine = counted[counted[dimension] != "all"].groupby(dimension)
            told = truth[truth["dimension"] == dimension].groupby("level")[["events", "days"]].sum()
            assert mine["events"].sum().to_dict() == told["events"].to_dict()
            assert mine["person_days"].sum().to_dict() == pytest.approx(told["days"].to_dict())
        everyone = counted[(counted[["ethnicity", "deprivation", "sex"]] == "all").all(axis=1)]
        by_sex = counted[counted["sex"] != "all"]
        assert by_sex["events"].sum() == everyone["events"].sum()
        assert by_sex["person_days"].sum() == pytest.approx(everyone["person_days"].sum())
        assert everyone["events"].sum() == truth[truth["dimension"] == "everyone"]["events"].sum() > 0


TWO_WAY = [("sex", "F"), ("sex", "M"), ("background", "White"), ("background", "minority")]


def test_groups_of_two_kinds_at_once_hold_what_was_planted(two):
    """Deprivation by sex and by background: events and days as planted, and together those of the one-way groups."""
    for made in two.sites:
        tables, truth = two.tables(STEM)[made.site.site], made.truth["multimorbidity_onset"]
        told = pd.DataFrame(truth["rows"], columns=truth["columns"]).groupby(["dimension", "level"])[["events", "days"]].sum()
        counted = tables["two_way"][tables["two_way"]["outcome"] == "onset"]
        for other in ("sex", "background"):
            both = counted[(counted["core20"] != "all") & (counted[other] != "all")]
            for (area, level), mine in both.groupby(["core20", other]):
                planted_here = told.loc[(f"core20, {other}", f"{area}, {level}")]
                assert mine["events"].sum() == planted_here["events"]
                assert mine["person_days"].sum() == pytest.approx(planted_here["days"])
        one_way = tables["onset"][tables["onset"]["outcome"] == "onset"]
        deprived = one_way[one_way["deprivation"] == "1"].set_index("age")["events"]
        for other in ("sex", "background"):
            mine = counted[(counted["core20"] == "core20") & (counted[other] != "all")].groupby("age")["events"].sum()
            assert mine.to_dict() == deprived.to_dict()


@pytest.mark.parametrize(("other", "level"), TWO_WAY)
def test_the_planted_years_earlier_are_recovered_inside_other_groups(two, pooled, other, level):
    ages = {}
    for area in ("core20", "rest"):
        truth = planted(two, f"core20, {other}", f"{area}, {level}")
        ages[area] = methods.onset_quantile(EDGES, truth["expected"], truth["person_days"] / DAYS_A_YEAR, 0.25).estimate
    where = {"item": "onset", "group": "core20", "level": "core20", "stratum": f"{other}={level}"}
    age, earlier = (one(pooled, measure=m, **where) for m in ("age by which 25 % have it", "years earlier (25 %)"))
    assert abs(age["estimate"] - ages["core20"]) < 3 * age["se"]
    assert abs(earlier["estimate"] - (ages["rest"] - ages["core20"])) < 3 * earlier["se"]
    rest = one(pooled, measure="age by which 25 % have it", **where | {"level": "rest"})
    assert earlier["estimate"] == pytest.approx(rest["estimate"] - age["estimate"]) and earlier["comparator"] == "rest"


def test_inside_groups_curves_are_those_of_their_own_numbers(two, pooled):
    """A recount of one group: sites added, then one curve; the other way round, background inside areas, is there too."""
    tables = pd.concat([tables["two_way"] for tables in two.tables(STEM).values()])
    mine = tables[(tables["core20"] == "rest") & (tables["background"] == "minority") & (tables["outcome"] == "onset")]
    summed = mine.groupby("age")[["events", "person_days"]].sum()
    again = methods.onset_quantile(EDGES, summed["events"], summed["person_days"] / DAYS_A_YEAR, 0.25)
    for group, level, stratum in (("core20", "rest", "background=minority"), ("background", "minority", "core20=rest")):
        row = one(pooled, measure="age by which 25 % have it", item="onset", group=group, level=level, stratum=stratum)
        assert row["estimate"] == pytest.approx(again.estimate) and row["events"] == summed["events"].sum()
    gap = one(pooled, measure="years earlier (25 %)", item="onset", group="background", level="minority", stratum="core20=rest")
    assert gap["comparator"] == "White" and np.isfinite(gap["estimate"])
    shown = pooled[(pooled["measure"] == "share who have it by this age") & (pooled["scope"] == "pooled")]
    assert set(shown.loc[shown["stratum"].str.startswith("sex="), "stratum"].str.partition("; ")[0]) == {"sex=F", "sex=M"}


def test_the_page_shows_both_ages_and_the_years_between(two, pooled):
    entry = two.study.analyses[STEM].results["two_way"].dimensions
    labels = {f"{name}:{code}": text for name, spec in entry.items() for code, text in (spec.levels() or {}).items()}
    titles = {name: spec.label for name, spec in entry.items()}
    rows = pooled[(pooled["scope"] == "pooled") & (pooled["group"] == "core20") & (pooled["stratum"] != "")]
    ages = ("age by which 25 % have it", "years earlier (25 %)")
    shown = evidence.inside_groups(rows, ages, labels, titles, 1)
    lines = {line.split("|")[1].strip(): line for line in shown.splitlines() if line.startswith("|")}
    assert {"Sex: Women", "Sex: Men", "Ethnic background: White", "Ethnic background: Other ethnic groups"} <= set(lines)
    where = {"item": "onset", "group": "core20", "level": "core20", "stratum": "sex=F"}
    for measure in ages:
        assert f"{np.floor(10 * one(pooled, measure=measure, **where)['estimate'] + 0.5) / 10:.1f}" in lines["Sex: Women"]
    page = Path(f"reports/{STEM}.qmd").read_text("utf-8")
    for group in ("core20", "background"):
        assert f'inside_groups("{STEM}", "onset", "{group}"' in page
    assert "Not given" in evidence.inside_groups(rows.iloc[:0], ages, labels, titles, 1)


def test_what_the_two_tables_tell_together_agrees_and_is_declared(two):
    """A reader can subtract one table from the other; so that protection knows it, the protocol says what is equal."""
    stem = f"{STEM}.two_way"
    said = [a for a in two.study.agree if any(getattr(n, "table", "") == stem for n in a.numbers)]
    assert len(said) >= 5
    for tables in two.tables(STEM).values():
        frames = {f"{STEM}.{name}": table for name, table in tables.items()}
        for agreement in said:
            sums = []
            for number in agreement.numbers:
                table, declared = frames[number.table], two.study.analyses[STEM].results[number.table.partition(".")[2]]
                for name, spec in declared.dimensions.items():
                    levels = number.where.get(name)
                    if levels is not None:
                        table = table[table[name].isin([levels] if isinstance(levels, str) else levels)]
                    elif spec.total:
                        table = table[table[name] == "all"]
                sums.append(table.groupby(agreement.each)[number.statistic].sum())
            assert sums[0].sum() > 0 and sums[0].to_dict() == pytest.approx(sums[1].to_dict()), agreement.title


@pytest.mark.parametrize("level", list("12345"))
def test_the_planted_age_is_recovered(two, pooled, level):
    """The interval holds the planted age (within three standard errors, so that chance hardly ever fails this)."""
    truth = planted(two, "deprivation", level)
    years = truth["person_days"] / DAYS_A_YEAR
    expected = methods.onset_quantile(EDGES, truth["expected"], years, 0.25).estimate
    row = one(pooled, measure="age by which 25 % have it", item="onset", group="deprivation", level=level)
    assert abs(row["estimate"] - expected) < 3 * row["se"]
    free = methods.years_free(EDGES, truth["expected"], years).estimate
    row = one(pooled, measure="years free of it", item="onset", group="deprivation", level=level)
    assert abs(row["estimate"] - free) < 3 * row["se"]


def test_events_scatter_around_what_is_planted(two):
    """Over all bands and groups the differences are those of chance: mean square about one."""
    scores = []
    for level in "12345":
        truth = planted(two, "deprivation", level)
        scores += list((truth["events"] - truth["expected"]) / np.sqrt(truth["variance"]))
    assert 0.3 < np.mean(np.square(scores)) < 2.2


def test_protection_widens_but_does_not_move_the_answer(two, demonstration, pooled):
    """From what may leave (threshold 10, rounded to 5) the answer is near the exact one, with the bounds around it."""
    study = demonstration(PEOPLE, "demo_ashvale", "demo_dunmere")
    study._run = two._run
    released = study.pool(STEM)
    where = {"measure": "age by which 25 % have it", "item": "onset", "group": "everyone", "level": "everyone"}
    exact, shown = one(pooled, **where), one(released, **where)
    assert abs(exact["estimate"] - shown["estimate"]) < shown["se"]
    assert shown["bound_lower"] <= exact["estimate"] <= shown["bound_upper"]


def test_where_nearly_everything_is_withheld_only_bounds_are_given(two):
    """What is most likely, given wide ranges alone, would be an age that nobody measured."""
    declared = two.study.analyses[STEM].results["two_way"]
    step = next(s for s in two.study.analyses[STEM].pooled if s.table == "two_way")
    cells = two.cells(STEM)["two_way"]
    for least, known in ((0.15, False), (0.6, True)):
        gone = (cells["background"] == "White") & (cells["core20"] == "rest") & cells["statistic"].isin(["events", "people"])
        gone &= cells["sex"] == "all"
        hidden = cells.copy()
        hidden.loc[gone, "lower"] = np.floor(least * cells.loc[gone, "value"])
        hidden.loc[gone, "upper"] = np.ceil(1.2 * cells.loc[gone, "value"])
        hidden.loc[gone, "status"] = "withheld"
        rows = pd.DataFrame(attained_age(hidden, declared, step.settings, {"pooled": [m.site.site for m in two.sites]}))
        row = one(rows, "age by which 25 % have it", group="core20", level="rest", stratum="background=White")
        gap = one(rows, "years earlier (25 %)", group="core20", level="core20", stratum="background=White")
        assert np.isfinite([row["estimate"], gap["estimate"]]).all() == known
        assert known or (row["reason"] == gap["reason"] == "too much is withheld" and np.isfinite(row["bound_lower"]))


def test_the_two_kinds_of_years_earlier_are_told_apart(two, pooled):
    """One is made of events and days, the other of one day's prevalence; neither names the other's numbers."""
    ageing = one(pooled, measure="years earlier (25 %)", item="onset", group="deprivation", level="1")
    one_day = one(pooled, measure="years earlier, same prevalence", item="two_or_more", group="deprivation", level="1")
    assert "attained age" in ageing["method"] and "isotonic" in one_day["method"]
    assert np.isfinite(ageing["person_years"]) and np.isnan(one_day["person_years"])
    assert np.isnan(ageing["people"]) and np.isfinite(one_day["people"])
    at_65 = one(pooled, measure="age of the same prevalence", item="two_or_more", group="deprivation", level="1")
    assert one_day["estimate"] == pytest.approx(65 - at_65["estimate"])
    assert "comparison of cross-sections" in two.study.analyses[STEM].findings[2].text
    assert "Two kinds" in Path(f"reports/{STEM}.qmd").read_text("utf-8")


def test_equal_prevalence_agrees_with_a_recount(two, pooled):
    """The share in the least deprived fifth at 65, read between the bands around it, is met at the age that is given."""
    strata = pooled[(pooled["measure"] == "prevalence at this age") & (pooled["scope"] == "pooled")]
    strata = strata[strata["item"] == "two_or_more"]

    def curve(level: str) -> tuple[np.ndarray, np.ndarray]:
        mine = strata[(strata["level"] == level) & (strata["group"] == "deprivation")]
        at = np.array([position(text.removeprefix("age=")) for text in mine["stratum"]])
        return at[np.argsort(at)], mine["estimate"].to_numpy()[np.argsort(at)]

    tables = pd.concat([t["prevalence"] for t in two.tables(STEM).values()])
    mine = tables[(tables["deprivation"] == "1") & (tables["condition"] == "two_or_more")]
    counted = mine.groupby("age")[["cases", "people"]].sum()
    at, shares = curve("1")
    assert shares == pytest.approx((100 * counted["cases"] / counted["people"]).to_numpy())
    sought = np.interp(65, *curve("5"))
    assert (np.diff(shares > sought).sum(), shares[-1] > sought) == (1, True)  # met once only, on the way up
    row = one(pooled, measure="age of the same prevalence", item="two_or_more", group="deprivation", level="1")
    assert np.interp(row["estimate"], at, shares) == pytest.approx(sought, abs=0.05)


def test_deaths_keep_people_from_a_second_condition(pooled):
    """With deaths allowed for, fewer have it by every age than if nobody died."""
    mine = pooled[(pooled["scope"] == "pooled") & (pooled["group"] == "everyone") & (pooled["item"] == "onset")]
    strata = mine.set_index(["measure", "stratum"])["estimate"]
    net, real = strata["share who have it by this age"], strata["share who have it, as people also die"]
    assert (real < net).all() and net["age=90"] - real["age=90"] > 5


def test_a_site_without_deaths_is_left_out(demonstration):
    """Without deaths people who died long ago would still count days at risk."""
    site = next(made.site for made in demonstration(PEOPLE, "demo_ashvale").sites)
    study = demonstration(PEOPLE, "demo_ashvale").study
    lacking = site.model_copy(update={"tables": {k: v for k, v in site.tables.items() if k != "death"}})
    assert site.can_run(study.analyses[STEM]) and not lacking.can_run(study.analyses[STEM])


def test_other_definitions_find_fewer_and_later_second_conditions(two, pooled):
    """Fewer sources or fewer conditions can only make the second one later, never earlier."""
    ages = {item: one(pooled, measure="age by which 25 % have it", item=item, group="everyone")
            for item in ("onset", "onset_general_practice", "onset_without_mental", "onset_without_screened")}  # fmt: skip
    for item, row in ages.items():
        assert row["estimate"] >= ages["onset"]["estimate"] and row["events"] <= ages["onset"]["events"], item
    tables = next(iter(two.tables(STEM).values()))
    whole = tables["onset"][(tables["onset"][["deprivation", "ethnicity", "sex"]] == "all").all(axis=1)]
    fewer = tables["without_screened"][tables["without_screened"]["deprivation"] == "all"]
    assert fewer["person_days"].sum() > whole["person_days"].sum()  # they are at risk for longer


def test_second_conditions_of_chosen_sources_and_lists_by_brute_force(two):
    """Counted again from the records of one site, person by person."""
    made, codelist = two.sites[0], codelists.load("long_term_conditions/2026-11")
    events = made.prepared.condition_event.execute()
    events = events[(events["status"] != "family") | events["status"].isna()]
    recorded = enumerate(zip(events["code_system"], events["code"]))
    pairs = [(i, c) for i, (system, code) in recorded for c in codelist.conditions_of(system, code)]
    long = events.iloc[[i for i, _ in pairs]].assign(condition=[c for _, c in pairs])
    long = long[pd.to_datetime(long["event_date"]) < "2026-04-01"]
    chosen = [({"sources": ["GP"]}, long["source"] == "GP"), ({"without": ["depression"]}, long["condition"] != "depression")]
    for settings, kept in chosen:
        first = long[kept].groupby(["person_id", "condition"])["event_date"].min().sort_values()
        second = first.groupby(level=0).nth(1).reset_index(level=1, drop=True)
        found = measures.nth_condition(made.prepared, codelist, dt.date(2026, 4, 1), **settings).set_index("person_id")["day"]
        expected = (pd.to_datetime(second) - pd.Timestamp("1970-01-01")).dt.days
        assert found.sort_index().to_dict() == expected.sort_index().to_dict()


def test_active_conditions_are_some_of_those_ever_recorded(two, pooled):
    """Depression and epilepsy need a record within two years; everything else is for life."""
    made, codelist = two.sites[0], codelists.load("long_term_conditions/2026-11")
    on, recent = dt.date(2026, 4, 1), {"depression": 730}
    ever = measures.conditions_present(made.prepared, codelist, on).execute()
    active = measures.conditions_present(made.prepared, codelist, on, recent).execute()
    number, fewer = (t.groupby("condition").size() for t in (ever, active))
    assert fewer["depression"] < number["depression"] and fewer["diabetes"] == number["diabetes"]
    had, have = (set(t[t["condition"] == "depression"]["person_id"]) for t in (ever, active))
    dropped = had - have
    events = made.prepared.condition_event.execute()
    of = [("depression" in codelist.conditions_of(s, c)) for s, c in zip(events["code_system"], events["code"])]
    late = events[np.array(of) & (pd.to_datetime(events["event_date"]) >= pd.Timestamp(on) - pd.Timedelta(days=730))
                  & (pd.to_datetime(events["event_date"]) <= pd.Timestamp(on)) & (events["status"] != "family")]  # fmt: skip
    assert not dropped & set(late["person_id"])
    shares = [pooled[(pooled["measure"] == "prevalence at this age") & (pooled["item"] == item) & (pooled["scope"] == "pooled")]
              ["estimate"].sum() for item in ("two_or_more", "two_or_more_active")]  # fmt: skip
    assert shares[1] < shares[0]
