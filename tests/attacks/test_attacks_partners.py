"""A site subtracts its own numbers from the pooled results: of two sites, and of forty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Policy
from shared_code.disclosure import protect
from shared_code.disclosure.pooled import FEW_SITES, PARTNER
from shared_code.pooling.partners import COMPARED, FOLLOWS, guarded, policy_of
from shared_code.pooling.pool import EMPTIED
from shared_code.pooling.prevalence import prevalence
from tests.pooling.conftest import AGES, count, make_study

AREAS = ["1", "2", "3", "4", "5", "Unknown"]
RULES = Policy(threshold=10, rounding=5)


def people_of(number: int, ill_of_area_4: int = 60) -> pd.DataFrame:
    """People of one site: 100 of each sex, age and area, a third with asthma, a few with stroke; one rare illness of few."""
    at = pd.MultiIndex.from_product([["F", "M"], AGES, AREAS, range(100)], names=["sex", "age", "area", "who"])
    people = at.to_frame(index=False)
    people["asthma"] = (people["who"] % 3 == 0).astype("int64")
    people["stroke"] = (people["who"] < 20).astype("int64")
    rare = people["area"] == "4"
    people.loc[rare, "stroke"] = 0
    people.loc[people.index[rare][:ill_of_area_4], "stroke"] = 1
    return people.assign(town=f"Town {number}")


def published(sites: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Pool what the sites may release, as the coordinating team does, and give what is published."""
    study = make_study(["illness"]).model_copy(update={"disclosure": RULES})
    entry = study.analyses["illness"]
    step, declared = entry.pooled[0], entry.results["ill"]
    cells = pd.concat([protect({"illness.ill": (declared, count(people))}, [], RULES).tables["illness.ill"].assign(site=site)
                       for site, people in sites.items()], ignore_index=True)  # fmt: skip
    scopes = {"pooled": [*sites], **{f"site:{site}": [site] for site in sites}}
    rows = [row | {"analysis": "illness"} for row in prevalence(cells, declared, step.settings, scopes)]
    return pd.DataFrame(guarded(study, rows, EMPTIED))


def rests(results: pd.DataFrame, people: pd.DataFrame, site: str) -> np.ndarray:
    """What a site makes of the pooled numbers of cases, less the people it can count itself."""
    pooled = results[(results["scope"] == "pooled") & (results["measure"] == "crude prevalence") & results["estimate"].notna()]
    own = []
    for row in pooled.itertuples():
        inside = pd.Series(True, people.index)
        if row.group in ("area", "sex"):
            inside &= people[row.group] == row.level
        if row.sex in ("F", "M"):
            inside &= people["sex"] == row.sex
        own.append(people.loc[inside, row.item].sum())
    return pooled["events"].to_numpy(float) - np.array(own, float)


@pytest.mark.parametrize("sites", [2, 40])
def test_a_site_subtracts_its_own(sites):
    """In area 4 one site has sixty with a stroke, another has one: that number of all is not published."""
    everyone = {f"s{i:02d}": people_of(i, 60 if i == 0 else int(i == 1)) for i in range(sites)}
    results = published(everyone)
    pooled = results[(results["scope"] == "pooled") & (results["measure"] == "crude prevalence")]
    found = pooled[(pooled["item"] == "stroke") & (pooled["group"] == "area")].set_index(["level", "sex"])
    withheld = found[found["estimate"].isna()]
    assert set(withheld.loc["4", "reason"]) <= {PARTNER, FOLLOWS} and PARTNER in set(withheld["reason"])
    assert FOLLOWS in set(withheld["reason"])  # a second area, or the total less the others would tell it
    for site in everyone if sites == 2 else ("s00", "s01", "s39"):
        left = rests(results, everyone[site], site)
        assert len(left) and not ((left > 0.5) & (left < 9.5)).any()
    asthma = pooled[pooled["item"] == "asthma"]
    assert asthma["estimate"].notna().all()  # nothing else is lost
    other = results[(results["item"] == "stroke") & (results["measure"] == "standardised ratio") & (results["scope"] == "pooled")]
    assert (other.loc[other["level"] == "4", "reason"] != "").all()
    own = results[results["scope"].str.startswith("site:")]
    assert len(own) and not own["reason"].isin([PARTNER, FOLLOWS, COMPARED, FEW_SITES]).any()


