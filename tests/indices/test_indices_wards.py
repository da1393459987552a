"""The real index of the 204 wards of Staffordshire and Stoke-on-Trent: its committed table, its bounds, its structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code import methods as m
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices import Scored, bounds_of, chosen, compute, read_table, score, write_index
from shared_code.methods.composite import SKEWED
from shared_code.reporting.index_words import IndexWords

TABLE, INDEX = "staffordshire_wards_2017_12", "ward_social_progress"
WEAK = {"housing"}  # its two indicators hardly go together; the report says so


@pytest.fixture(scope="module")
def everywhere(open_data: Path) -> pd.DataFrame:
    return compute(IndicatorTable.read(TABLE), open_data)


@pytest.fixture(scope="module")
def found() -> Scored:
    return score(Index.read(INDEX), read_table(TABLE))


def test_the_committed_table_is_what_the_open_data_give(everywhere: pd.DataFrame):
    again = chosen(IndicatorTable.read(TABLE), everywhere).set_index("place")
    kept = read_table(TABLE).numbers
    assert list(again.index) == list(kept.index) and set(again) == set(kept)
    for column in kept:
        if kept[column].dtype == object:
            assert (again[column] == kept[column]).all()
        else:
            np.testing.assert_allclose(again[column].astype(float), kept[column], rtol=1e-5, err_msg=column)


def test_the_years_of_fuel_poverty_are_what_the_open_data_give(open_data: Path):
    name = "staffordshire_wards_fuel_poverty"
    declared = IndicatorTable.read(name)
    again, kept = chosen(declared, compute(declared, open_data)).set_index("place"), read_table(name).numbers
    assert list(again.index) == list(kept.index) and len(kept) == 204
    for column in [f"fuel_poverty_{year}" for year in (2019, 2020, 2021)]:
        np.testing.assert_allclose(again[column].astype(float), kept[column], rtol=1e-5, err_msg=column)


def test_years_are_on_one_scale_and_the_page_says_what_the_table_says(tmp_path: Path):
    """The same value scores the same in every year, and the last year is that of the ward index."""
    index, ours = Index.read("fuel_poverty_over_time"), Index.read(INDEX).indicators["fuel_poverty"]
    bounds = {(item.best, item.worst) for item in index.indicators.values()}
    assert bounds == {(ours.best, ours.worst)} and index.edition == Index.read(INDEX).edition
    table = read_table(index.table)
    numbers = table.numbers
    np.testing.assert_allclose(numbers["fuel_poverty_2021"], read_table(TABLE).numbers["fuel_poverty"], rtol=1e-5)
    found = score(index, table).scores
    for year in (2019, 2020, 2021):
        by_hand = 100 * (ours.worst - numbers[f"fuel_poverty_{year}"]) / (ours.worst - ours.best)
        np.testing.assert_allclose(found[f"in_{year}"], by_hand.clip(0, 100), atol=1e-6)
    change = numbers["fuel_poverty_2021"] - numbers["fuel_poverty_2019"]
    write_index(index, table, tmp_path, IndicatorTable.read(index.table))
    said = IndexWords(tmp_path, index.index).changed("fuel poverty", "fuel_poverty_2019", "fuel_poverty_2021")
    rose, fell = sum(c > 1 for c in change), sum(c < -1 for c in change)
    assert said == (f"From 2019 to 2021 fuel poverty rose by more than one point in **{rose}** of the {len(change)} wards and "
                    f"fell by more than one point in **{fell}**.")  # fmt: skip
    assert min(rose, fell) > 10


def test_the_bounds_are_those_of_the_wards_of_england(everywhere: pd.DataFrame):
    bounds = bounds_of(IndicatorTable.read(TABLE), everywhere)
    index = Index.read(INDEX)
    for name, item in index.indicators.items():
        given = sorted([item.best, item.worst])
        assert given == [bounds.loc[name, "low"], bounds.loc[name, "high"]], name
    assert (bounds["places"] == 7427).all()


def test_one_ward_by_hand_from_the_open_data(open_data: Path, everywhere: pd.DataFrame):
    """Bentilee and Ubberley has areas that did not change between 2011 and 2021: its counts are a plain sum."""
    wards = pd.read_csv(open_data / "geography" / "lsoa11_ward17_lad21.csv.gz")
    areas = wards.loc[wards["ward17_code"] == "E05008716", "lsoa11_code"]
    fuel = pd.read_csv(open_data / "deprivation" / "fuel_poverty_lilee_lsoa_2019_2021.csv.gz")
    fuel = fuel[(fuel["year"] == 2021) & fuel["lsoa_code"].isin(areas)]
    assert len(fuel) == len(areas)
    row = everywhere.set_index("place").loc["E05008716"]
    assert row["fuel_poverty"] == pytest.approx(100 * fuel["households_fuel_poor"].sum() / fuel["households"].sum(), rel=1e-5)
    assert row["fuel_poverty.of"] == fuel["households"].sum()


def test_people_and_households_are_neither_lost_nor_doubled(open_data: Path, everywhere: pd.DataFrame):
    census = pd.read_csv(open_data / "population" / "census2021_lsoa21_counts_england_wales.csv.gz")
    assert everywhere["overcrowded.of"].sum() == pytest.approx(census["occ|base"].sum(), rel=1e-5)


def test_204_wards_of_one_edition_167_and_37():
    table, index = read_table(TABLE), Index.read(INDEX)
    assert table.edition == "ward 2017-12" and len(table.numbers) == 204
    sizes = {name: int(table.numbers["district"].isin(group.districts).sum()) for name, group in index.groups.items()}
    assert sizes == {"staffordshire": 167, "stoke": 37}
    assert table.numbers.notna().all(axis=None)


def test_thirty_indicators_over_three_dimensions_each_with_source_licence_and_edition():
    index, declared = Index.read(INDEX), IndicatorTable.read(TABLE)
    assert len(index.indicators) >= 30 and len(index.dimensions) == 3 and len(index.components) == 11
    for name in index.indicators:
        spec = declared.indicators[name]
        source = declared.sources[spec.source]
        assert spec.title and spec.unit and spec.period and source.publisher and "Open Government Licence" in source.licence
    money = {"income_domain_numerator", "employment_domain_numerator", "Income_score"}
    assert not {declared.indicators[name].value for name in index.indicators} & money


def test_the_structure_of_every_component(found: Scored):
    for name, structure in found.base.structure.items():
        assert (structure.loadings > 0).all() and structure.share >= 0.5, name
        if len(structure.loadings) > 1:
            assert (structure.alpha >= 0.7) == (name not in WEAK), name
        if len(structure.loadings) > 2:
            assert structure.adequacy >= 0.5 and (structure.adequacy_of_items >= 0.5).all(), name


def test_logarithms_are_taken_exactly_where_values_are_skewed(found: Scored):
    skew = found.values.skew()
    logs = {name for name, item in found.index.indicators.items() if item.transform == "log"}
    assert logs == set(skew.index[skew > SKEWED])


def test_no_ward_leaves_the_scale_unnoticed(found: Scored):
    assert found.scores.notna().all(axis=None) and found.scores.min(axis=None) >= 0 and found.scores.max(axis=None) <= 100
    assert found.clipped.sum().sum() <= 3


def test_the_index_goes_with_deprivation_but_is_not_the_same(found: Scored):
    """Money is not in the index; wards on low incomes still score low (a check from outside, with the published domain)."""
    income = read_table(TABLE).numbers["income_deprivation"]
    assert -0.95 < np.corrcoef(found.total, income)[0, 1] < -0.75


def test_no_indicator_is_a_value_of_districts_in_disguise(found: Scored):
    """Wards of one district must differ: a district's value handed down to its wards would only seem to be about wards."""
    district = read_table(TABLE).numbers["district"]
    for name in found.values:
        inside = found.values[name].groupby(district)
        assert (inside.nunique() >= 4).all(), name
        assert inside.var().mean() > 0.1 * found.values[name].var(), name


def test_stoke_scores_lower_and_wards_alone_are_ranked_among_their_own(found: Scored):
    district = read_table(TABLE).numbers["district"]
    stoke = district == "Stoke-on-Trent"
    assert found.total[stoke].mean() < found.total[~stoke].mean() - 8
    own = m.ranks(found.total[stoke].to_numpy())
    assert sorted(own) == list(range(1, 38))
