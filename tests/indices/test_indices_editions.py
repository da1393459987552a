"""Editions of wards and small areas are never mixed: every attempt is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.editions import Editions
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices import AreaTable, base_of, carried, compute, joined
from shared_code.indices.areas import AreaLookup, way
from shared_code.indices.editions import moved, two_editions
from shared_code.reporting.editions import editions_part

OLD, NEW, WARD = "LSOA 2011", "LSOA 2021", "ward 2017-12"
ROOT = Path(__file__).resolve().parents[2]


def test_who_moves_in_and_out_of_need_drawn():
    """a stays in need, b is split and half of it leaves, c enters: the same people on both sides."""
    people = table(OLD, a=100.0, b=80.0, c=60.0, d=40.0)
    lookup = AreaLookup(pd.DataFrame({"start": list("abbcd"), "end": ["a", "b1", "b2", "c", "d"],
                                      "share": [1, 0.5, 0.5, 1, 1]}), OLD, NEW, "to 2021")  # fmt: skip
    before = pd.Series({"a": True, "b": True, "c": False, "d": False})
    after = pd.Series({"a": True, "b1": True, "b2": False, "c": True, "d": False})
    found = moved(people, before, after, after, lookup, NEW).sum()
    assert found[["people", "before", "after", "both", "into", "out"]].tolist() == [280, 180, 200, 140, 60, 40]
    assert found["after"] - found["before"] == found["into"] - found["out"]


def test_areas_of_another_edition_are_refused_even_where_codes_agree(message_of):
    """Pitfall: an index of 2025 looked up by codes of 2011 would give some areas another area's need."""
    lookup = AreaLookup(pd.DataFrame({"start": ["a"], "end": ["a"], "share": [1.0]}), OLD, NEW, "to 2021")
    need = pd.Series({"a": True})
    assert "is of LSOA 2021" in message_of(moved, table(NEW, a=1.0), need, need, need, lookup, NEW)
    assert "the newer index is of LSOA 2011" in message_of(moved, table(OLD, a=1.0), need, need, need, lookup, OLD)


@pytest.fixture(scope="module")
def core20(open_data: Path) -> pd.DataFrame:
    return two_editions(Editions.read("core20"), open_data)


def test_the_table_on_the_page_is_that_of_the_open_data(core20: pd.DataFrame):
    page = (ROOT / "reports" / "_core20_editions.qmd").read_text("utf-8")
    assert page == editions_part(Editions.read("core20"), core20), "cohortium index editions core20 --data FOLDER"


def test_people_in_core20_of_2019_are_those_of_the_published_deciles(core20: pd.DataFrame, open_data: Path):
    """Counted again from the published overall deciles and a lookup of another kind (districts of small areas of 2011)."""
    decile = pd.read_csv(open_data / "deprivation" / "imd2019_england_lsoa11_ranks_deciles.csv.gz").set_index("lsoa11_code")
    people = pd.read_csv(open_data / "population" / "mye2020_lsoa11_5yr_bands_england_wales.csv.gz").set_index("lsoa11_code")
    within = pd.read_csv(open_data / "geography" / "lsoa11_ward17_lad21.csv.gz").drop_duplicates("lsoa11_code")
    within = within.set_index("lsoa11_code")["ltla21_name"]
    inside = people["all_ages"][decile.index[decile["IMD_decile"] <= 2]]
    by_hand, whole = (s.groupby(within.reindex(s.index)).sum() for s in (inside, people["all_ages"]))
    districts = core20.iloc[:-1].set_index("place")
    np.testing.assert_allclose(districts["before"], by_hand.reindex(districts.index).fillna(0), atol=1e-6)
    np.testing.assert_allclose(districts["people"], whole.reindex(districts.index), atol=1e-6)
    assert np.allclose(districts["before"], districts["both"] + districts["out"])
    assert np.allclose(districts["after"], districts["both"] + districts["into"])
    for side in ("before", "after", "beside"):
        assert core20[f"pounds_{side}"].iloc[:-1].sum() == pytest.approx(1_800_000)


def table(edition: str, **values: float) -> AreaTable:
    return AreaTable(pd.DataFrame({"people": values}), edition, f"counts of {edition}")


