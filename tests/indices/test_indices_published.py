"""The same engine against published indices: Townsend 2011, the Index of Multiple Deprivation 2019 and 2025."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code import methods as m
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices import Scored, area_table, compute, score

# Published scores of 14 of the 9,481 wards, evenly spread over the list, and the fifth each is in (1 = least deprived).
# Source: UK Data Service, Scores- 2011 UK Ward.csv, github.com/UKDataServiceOpen/Townsend-Deprivation
TOWNSEND = [
    ("95AA01", -1.54027133081024, 3), ("E05000171", 4.63458909472044, 5), ("E05000900", 8.21029143552114, 5),
    ("E05001636", -1.05893580872367, 3), ("E05002394", -2.4754330955351, 2), ("E05003585", 1.07867327577991, 4),
    ("E05004470", -4.51581293194183, 1), ("E05005207", 2.59077231472853, 4), ("E05005942", 0.953642518272464, 4),
    ("E05006992", -1.38481777273418, 3), ("E05007852", -3.46537367341564, 1), ("E05008705", 0.577675485707711, 4),
    ("W05000168", -0.878306938907639, 3), ("W39000803", -3.45388287160114, 1),
]  # fmt: skip

# Published overall rank and score of 16 small areas. Source: MHCLG, English Indices of Deprivation 2025 (OGL v3.0), File 7.
IMD2025 = [
    ("E01021988", 1, 94.223), ("E01012737", 2, 91.27), ("E01012673", 3, 91.186), ("E01012671", 4, 89.872),
    ("E01012670", 5, 88.186), ("E01007769", 10, 86.056), ("E01006909", 100, 76.733), ("E01009047", 500, 66.245),
    ("E01029994", 2000, 52.17), ("E01003961", 5000, 38.469), ("E01020305", 10000, 26.783), ("E01033179", 16878, 17.45),
    ("E01022787", 25000, 9.983), ("E01024123", 30000, 5.784), ("E01028709", 33001, 2.653), ("E01023700", 33755, 0.165),
]  # fmt: skip


def scored(name: str, data: Path) -> Scored:
    index = Index.read(name)
    declared = IndicatorTable.read(index.table)
    return score(index, area_table(declared, compute(declared, data)))


def test_townsend_scores_are_the_published_ones(open_data: Path):
    total = scored("townsend_2011", open_data).total
    assert len(total) == 9481 and total.notna().all()
    published = pd.DataFrame(TOWNSEND, columns=["ward", "score", "fifth"]).set_index("ward")
    # the table keeps six significant digits of each percentage
    np.testing.assert_allclose(total[published.index], published["score"], atol=1e-4)
    fifth = pd.qcut(total, 5, labels=False) + 1
    assert fifth[published.index].tolist() == published["fifth"].tolist()


def test_the_multiple_deprivation_of_2025_is_the_published_one(open_data: Path):
    """Domains of small areas of 2021, weights .225 .225 .135 .135 .093 .093 .093, exponential transformation."""
    total = scored("imd_2025", open_data).total
    assert len(total) == 33_755
    published = pd.DataFrame(IMD2025, columns=["area", "rank", "score"]).set_index("area")
    ranks = pd.Series(m.ranks(total.to_numpy()), index=total.index)
    assert np.abs(ranks[published.index] - published["rank"]).max() <= 1
    np.testing.assert_allclose(total[published.index], published["score"], atol=0.001)


def test_the_multiple_deprivation_of_2019_ranks_every_small_area_of_england_as_published(open_data: Path):
    total = scored("imd_2019", open_data).total
    published = pd.read_csv(open_data / "deprivation" / "imd2019_england_lsoa11_ranks_deciles.csv.gz", index_col="lsoa11_code")
    ranks = pd.Series(m.ranks(total.to_numpy()), index=total.index)
    away = (ranks - published["IMD_rank"]).abs()
    assert len(away) == 32_844 and away.max() <= 2 and (away > 0).mean() < 0.01
    decile = np.ceil(ranks / len(ranks) * 10)
    assert (decile == published["IMD_decile"]).mean() > 0.9999


def test_domains_of_one_edition_do_not_serve_the_index_of_another(open_data: Path, message_of):
    declared = IndicatorTable.read("imd_domains_2019")
    table = area_table(declared, compute(declared, open_data))
    assert "imd_domains_2019 is of LSOA 2011" in message_of(score, Index.read("imd_2025"), table)


@pytest.mark.parametrize("name", ["townsend_2011", "imd_2025", "imd_2019", "ward_social_progress"])
def test_a_declared_index_uses_indicators_that_its_table_has(name: str):
    index = Index.read(name)
    declared = IndicatorTable.read(index.table)
    assert {*index.indicators, *index.context} <= set(declared.indicators)
    assert index.edition == declared.places.edition
