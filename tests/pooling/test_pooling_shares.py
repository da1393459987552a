"""Shares over sites: the sum for the people of these sites, and beside it how much sites differ."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from shared_code.pooling.shares import TYPICAL, shares

CASES, PEOPLE = (12, 30, 7, 55, 21), (60, 90, 40, 120, 70)  # known answer T10.6
DECLARED = SimpleNamespace(layout="counts", dimensions={"check": SimpleNamespace(total=False)})


def released(cases=CASES, people=PEOPLE, withheld=()):
    rows = []
    for n, site in enumerate("abcde"[: len(cases)]):
        for statistic, value in (("people", people[n]), ("cases", cases[n])):
            gone = site in withheld and statistic == "cases"
            rows.append({"site": site, "check": "bp", "statistic": statistic, "value": np.nan if gone else value,
                         "status": "withheld" if gone else "ok", "lower": 1 if gone else value,
                         "upper": 9 if gone else value})  # fmt: skip
    return pd.DataFrame(rows)


def typical(cells, **settings):
    sites = sorted(cells["site"].unique())
    rows = shares(cells, DECLARED, {"item": "check", "between_sites": True} | settings, {"pooled": sites, "site:a": ["a"]})
    return [row for row in rows if row["measure"] == TYPICAL]


def test_the_typical_site_is_that_of_the_known_answer():
    (row,) = typical(released())
    assert row["estimate"] == pytest.approx(100 * expit(-0.864953), abs=1e-4)
    assert row["tau2"] == pytest.approx(0.417511**2, abs=1e-5)
    assert row["pi_lo"] < row["lower"] < row["estimate"] < row["upper"] < row["pi_hi"]
    assert row["sites"] == list("abcde") and "with 5 sites" in row["caution"]


def test_withheld_sites_are_not_in_it_and_too_few_give_a_reason():
    (row,) = typical(released(withheld=("c",)))
    assert row["sites"] == list("abde") and row["people"] == sum(PEOPLE) - 40
    (row,) = typical(released(withheld=("a", "b", "c")))
    assert "fewer than 3 sites" in row["reason"] and "estimate" not in row
    (row,) = typical(released((0, 0, 0), (50, 60, 70)))
    assert row["reason"] and "estimate" not in row


def test_it_is_given_only_where_it_is_asked_for():
    assert typical(released(), between_sites=False) == []


def test_a_few_people_at_one_site_do_not_answer_for_all_others():
    """A share is not told from one site in four where the others' numbers could be nearly anything; its bounds are."""
    cells = released((11, 13, 11, 13), (25, 20, 20, 20), withheld=("b", "c", "d"))
    wide = (cells["statistic"] == "cases") & cells["value"].isna()
    cells.loc[wide, "upper"] = 19
    (row,) = shares(cells, DECLARED, {"item": "check"}, {"pooled": list("abcd")})
    assert row["estimate"] is None and row["reason"] == "too much is withheld"
    assert row["bound_lower"] < 100 * 48 / 85 < row["bound_upper"]
    cells.loc[wide, ["lower", "upper"]] = [10, 14]  # narrow ranges are fitted as before
    (row,) = shares(cells, DECLARED, {"item": "check"}, {"pooled": list("abcd")})
    assert row["bound_lower"] < row["estimate"] < row["bound_upper"]