def test_tables_of_two_editions_cannot_be_joined_even_where_all_codes_agree(message_of):
    said = message_of(joined, table(OLD, E01000001=5.0), table(NEW, E01000001=5.0))
    assert "LSOA 2011" in said and "LSOA 2021" in said and "Carry one of them over" in said
    both = joined(table(OLD, E01000001=5.0), AreaTable(pd.DataFrame({"cars": {"E01000001": 2.0}}), OLD))
    assert both.numbers.loc["E01000001"].tolist() == [5.0, 2.0]


def test_a_lookup_takes_only_its_own_edition_and_only_codes_it_knows(message_of):
    lookup = AreaLookup(pd.DataFrame({"start": ["a", "b"], "end": ["w", "w"], "share": [1.0, 1.0]}), NEW, WARD, "to wards")
    assert "is of LSOA 2011" in message_of(carried, table(OLD, a=1.0), lookup)
    assert "1 codes of counts of LSOA 2021 are not of LSOA 2021: c" in message_of(carried, table(NEW, a=1.0, c=4.0), lookup)
    assert carried(table(NEW, a=1.0, b=4.0), lookup).numbers.loc["w", "people"] == 5
    assert carried(table(NEW, a=1.0), lookup).edition == WARD


links = st.tuples(st.integers(0, 9), st.integers(0, 5), st.floats(0.1, 9))


@given(st.lists(links, min_size=1, max_size=40, unique_by=lambda t: t[:2]), st.randoms())
@settings(max_examples=60, deadline=None)
def test_carrying_over_loses_and_invents_nobody(triples, random):
    pairs = pd.DataFrame(triples, columns=["start", "end", "size"]).astype({"start": str, "end": str})
    pairs["share"] = pairs["size"] / pairs.groupby("start")["size"].transform("sum")
    counts = {code: random.randint(0, 900) for code in sorted(set(pairs["start"]))}
    there = carried(table(NEW, **counts), AreaLookup(pairs, NEW, OLD))
    assert there.numbers["people"].sum() == pytest.approx(sum(counts.values()))


def test_the_way_leads_over_several_lookups_or_is_an_error(message_of):
    empty = pd.DataFrame({"start": [], "end": [], "share": []})
    lookups = [AreaLookup(empty, OLD, WARD, "second"), AreaLookup(empty, NEW, OLD, "first")]
    assert [step.name for step in way(NEW, WARD, lookups)] == ["first", "second"]
    assert way(OLD, OLD, lookups) == []
    assert "none leads from ward 2017-12 to LSOA 2021" in message_of(way, WARD, NEW, lookups)


def test_an_index_of_another_edition_of_wards_is_refused(message_of, small: Index, places: AreaTable):
    other = AreaTable(places.numbers, "ward 2024-05", "wards of 2024")
    assert "wards of 2024 is of ward 2024-05" in message_of(base_of, small, other)


@pytest.fixture
def declared(tmp_path: Path):
    """Write three small files of open data and give a function that changes their declaration."""
    pd.DataFrame({"l21": ["A1", "A2", "B", "CD"], "l11": ["A", "A", "B", "C"]}).pipe(
        lambda f: pd.concat([f, pd.DataFrame({"l21": ["CD"], "l11": ["D"]})])).to_csv(tmp_path / "changes.csv", index=False)
    pd.DataFrame({"l11": list("ABCD"), "ward": ["w1", "w1", "w2", "w1"], "name": list("xxyx"), "lad": "Here"}).to_csv(
        tmp_path / "wards.csv", index=False)  # fmt: skip
    pd.DataFrame({"l21": ["A1", "A2", "B", "CD"], "ill": [1, 2, 3, 40], "all": [10, 10, 10, 100], "rate": [1.0, 2.0, np.nan, 5.0]}
                 ).to_csv(tmp_path / "new.csv", index=False)  # fmt: skip
    pd.DataFrame({"l11": list("ABCD"), "all": [20, 10, 75, 25]}).to_csv(tmp_path / "old.csv", index=False)
    source = {"title": "t", "publisher": "p", "licence": "OGL", "published": "2021"}
    content = {
        "table": "small", "title": "Small",
        "places": {"edition": WARD, "file": "wards.csv", "column": "ward", "name": "name", "district": "lad"},
        "sources": {"new": source | {"file": "new.csv", "areas": {"column": "l21", "edition": NEW}},
                    "old": source | {"file": "old.csv", "areas": {"column": "l11", "edition": OLD}}},
        "lookups": {
            "back": {"title": "t", "publisher": "p", "licence": "OGL", "file": "changes.csv", "share": "old.all",
                     "start": {"column": "l21", "edition": NEW}, "end": {"column": "l11", "edition": OLD}},
            "up": {"title": "t", "publisher": "p", "licence": "OGL", "file": "wards.csv",
                   "start": {"column": "l11", "edition": OLD}, "end": {"column": "ward", "edition": WARD}}},
        "indicators": {"ill": {"title": "Ill", "unit": "%", "period": "2021", "source": "new", "numerator": ["ill"],
                               "denominator": "all", "per": 100},
                       "rate": {"title": "Rate", "unit": "", "period": "2021", "source": "new", "value": "rate",
                                "weight": "new.all"}},
    }  # fmt: skip

    def made(**changes):
        parts = {**content, **changes}
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(parts), "utf-8")
        return IndicatorTable.read("small", tmp_path), tmp_path

    made.content = content
    return made


