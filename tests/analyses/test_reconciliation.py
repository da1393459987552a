"""What the protocol says must agree holds in what the demonstration releases, and every rule can tell a wrong number."""

from __future__ import annotations

import numpy as np
import pytest

from shared_code import disclosure
from shared_code.config import Study
from shared_code.config.agreement import at_places
from shared_code.config.plan import Plan
from shared_code.measures.cohort import wards_inside
from shared_code.pooling.reconcile import contradictions
from shared_code.pooling.relations import numbers_of, relations

SITE, PEOPLE = "demo_ashvale", 6000  # of the size that another test makes: the site is made once
AGREE = Study.read("config/study.yaml").agree


def tables_of(said):
    """Name the tables that a rule is about."""
    return {one.table for added in said.sums for one in added}


@pytest.fixture(scope="session")
def counted(demonstration):
    """Everything that one site counts: (analysis, table) -> declaration and unprotected table."""
    made = demonstration(PEOPLE, SITE)
    named = {table for said in made.study.agree for table in tables_of(said)}
    found = {}
    for stem in sorted({table.partition(".")[0] for table in named}):
        plan = Plan(made.study, stem)
        for name, table in made.tables(stem)[SITE].items():
            if f"{stem}.{name}" in named:
                found[stem, name] = (plan.results(name), table)
    return found


@pytest.fixture(scope="session")
def places(demonstration):
    """Which wards lie in which locality at the site."""
    return wards_inside(demonstration(PEOPLE, SITE).sites[0].prepared)


def released(counted, policy):
    return {
        (stem, name): (declared, disclosure.protect({name: (declared, table)}, ledger=[], policy=policy).tables[name])
        for (stem, name), (declared, table) in counted.items()
    }


@pytest.fixture(scope="session")
def exact(counted):
    study = Study.read("config/study.yaml")
    return released(counted, study.disclosure.model_copy(update={"threshold": 1, "rounding": 1}))


def test_the_numbers_of_a_site_fit_together(exact, places):
    assert contradictions(SITE, exact, at_places(Study.read("config/study.yaml").agree, places)) == []


def test_what_a_site_releases_fits_together(counted, places):
    study = Study.read("config/study.yaml")
    assert contradictions(SITE, released(counted, study.disclosure), at_places(study.agree, places)) == []


@pytest.mark.parametrize("said", AGREE, ids=[f"{at}: {said.title}" for at, said in enumerate(AGREE)])
def test_every_rule_is_about_numbers_that_are_there_and_tells_a_wrong_one(exact, places, said):
    (said,) = at_places([said], places)
    exact = {key: table for key, table in exact.items() if ".".join(key) in tables_of(said)}
    numbers = numbers_of(exact)
    family = next(f for f in relations(numbers, [said]) if f.said == said.title)  # there is one: it is not silent
    first = family.matrix[0]
    at = int(first.indices[np.argmin(first.data)])  # of the lesser number
    stem, name, statistic, row = numbers.cells[at]
    declared, cells = exact[stem, name]
    wide = numbers.tables[stem, name].iloc[row]
    wrong = cells.copy()
    here = (wrong["statistic"] == statistic) & (wrong[list(declared.dimensions)] == wide[list(declared.dimensions)]).all(axis=1)
    assert here.sum() == 1
    wrong.loc[here, ["value", "lower", "upper"]] += 1e6
    found = contradictions(SITE, {**exact, (stem, name): (declared, wrong)}, [said])
    assert any(said.title in one.words for one in found), [one.words for one in found]
