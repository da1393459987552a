"""Pitfalls that methods, sections 5, 8 and 9 name, and that declarations alone can walk into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from shared_code.config import Study, sites_of
from shared_code.config.editions import Editions
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices import AreaTable
from shared_code.indices.editions import lookup_of
from shared_code.methods import holm
from shared_code.reporting.places import PlaceTables

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


def test_no_indicator_sums_up_what_other_components_measure(ward_index: Index, indicators: IndicatorTable):
    """Households deprived in two or more of education, employment, health and housing would count three components again."""
    sums = ("dep|", "deprived", "deprivation", "imd_", "index_of_multiple")

    def sums_up(one: Any) -> bool:
        return any(word in " ".join([one.title, one.value, *(one.numerator or [])]).lower() for word in sums)

    assert not [name for name in ward_index.indicators if sums_up(indicators.indicators[name])]
    planted = indicators.indicators["overcrowded"].model_copy(update={"numerator": ["dep|Deprived in two dimensions"]})
    assert sums_up(planted)


def test_money_describes_a_ward_and_is_not_in_its_index(ward_index: Index, indicators: IndicatorTable):
    words = ("income", "salary", "wage", "pound", "£", "unemploy", "employment")
    titles = {name: f"{one.title} {one.unit}".lower() for name, one in indicators.indicators.items()}
    assert any(word in titles[name] for name in ward_index.context for word in words), "or nothing is tested"
    assert not [name for name in ward_index.indicators if any(word in titles[name] for word in words)]


INPUTS = ("number of", "surgeries", "practices per", "patient_to_gp", "per general practitioner", "spending", "staff", "budget")


def test_the_ward_index_asks_what_came_of_it_and_not_what_was_put_in(ward_index: Index, indicators: IndicatorTable):
    """How many surgeries a ward has says nothing of how well people are: services count by what they did, or how far they are."""

    def put_in(title: str, of: str) -> bool:
        return any(word in f"{title} {of}".lower() for word in INPUTS)

    made_of = {name: " ".join([one.value, one.denominator, *one.numerator]) for name, one in indicators.indicators.items()}
    assert not [name for name in ward_index.indicators if put_in(indicators.indicators[name].title, made_of[name])]
    assert put_in("Patients of each surgery", "patient_to_gp_ratio"), "the open data offer such a number, and it is not taken"


def test_what_is_carried_to_wards_is_shared_out_by_people_and_not_by_area(indicators: IndicatorTable):
    """A hill farm and an estate of one small area are not alike in people; ends of a split need a count of them."""
    splits = {name: one.share for name, one in indicators.lookups.items() if one.share}
    assert splits and all(share.partition(".")[0] in indicators.sources for share in splits.values())
    for share in splits.values():
        source, _, column = share.partition(".")
        assert "population" in indicators.sources[source].file and column == "all_ages"
    shares = Editions.read("core20").shares
    assert "census" in shares.file and shares.value == "eth|base"  # everybody counted


def test_the_people_of_a_split_area_go_where_people_live(tmp_path: Path):
    """One area of 2011 becomes two of equal ground, with 900 and 100 people: nine tenths of its people go to the first."""
    for name, frame in {"lookup": {"old": ["a", "a", "b"], "new": ["a1", "a2", "b"]},
                        "count": {"new": ["a1", "a2", "b"], "n": [900, 100, 500]}}.items():  # fmt: skip
        pd.DataFrame(frame).to_csv(tmp_path / f"{name}.csv", index=False)
    declared = Editions.read("core20")
    declared = declared.model_copy(update={
        "lookup": declared.lookup.model_copy(update={"file": "lookup.csv", "start": "old", "end": "new"}),
        "shares": declared.shares.model_copy(update={"file": "count.csv", "column": "new", "value": "n"})})  # fmt: skip
    older, newer = (AreaTable(pd.DataFrame({"x": dict.fromkeys(codes, 1.0)}), edition)
                    for codes, edition in ((["a", "b"], "LSOA 2011"), (["a1", "a2", "b"], "LSOA 2021")))  # fmt: skip
    found = lookup_of(declared, tmp_path, older, newer).pairs
    assert found["share"].tolist() == [0.9, 0.1, 1.0]


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


def test_registered_people_and_residents_stand_side_by_side_place_by_place():
    """Money by registered people would pay one place for another's: the page shows both shares of every place."""
    rows = []
    for stem, shares in (("core20plus5_profile", {"North": (1000, 200), "South": (500, 250)}),
                         ("locality_funding", {"North": (900, 225), "South": (600, 240)})):  # fmt: skip
        for place, (people, cases) in shares.items():
            base = {"analysis": stem, "item": "core20", "scope": "site:a", "level": place, "people": people, "events": cases,
                    "lower": np.nan, "upper": np.nan, "reason": ""}  # fmt: skip
            whole = sum(number for _, number in shares.values())
            rows += [base | {"measure": "share of the place", "estimate": 100 * cases / people},
                     base | {"measure": "share of the site", "estimate": 100 * cases / whole}]  # fmt: skip
    report = PlaceTables.__new__(PlaceTables)
    report.__dict__ |= {"results": pd.DataFrame(rows), "sites": pd.DataFrame({"site": ["a"], "title": ["A"]})}
    told = report.counted_twice(("Registered", "core20plus5_profile", "core20"), ("Residents", "locality_funding", "core20"))
    north, south = told.splitlines()[2:4]
    cells = [cell.strip() for cell in north.split("|")[1:-1]]
    assert cells == ["A", "North", "1,000", "900", "20.0", "25.0", "\u22125.0", "44.4", "48.4"]
    assert "10.0" in south and "50.0" in south and "40.0" in south
    page = (ROOT / "reports" / "locality_funding.qmd").read_text("utf-8")
    assert "report.counted_twice(" in page and "{{< include _core20_editions.qmd >}}" in page


