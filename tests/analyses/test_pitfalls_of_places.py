"""Pitfalls that methods, sections 5, 8 and 9 name, and that declarations alone can walk into."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_code.config import Study, sites_of
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")


@pytest.fixture(scope="module")
def ward_index() -> Index:
    return Index.read("ward_social_progress")


@pytest.fixture(scope="module")
def indicators(ward_index: Index) -> IndicatorTable:
    return IndicatorTable.read(ward_index.table)


def test_nothing_is_counted_twice_in_the_ward_index(ward_index: Index, indicators: IndicatorTable):
    made_of = {}
    for name in ward_index.indicators:
        one = indicators.indicators[name]
        said = (one.source, one.value, tuple(sorted(one.numerator or [])))
        assert said not in made_of, f"{name} and {made_of.get(said)} are the same number"
        made_of[said] = name


def test_money_describes_a_ward_and_is_not_in_its_index(ward_index: Index, indicators: IndicatorTable):
    words = ("income", "salary", "wage", "pound", "£", "unemploy", "employment")
    titles = {name: f"{one.title} {one.unit}".lower() for name, one in indicators.indicators.items()}
    assert any(word in titles[name] for name in ward_index.context for word in words), "or nothing is tested"
    assert not [name for name in ward_index.indicators if any(word in titles[name] for word in words)]


def test_listed_people_are_not_counted_where_deaths_are_not_known():
    """Without deaths the dead stay in the denominators, and a fall in their use looks like an effect of the policy."""
    entry, sites = STUDY.analyses["shielded_people"], sites_of("demonstration", ROOT / "config" / "sites")
    without = [site for site in sites if "death" not in site.tables]
    assert without and not any(site.can_run(entry) for site in without)
    assert all(site.can_run(entry) for site in sites if "death" in site.tables and site.made_up)


def test_april_is_not_compared_by_itself_because_easter_moves():
    (step,) = STUDY.analyses["shielded_people"].pooled[:1]
    first, last = step.settings["months"]
    assert first[:4] == last[:4] and int(last[5:]) - int(first[5:]) >= 2, "three months or more together"


def test_money_follows_residents_and_no_person_is_read_for_it():
    entry = STUDY.analyses["locality_funding"]
    assert {name.partition(".")[0] for name in [*entry.needs, *entry.uses]} == {"area_population", "area_lookup"}
    assert {entry.results["residents"].layout} == {"counts"} and not entry.models


def test_wholes_and_unions_are_declared_so_that_overlapping_groups_need_not_be_added():
    groups = STUDY.analyses["core20plus5_profile"].results["groups"].dimensions
    assert {"plus", "inclusion"} <= set(groups["plus"].values) and groups["core20"].total
