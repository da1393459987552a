"""One iteration at a site: what it tells about people, when it may leave, and that it comes back as it was."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.disclosure.rules_models import MOST_REQUESTS, step_faults
from shared_code.measures.saving import check_results
from shared_code.methods.federated_state import TOO_FAR
from shared_code.methods.glm import derivatives
from shared_code.model import ALL
from shared_code.regression.steps import read_step, step_declaration, step_table
from shared_code.regression.tables import ModelTable
from shared_code.releases.cells import check_cells, from_csv, small_counts, to_csv
from tests.regression.conftest import TERMS, people_at

NET10 = Policy()


def at_zero(table: ModelTable, spread: bool = False, requests: int = 1) -> pd.DataFrame:
    return step_table(table, [0.0] * len(table.model.columns), None, spread, requests)


def released(table: ModelTable, wide: pd.DataFrame) -> pd.DataFrame:
    declared = step_declaration(table.model)
    cells = from_csv(to_csv(protect({"risk.emergency": (declared, wide)}, [], NET10).tables["risk.emergency"]))
    levels = {name: dimension.levels() for name, dimension in declared.dimensions.items()}
    assert check_cells(cells, declared, levels, "x") == [] and small_counts(cells, "step", NET10) == 0
    return cells


def reasons(table: ModelTable, wide: pd.DataFrame | None = None) -> str:
    return "; ".join(reason for reason, _ in step_faults(at_zero(table) if wide is None else wide, NET10))


def test_a_step_passes_the_door_with_every_digit(table_of):
    table = table_of(people_at(1))
    step = derivatives("logistic", table, table.outcome, [0.1] * 6, meat=True)
    back = read_step(table.model, released(table, step_table(table, [0.1] * 6, None, True, 1)))
    np.testing.assert_array_equal(back.gradient, step.gradient)
    np.testing.assert_array_equal(back.hessian, np.tril(step.hessian) + np.tril(step.hessian, -1).T)
    np.testing.assert_array_equal(back.meat, np.tril(step.meat) + np.tril(step.meat, -1).T)
    assert (back.people, back.events, back.log_likelihood) == (20_000, step.events, step.log_likelihood)


def test_a_step_is_a_table_of_its_layout(table_of):
    table = table_of(people_at(1))
    declared = step_declaration(table.model)

    class ThePlan:
        stem = "risk"

        def results(self, name: str) -> ResultsTable:
            return declared

        def levels(self, name: str, dimension: str) -> dict[str, str] | None:
            return declared.dimensions[dimension].levels()

    assert check_results(ThePlan(), "emergency", at_zero(table), complete=True) == []


def test_the_hessian_at_zero_is_the_cross_tabulation_that_the_rules_look_at(table_of):
    """By brute force: the smallest number of people, zeros left out, in each pair of terms by outcome."""
    people = people_at(2, 3000)
    table = table_of(people)
    wide = at_zero(table).set_index(["term", "by"])
    together = (people["age"] == "85+") & (people["frailty"] == "severe")
    assert 4 * wide.loc[("frailty=severe", "age=85+"), "hessian"] == pytest.approx(together.sum())
    for a, b in itertools.combinations(["age", "frailty", "admitted"], 2):
        smallest = people.groupby([a, b, "outcome"]).size().min()
        pairs = [key for key in wide.index if {key[0].split("=")[0], key[1].split("=")[0]} == {a, b}]
        assert len(pairs) >= 2 and {wide.loc[key, "fewest"] for key in pairs} == {smallest}
    assert wide.loc[(ALL, ALL), "patterns"] == people.groupby([*TERMS, "outcome"]).size().min()
    assert wide.loc[(ALL, ALL), "cases"] == people["outcome"].sum()


def hide(people: pd.DataFrame, where: pd.Series, keep: int) -> pd.DataFrame:
    """Leave only so many people in a group."""
    return people.drop(index=people[where].index[keep:])


@pytest.mark.parametrize(("group", "named"), [
    (lambda p: (p["age"] == "85+") & (p["admitted"] == "yes"), "admitted × age"),
    (lambda p: (p["age"] == "65-74") & (p["frailty"] == "fit") & (p["outcome"] == 1), "age × frailty"),  # references
    (lambda p: (p["frailty"] == "severe") & (p["outcome"] == 0), "frailty"),
    (lambda p: p["age"] == "85+", "age"),
])  # fmt: skip
@pytest.mark.parametrize("left", [1, 9])
def test_a_small_group_refuses_the_whole_step(table_of, group, named, left):
    people = people_at(3)
    table = table_of(hide(people, group(people), left))
    assert f"groups of 1 to 9 people, with or without the outcome, in {named}" in reasons(table)
    cells = released(table, at_zero(table))
    assert cells["value"].isna().all() and "too small" in read_step(table.model, cells)


@pytest.mark.parametrize("left", [0, 10_000])
def test_nobody_and_many_may_be_told(table_of, left):
    people = people_at(3)
    assert reasons(table_of(hide(people, (people["age"] == "85+") & (people["frailty"] == "severe"), left))) == ""


def test_honest_rounds_tell_the_people_in_every_pattern(table_of):
    """The attack that the rule about patterns prevents, carried out: solve the steps of an ordinary fit for the counts."""
    people = people_at(4)
    rare = (people["age"] == "85+") & (people["frailty"] == "severe") & (people["admitted"] == "yes")
    table = table_of(hide(people, rare, 4))
    beta, known, told = np.zeros(6), [], []
    patterns = np.array([[1, a == 1, a == 2, f == 1, f == 2, e] for a in range(3) for f in range(3) for e in range(2)], float)
    for _ in range(4):
        step = derivatives("logistic", table, table.outcome, beta)
        mean = 1 / (1 + np.exp(-patterns @ beta))
        for i, j in itertools.combinations_with_replacement(range(6), 2):
            known.append(mean * (1 - mean) * patterns[:, i] * patterns[:, j])
            told.append(step.hessian[i, j])
        beta = beta + np.linalg.solve(step.hessian, step.gradient)
    solved = np.linalg.lstsq(np.array(known), np.array(told), rcond=None)[0]
    assert round(solved[-1]) == 4, "the rare pattern's people are told exactly, though every pair of terms has many"
    assert "could be solved for the people in each pattern" in reasons(table)


def test_patterns_are_looked_at_when_the_rounds_could_tell_them(table_of):
    people = people_at(4)
    rare = (people["age"] == "85+") & (people["frailty"] == "severe") & (people["admitted"] == "yes")
    few = hide(people, rare & (people["outcome"] == 0), 3)
    assert "could be solved for the people in each pattern" in reasons(table_of(few))
    # with so many levels that no number of rounds tells the patterns, pairs are what counts
    many = {**TERMS, **{f"x{i}": {"values": {"0": "0", "1": "1"}} for i in range(8)}}
    chance = np.random.default_rng(1)
    wide = few.assign(**{f"x{i}": chance.choice(["0", "1"], len(few)) for i in range(8)})
    assert reasons(table_of(wide, terms=many)) == ""


def test_too_many_parameters_or_too_few_events(table_of):
    assert "parameters" in reasons(table_of(people_at(5, 55)))
    people = people_at(5, 4000)
    people["outcome"] = 0
    people.loc[people.sample(55, random_state=1).index, "outcome"] = 1
    assert "fewer than 10 people with the outcome" in reasons(table_of(people))


def test_a_site_without_events_tells_only_that(table_of):
    table = table_of(people_at(6).assign(outcome=0))
    cells = released(table, at_zero(table))
    given = cells[cells["value"].notna()]
    assert set(given["statistic"]) == {"people", "events"}
    step = read_step(table.model, cells)
    assert step.events == 0 and step.people == 20_000 and not step.hessian.any()


def test_coefficients_chosen_to_single_people_out_are_not_answered(table_of):
    """A question far from any fit makes all weights vanish but those of one pattern: its people could be counted."""
    people = people_at(7)
    table = table_of(hide(people, (people[["age", "frailty", "admitted"]] == ["85+", "severe", "yes"]).all(axis=1), 9))
    question = [-90.0, 0.0, 30.0, 0.0, 30.0, 30.0]
    aimed = step_table(table, question, None, False, 1)
    assert "a few people make up most of the sums" in reasons(table, aimed.assign(patterns=0))
    assert reasons(table, aimed.assign(patterns=0)).startswith(TOO_FAR), "the fit then asks nearer"
    assert reasons(table, at_zero(table).assign(patterns=0)) == "", "at zero the same people are told only in large groups"
    whole = table_of(people)
    assert reasons(whole, step_table(whole, question, None, False, 1)) == "", "this pattern has enough people of its own"


def test_an_outlier_that_dominates_a_number(table_of):
    people = people_at(8).assign(cost=np.random.default_rng(1).uniform(0, 1, 20_000))
    people.loc[0, "cost"] = 1e6
    terms = {**TERMS, "cost": {"number": {}}}
    assert "a few people make up most of the sums of cost" in reasons(table_of(people, terms=terms))


def test_a_number_that_is_a_group_in_disguise(table_of):
    people = people_at(8).assign(flag=0.0)
    people.loc[:4, "flag"] = 7.5
    terms = {**TERMS, "flag": {"number": {}}}
    assert "flag" in reasons(table_of(people, terms=terms))
    values = np.random.default_rng(1).normal(size=len(people))
    hidden = people.assign(flag=np.where(people.index < 5, values, 0.0))  # many values, but only for five people
    assert "flag" in reasons(table_of(hidden, terms=terms))


def test_repeated_fits_are_counted_and_stop(table_of):
    table = table_of(people_at(1))
    assert reasons(table, at_zero(table, requests=MOST_REQUESTS)) == ""
    assert "repeated fits" in reasons(table, at_zero(table, requests=MOST_REQUESTS + 1))


def test_few_clusters_could_be_solved_for(table_of):
    people = people_at(1).assign(clusters=lambda t: t.index % 9)
    table = table_of(people, robust="clusters")
    assert reasons(table, at_zero(table)) == ""
    assert "fewer than 10 clusters" in reasons(table, at_zero(table, spread=True))


def test_people_with_several_rows_count_once(table_of):
    people = people_at(9, 900)
    twice = pd.concat([people, people], ignore_index=True).assign(person=[*range(900), *range(900)])
    once = at_zero(table_of(people))
    wide = at_zero(table_of(twice))
    pd.testing.assert_series_equal(wide["fewest"], once["fewest"])
    assert wide.loc[0, "people"] == 900 and wide.loc[0, "patterns"] == once.loc[0, "patterns"]


# Likelihood profiles


PROFILE = ResultsTable.model_validate({
    "title": "t", "layout": "profile",
    "dimensions": {"arm": {"values": {"a": "A", "b": "B"}}, "point": {"points": [-1, 1, 3]}},
})  # fmt: skip


def profile(fewest: dict[str, list[int]]) -> pd.DataFrame:
    points = list(PROFILE.dimensions["point"].levels())
    return pd.DataFrame([
        {"arm": arm, "point": p, "log_likelihood": -0.5, "gradient": 1 / 3, "people": 900, "events": 40, "fewest": small[i]}
        for arm, small in fewest.items() for i, p in enumerate(points)
    ])  # fmt: skip


def test_a_profile_leaves_whole_or_not_at_all():
    table = profile({"a": [12, 12, 9], "b": [30, 30, 30]})
    cells = protect({"a.t": (PROFILE, table)}, [], NET10).tables["a.t"]
    withheld = cells[cells["arm"] == "a"]
    assert withheld["value"].isna().all() and set(withheld["status"]) == {"withheld"}
    shown = cells[cells["arm"] == "b"]
    assert set(shown["status"]) == {"ok"} and 1 / 3 in set(from_csv(to_csv(shown))["value"])
    assert check_cells(from_csv(to_csv(cells)), PROFILE, {n: d.levels() for n, d in PROFILE.dimensions.items()}, "x") == []