def test_a_table_worked_out_by_hand(declared):
    """CD was C and D in 2011, with 75 and 25 people: w1 gets A1, A2, B and a quarter of CD; w2 three quarters."""
    found = compute(*declared()).set_index("place")
    assert found.loc["w1", "ill"] == pytest.approx(100 * (1 + 2 + 3 + 10) / (10 + 10 + 10 + 25), rel=1e-5)
    assert found.loc["w2", "ill"] == pytest.approx(100 * 30 / 75)
    assert found.loc["w1", "ill.of"] == 55
    assert found.loc["w1", "rate"] == pytest.approx((10 * 1 + 10 * 2 + 25 * 5) / 45, rel=1e-5)  # B is not known
    assert found.loc["w2", "name"] == "y"


def test_a_value_known_for_less_than_half_of_the_people_is_not_given(declared):
    table, folder = declared()
    pd.DataFrame({"l21": ["A1", "A2", "B", "CD"], "ill": 1, "all": [10, 10, 10, 100], "rate": [1.0, 2.0, 3.0, np.nan]}).to_csv(
        folder / "new.csv", index=False)  # fmt: skip
    found = compute(table, folder).set_index("place")
    assert np.isnan(found.loc["w2", "rate"]) and found.loc["w1", "rate"] == 2.0


def test_every_attempt_to_mix_is_refused(declared, message_of):
    content = declared.content
    wrong = {**content["sources"], "new": content["sources"]["new"] | {"areas": {"column": "l21", "edition": OLD}}}
    said = message_of(compute, *declared(sources=wrong))
    assert "is of LSOA 2011" in said or "are not of LSOA 2011" in said
    indicators = {**content["indicators"], "rate": content["indicators"]["rate"] | {"weight": "old.all"}}
    assert "new is of LSOA 2021 and old of LSOA 2011" in message_of(compute, *declared(indicators=indicators))
    lookups = {"back": content["lookups"]["back"] | {"share": "new.all"}, "up": content["lookups"]["up"]}
    assert "is of LSOA 2021" in message_of(compute, *declared(lookups=lookups))
    assert "none leads from LSOA 2021" in message_of(compute, *declared(lookups={"up": content["lookups"]["up"]}))
    places = content["places"] | {"edition": "ward 2024-05"}
    assert "none leads from LSOA 2021 to ward 2024-05" in message_of(compute, *declared(places=places))


def test_years_of_fuel_poverty_are_of_two_editions_though_most_codes_agree(open_data: Path, message_of):
    """The real file holds 2019 and 2020 by small areas of 2011, and 2021 by those of 2021."""
    declared = IndicatorTable.read("staffordshire_wards_2017_12")
    only = {"fuel_poverty": declared.indicators["fuel_poverty"]}
    for year, edition in ((2019, NEW), (2020, NEW), (2021, OLD)):
        source = declared.sources["fuel2021"].model_copy(update={"rows": {"year": year}})
        source = source.model_copy(update={"areas": source.areas.model_copy(update={"edition": edition})})
        mixed = declared.model_copy(update={"sources": {**declared.sources, "fuel2021": source}, "indicators": only})
        assert f"are not of {edition}" in message_of(compute, mixed, open_data)
    source = declared.sources["fuel2021"].model_copy(update={"rows": {}})
    mixed = declared.model_copy(update={"sources": {**declared.sources, "fuel2021": source}, "indicators": only})
    assert "more than once" in message_of(compute, mixed, open_data)
