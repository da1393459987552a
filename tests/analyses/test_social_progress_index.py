"""The ward indicators that sites release: the planted share of every ward comes back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.methods import standard_weights

STEM, SITES, PEOPLE = "social_progress_index", ["demo_ashvale", "demo_dunmere"], 12_000


def planted_shares(truth: dict, condition: str, edges: list[int], end: int | None) -> pd.Series:
    """Standardise each ward's planted chances as the analysis would with unlimited people: ward -> per cent."""
    rows = pd.DataFrame(truth["conditions"]["rows"], columns=truth["conditions"]["columns"])
    rows = rows[(rows["dimension"] == "ward") & (rows["condition"] == condition)]
    first = rows["age"].str.extract(r"^(\d+)")[0].astype(int)
    rows = rows.assign(band=np.searchsorted(edges, first, "right"))[(first >= edges[0]) & (first < (end or 200))]
    sums = rows.groupby(["level", "sex", "band"])[["people", "expected"]].sum()
    share = (sums["expected"] / sums["people"]).groupby(["level", "band"]).mean().unstack()
    return 100 * share @ np.asarray(standard_weights(edges, upper=end, normalised=True))


@pytest.fixture(scope="module")
def compared(demonstration) -> pd.DataFrame:
    """Give found and planted shares of every ward and indicator, with the standard error."""
    shown, parts = demonstration(PEOPLE, *SITES), []
    parameters = shown.study.analyses[STEM].parameters
    for made in shown.sites:
        wards = shown.tables(STEM)[made.site.site]["wards"].dropna(subset=["estimate"])
        for term, (condition, youngest, *end) in parameters["terms"].items():
            edges = [e for e in parameters["age_edges"] if e >= youngest and (not end or e < end[0])]
            truth = planted_shares(made.truth, condition, edges, end[0] if end else None)
            mine = wards[wards["term"] == term]
            parts.append(mine.assign(site=made.site.site, planted=truth[mine["ward"].str[-9:]].to_numpy()))
    return pd.concat(parts, ignore_index=True)


def test_the_planted_share_of_every_ward_comes_back(compared):
    z = (compared["estimate"] - compared["planted"]) / compared["se"]
    assert len(z) >= 30 and z.abs().max() < 4 and abs(z.mean()) < 0.4 and 0.6 < z.std() < 1.3, z.describe()


def test_wards_that_were_planted_worse_are_found_worse(compared):
    apart = compared[["site", "term", "estimate", "planted"]].groupby(["site", "term"]).transform(lambda c: c - c.mean())
    assert apart["estimate"].corr(apart["planted"]) > 0.5


def test_what_the_parameters_name_is_what_is_counted(demonstration):
    """No condition is typed in the notebook: another list of terms gives other indicators."""
    shown = demonstration(PEOPLE, *SITES)
    entry = shown.study.analyses[STEM]
    assert set(shown.tables(STEM)[SITES[0]]["wards"]["term"]) == set(entry.parameters["terms"])
    assert set(entry.parameters["terms"]) == set(entry.results["wards"].dimensions["term"].values)