@pytest.mark.parametrize("sites", [2, 40])
def test_what_a_release_withholds_changes_nothing_that_is_pooled(sites):
    """Two truths of one site that it releases in the same words: the pooled results are the same to the last digit."""
    rest = {f"s{i:02d}": people_of(i) for i in range(1, min(sites, 12))}
    one, other = ({"s00": people_of(0, n), **rest} for n in (62, 61))
    study = make_study(["illness"])
    declared = study.analyses["illness"].results["ill"]
    left = [protect({"illness.ill": (declared, count(truth["s00"]))}, [], RULES).tables["illness.ill"] for truth in (one, other)]
    pd.testing.assert_frame_equal(*left)
    pd.testing.assert_frame_equal(published(one), published(other))


def row(scope: str, level: str, people: float, events: float, **more: object) -> dict:
    return {"analysis": "a", "measure": "crude prevalence", "item": "x", "group": "area", "sex": "both", "scope": scope,
            "level": level, "people": people, "events": events, "estimate": 1.0, "reason": "", **more}  # fmt: skip


def test_a_ratio_to_what_is_withheld_is_withheld():
    study = make_study(["illness"]).model_copy(update={"disclosure": RULES})
    rows = [row(f"site:{s}", level, 1000, n) for s, ns in (("a", (50, 90)), ("b", (4, 90))) for level, n in zip("12", ns)]
    rows += [row("pooled", "1", 2000, 54), row("pooled", "2", 2000, 180)]
    rows += [row("pooled", "3", 2000, np.nan, measure="crude ratio", comparator="1"), row("pooled", "9", 9, 900, item="other")]
    done = guarded(study, rows, EMPTIED)
    assert [r["reason"] for r in done[4:]] == [PARTNER, FOLLOWS, COMPARED, ""]
    assert done[:4] == rows[:4] and done[-1] == rows[-1]
    assert all(done[4].get(name) is None for name in EMPTIED)


def test_enough_sites_must_take_part():
    """Unless the rules say how many contribute, it is the study's fewest sites; a site without a case takes part."""
    study = make_study(["illness"]).model_copy(update={"disclosure": RULES, "fewest_sites": 2})
    rows = [row("site:a", "1", 900, 90), row("site:b", "1", 900, 0), row("pooled", "1", 1800, 90)]
    assert guarded(study, rows, EMPTIED) == rows
    three = study.model_copy(update={"disclosure": Policy(threshold=10, rounding=5, fewest_contributing=3)})
    assert policy_of(three).fewest_contributing == 3
    assert guarded(three, rows, EMPTIED)[-1]["reason"] == FEW_SITES
    assert {r["reason"] for r in guarded(study, rows[:1] + rows[2:], EMPTIED)} == {"", FEW_SITES}


def test_nothing_is_withheld_where_the_study_withholds_nothing():
    study = make_study(["illness"], threshold=1)
    rows = [row("site:a", "1", 900, 1), row("pooled", "1", 900, 1)]
    assert guarded(study, rows, EMPTIED) == rows


def test_an_item_of_another_table_is_another_number():
    """Few deaths of people in a service: what is withheld of them says nothing of a table about their attendances."""
    study = make_study(["illness"]).model_copy(update={"disclosure": RULES})
    deaths = [row("site:a", "1", 1000, 50), row("site:b", "1", 1000, 4), row("pooled", "1", 2000, 54)]
    visits = [row("site:a", "1", 1000, 50), row("site:b", "1", 1000, 40), row("pooled", "1", 2000, 90)]
    rows = [one | {"table": "deaths"} for one in deaths] + [one | {"table": "visits"} for one in visits]
    assert [one["reason"] for one in guarded(study, rows, EMPTIED)] == ["", "", PARTNER, "", "", ""]
    apart = [one | {"measure": "another"} for one in visits]
    assert [one["reason"] for one in guarded(study, deaths + apart, EMPTIED)][-1] == PARTNER  # of one table: goes with it