def test_groups_of_people_have_a_table_of_their_own_and_do_not_stand_for_the_whole():
    """What holds in one sex is not written into the row of everybody, nor into the table of the designs month by month."""
    base = {"analysis": "a", "group": "cohort", "lower": np.nan, "upper": np.nan, "reason": "", "n_sites": 2, "scope": "pooled"}
    rows = [base | {"item": "gp", "measure": "change, naive", "stratum": "", "estimate": 1.0},
            base | {"item": "gp", "measure": "ratio of ratios", "stratum": "", "estimate": 1.01},
            *({**base, "item": "ed", "measure": "ratio of ratios", "stratum": stratum, "scope": scope, "estimate": value}
              for scope in ("pooled", "site:x") for stratum, value in (("", 0.8), ("sex=F", 0.7), ("sex=M", 0.9)))]  # fmt: skip
    report = PlaceTables.__new__(PlaceTables)
    entry = {"labels": {"ed": "Attendances", "gp": "Contacts", "sex:F": "Female", "sex:M": "Male"}, "dimensions": {"sex": "Sex"},
             "items": ["gp", "ed"], "item_label": "Service"}  # fmt: skip
    report.__dict__ |= {"results": pd.DataFrame(rows), "sites": pd.DataFrame({"site": ["x"], "title": ["X"]}),
                        "study": {"analyses": {"a": entry}}}  # fmt: skip
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.designs_by_group("a").splitlines()]
    assert [line[:2] for line in lines[2:]] == [["Everybody", ""], ["Sex", "Female"], ["Sex", "Male"]]
    assert [line[2].split()[0] for line in lines[2:]] == ["0.80", "0.70", "0.90"] and lines[0][2:] == ["Attendances"]
    assert "0.80" in report.designs_by_site("a") and "0.90" not in report.designs_by_site("a")
    assert "Contacts" in report.designs("a") and "Attendances" not in report.designs("a")


def test_a_table_of_many_groups_says_how_many_were_looked_at_and_how_many_stand_out_by_chance():
    """Twenty groups and no effect: one stands out, and the page says beforehand that one would."""
    rng = np.random.default_rng(7)
    base = {"analysis": "a", "measure": "ratio of ratios", "scope": "pooled", "item": "ed"}
    logs = rng.normal(0, 0.1, 200)
    p = holm(2 * norm.sf(np.abs(logs) / 0.1))
    rows = [base | {"stratum": f"group={i}", "estimate": np.exp(x), "lower": np.exp(x - 0.196), "upper": np.exp(x + 0.196),
                    "p_adjusted": p[i]} for i, x in enumerate(logs)]  # fmt: skip
    nothing = dict.fromkeys(("estimate", "lower", "upper", "p_adjusted"), np.nan)
    withheld = base | {"stratum": "group=w"} | nothing
    monthly = [base | nothing | {"item": "gp", "measure": m, "stratum": "", "estimate": 2.0, "lower": 1.9, "upper": 2.1}
               for m in ("change, naive", "ratio of ratios")]  # fmt: skip
    report = PlaceTables.__new__(PlaceTables)
    report.__dict__ |= {"results": pd.DataFrame([*rows, withheld, *monthly]),
                        "study": {"analyses": {"a": {"labels": {"ed": "ED attendances"}}}}}  # fmt: skip
    outside = int((np.abs(logs) > 0.196).sum())
    told = report.looked_at("a")
    assert "**200 intervals" in told and "about 10.0 of 200" in told and f"{outside} do." in told and 3 <= outside <= 19
    assert "there remain 0 of 200 groups in ED attendances" in told, "and none of them once it is allowed for"
    page = (ROOT / "reports" / "shielded_people.qmd").read_text("utf-8")
    assert page.count("report.looked_at(") == page.count("report.designs_by_group(") == 2


def test_wholes_and_unions_are_declared_so_that_overlapping_groups_need_not_be_added():
    groups = STUDY.analyses["core20plus5_profile"].results["groups"].dimensions
    assert {"plus", "inclusion"} <= set(groups["plus"].values) and groups["core20"].total
