"""The planted truth against a plain recount of the extracts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Site, codelists
from shared_code.model import ETHNICITY5
from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic import days, diagnoses, make, planted
from shared_code.synthetic.conditions import at_least
from shared_code.synthetic.truth import AGE_EDGES

ROOT = Path(__file__).resolve().parents[2]
SITES = sorted(path.stem for path in (ROOT / "config" / "sites").glob("demo_*.yaml"))
INDEX, START = dt.date(2026, 4, 1), dt.date(2021, 4, 1)
CODELIST = codelists.load("long_term_conditions/2026-11", ROOT / codelists.FOLDER)
STANDARD = dict(zip(AGE_EDGES, [5000, 5500, 5500, 3300, 2200, 6000, 6000, 6500, 7000, 7000, 7000, 7000, 6500, 6000,
                                5500, 5000, 4000, 2500, 1500, 1000]))  # fmt: skip


def read_site(name: str) -> Site:
    return Site.read(name, ROOT / "config" / "sites")


def conditions_of(truth) -> pd.DataFrame:
    return pd.DataFrame(truth["conditions"]["rows"], columns=truth["conditions"]["columns"])


def cohort(tables) -> pd.DataFrame:
    """Count again, plainly, who is alive and registered: one row per person with sex, age, fifth and group."""
    person = tables["person"].set_index("person_id")
    spells = tables["gp_registration"]
    open_ = (spells.reg_start <= INDEX) & ~(spells.reg_end < INDEX + dt.timedelta(days=1)) & (spells.reg_type == "GMS")
    person = person[person.index.isin(spells[open_].person_id) & person.sex.isin(["F", "M"])]
    if "death" in tables:
        person = person[~person.index.isin(tables["death"].person_id)]
    born = pd.to_datetime(person.birth_month)
    person = person.assign(age=((INDEX.year - born.dt.year) * 12 + INDEX.month - born.dt.month - 1) // 12)
    address = tables["person_address"]
    address = address[address.start <= INDEX].sort_values("start").groupby("person_id").tail(1)
    decile = address.merge(tables["area_lookup"], on="lsoa21").set_index("person_id").imd10
    group = {letter: name for name, letters in ETHNICITY5.items() for letter in letters}
    return person.assign(
        fifth=(decile.reindex(person.index) + 1) // 2, group=person.ethnicity16.map(group).fillna("Unknown")
    )


def present(tables) -> pd.DataFrame:
    events = tables["condition_event"]
    events = events[(events.event_date <= INDEX) & (events.status != "family")]
    pairs = events[["code_system", "code"]].drop_duplicates()
    matches = CODELIST.matches(pairs.itertuples(index=False, name=None))
    meaning = pd.DataFrame(matches, columns=["code_system", "code", "c"])
    return events.merge(meaning, on=["code_system", "code"])[["person_id", "c"]].drop_duplicates()


def test_cases_and_people_are_those_of_the_extract(made):
    """Every person and case of the truth is found again in the prepared tables, group by group."""
    people, has, truth = cohort(made.tables), present(made.tables), conditions_of(made.truth)
    numbers = has.groupby("person_id").size()
    for condition in [*planted.CONDITIONS, *planted.MULTIPLE]:
        youngest = planted.CONDITIONS[condition].minimum_age if condition in planted.CONDITIONS else 0
        least = planted.MULTIPLE.get(condition)
        ids = numbers.index[numbers >= least] if least else has.person_id[has.c == condition]
        old_enough = people[people.age >= youngest]
        old_enough = old_enough.assign(case=old_enough.index.isin(ids))
        rows = truth[truth.condition == condition]
        for dimension, levels in (("everyone", np.full(len(old_enough), "all")),
                                  ("deprivation", old_enough.fifth.astype(int).astype(str)),
                                  ("ethnicity", old_enough.group), ("sex", old_enough.sex)):  # fmt: skip
            counted = old_enough.groupby([np.asarray(levels), "sex"]).case.agg(["size", "sum"])
            told = rows[rows.dimension == dimension].groupby(["level", "sex"])[["people", "cases"]].sum()
            missed = (told - counted.set_axis(["people", "cases"], axis=1).set_axis(told.index)).sum()
            unlinked = sum(n["unlinked"] for n in made.unlinked.get("condition_event", {}).values())  # known from hospital only
            few = min(unlinked, 2)  # a record that is not linked, or linked to another person
            assert missed["people"] == 0 and abs(missed["cases"]) <= few, (condition, dimension, missed)
            if not unlinked:
                assert counted.to_numpy().tolist() == told.to_numpy().tolist(), (condition, dimension)


def test_cases_lie_within_four_standard_errors_of_the_truth(made):
    truth = conditions_of(made.truth)
    sums = truth.groupby(["condition", "dimension", "level"])[["expected", "variance", "cases"]].sum()
    sums = sums[sums.expected >= 5]
    z = (sums.cases - sums.expected) / np.sqrt(sums.variance)
    assert z.abs().max() < 4.5 and z.std() < 1.4


@pytest.fixture(scope="module", params=SITES)
def large(request):
    """Simulate 20,000 people without writing them."""
    return make.simulate(read_site(request.param), 20_000, INDEX, START)


def test_deaths_follow_the_planted_hazards(large):
    """Observed deaths against the mid-year population times the planted rates, decile by decile."""
    facts, truth = large
    told, places, people = truth["planted"]["death"], facts.places, facts.people
    expected = np.zeros(11)
    ward = np.array([told["hazard_ratio_ward"][code] for code in places.ward_cd])[places.ward]
    rates = np.stack([told["rates_by_single_year_of_age"][sex] for sex in "FM"])
    rates[:, 90] = [np.average(r[90:], weights=planted.survival(r)[90:-1]) for r in rates]  # 90 and over together
    ratio = np.array([told["hazard_ratio_imd10"][str(decile)] for decile in places.imd10]) * ward
    table = facts.population
    np.add.at(expected, places.imd10[table.area], table.population * rates[table.sex, table.age] * ratio[table.area])
    died = facts.deaths["row"][people.recorded_sex[facts.deaths["row"]] < 2]
    observed = np.bincount(places.imd10[people.area[died]], minlength=11)
    z = (observed - expected)[1:] / np.sqrt(expected[1:])
    assert np.abs(z).max() < 4
    rows = pd.DataFrame(truth["life_expectancy"])
    z = (rows.deaths - rows.expected_deaths) / np.sqrt(rows.expected_deaths)
    assert z.abs().max() < 4
    deciles = rows[rows.area == "imd10"].groupby("code")[["deaths"]].sum().deaths
    assert deciles.to_dict() == {str(d): observed[d] for d in range(1, 11)}
    assert (rows.person_years / (rows.days_lived / DAYS_A_YEAR)).sub(1).abs().max() < 0.05


def test_planted_life_expectancy_is_that_of_its_area(large):
    rows = pd.DataFrame(large[1]["life_expectancy"])
    deciles = rows[rows.area == "imd10"].pivot(index="code", columns="sex", values="e0")
    assert (deciles.F > deciles.M).all()
    assert deciles.loc["10"].min() - deciles.loc["1"].max() > 0, "the gap within a sex is wide"
    alone = [code for number, code in enumerate(large[0].places.ward_cd)
             if len(set(large[0].places.imd10[large[0].places.ward == number])) == 1]  # fmt: skip
    for code in alone:  # every area of the ward has the same hazard: no averaging, the formula itself
        places = large[0].places
        ratio = places.hazard_ratio[places.ward == list(places.ward_cd).index(code)][0]
        e0 = planted.expectation(planted.death_rates("F") * ratio)
        assert rows[(rows.code == code) & (rows.sex == "F")].e0.item() == pytest.approx(e0, abs=1e-5)
    assert alone


def test_nothing_happens_before_birth_or_after_death(large):
    people, spells, records = large[0].people, large[0].registrations, large[0].diagnoses
    when, row = records["day"], records["row"]
    assert (when >= people.birth[row]).all()
    assert (when <= people.death[row]).all() and (when < days.day(INDEX)).all()
    assert (spells["begin"] >= people.birth[spells["row"]]).all()
    assert (spells["begin"] <= people.death[spells["row"]]).all() and (spells["finish"] > spells["begin"]).all()
    assert (people.settled >= people.birth).all() and (people.settled <= people.death).all()
    died = people.death != days.NEVER
    assert (people.death[died] >= people.entry[died]).all() and (people.moved[died] <= people.death[died]).all()
    assert (large[0].deaths["registered"] >= large[0].deaths["death"]).all()
    assert 0 < (spells["finish"][died[spells["row"]]] == days.NEVER).mean() < 0.1, "a few ghosts are left"


def standardised(rows: pd.DataFrame) -> float:
    """Directly standardise for age and sex (European Standard Population 2013, half of each sex)."""
    lower = rows.age.str.extract(r"^(\d+)")[0].astype(int)
    weight = lower.map(STANDARD)
    return float((weight * rows.expected / rows.people).sum() / weight.sum())


def test_crude_ratios_mislead_as_designed(large):
    """Younger groups: the crude ratio of diabetes lies well below the standardised one."""
    truth = conditions_of(large[1])
    truth = truth[truth.condition == "diabetes"]
    groups = {level: rows for (_, level), rows in truth.groupby(["dimension", "level"])}
    for group, reference, ratio in (("Asian", "White", 2.1), ("1", "5", 1.6)):
        crude = [groups[g].expected.sum() / groups[g].people.sum() for g in (group, reference)]
        fair = standardised(groups[group]) / standardised(groups[reference])
        assert crude[0] / crude[1] < 0.95 * fair
        assert 0.75 * ratio < fair < 1.35 * ratio


def test_prevalences_look_like_england(large):
    rows = conditions_of(large[1])
    rows = rows[rows.dimension == "everyone"].groupby("condition")[["people", "expected"]].sum()
    share = rows.expected / rows.people
    limits = {"hypertension": (0.10, 0.18), "depression": (0.10, 0.18), "asthma": (0.05, 0.08),
              "diabetes": (0.04, 0.09), "dementia": (0.006, 0.025), "copd": (0.01, 0.035)}  # fmt: skip
    for condition, (low, high) in limits.items():
        assert low < share[condition] < high, condition


def test_codes_mean_their_condition_and_no_other():
    for condition in planted.CONDITIONS:
        for system, codes in (("SCT", diagnoses.SNOMED), ("ICD10", diagnoses.ICD10)):
            for code in codes[condition]:
                assert CODELIST.conditions_of(system, code) == {condition}, code
    for code in diagnoses.NOISE:
        assert not CODELIST.conditions_of("SCT" if code.isdigit() else "ICD10", code), code
        assert not code.isdigit() or codelists.verhoeff(code), code
    youngest = {name: condition.minimum_age for name, condition in planted.CONDITIONS.items()}
    assert youngest == CODELIST.minimum_age


def test_at_least_agrees_with_every_combination():
    """Two or more, four or more: the recursion against all 2^6 outcomes."""
    chances = np.array([[0.1, 0.5, 0.25, 0.9, 0.3, 0.6]])
    outcomes = (np.arange(64)[:, None] >> np.arange(6)) & 1
    weight = np.where(outcomes == 1, chances, 1 - chances).prod(axis=1)
    exact = [weight[outcomes.sum(axis=1) >= least].sum() for least in planted.MULTIPLE.values()]
    assert at_least(chances)[0] == pytest.approx(exact, abs=1e-12)


def test_baseline_life_expectancy():
    """About 79 and 83 years; a constant rate of 1/50 gives 50 years (known answer)."""
    assert planted.expectation(planted.death_rates("M")) == pytest.approx(79, abs=0.3)
    assert planted.expectation(planted.death_rates("F")) == pytest.approx(83, abs=0.3)
    assert planted.expectation(np.full(121, 0.02)) == pytest.approx(50, abs=1e-9)
