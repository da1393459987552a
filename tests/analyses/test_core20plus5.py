"""Core20PLUS5 and money for localities, from the notebooks on: exact at a site, recovered over sites."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from shared_code.figures.draw import draw_figures

SITES = ["demo_ashvale", "demo_carrowby", "demo_dunmere"]  # all records reach their people there, so that counts are exact
ANNOUNCED = {"demo_ashvale": 800_000, "demo_carrowby": 600_000, "demo_dunmere": 400_000}
AREAS = ["maternity_booked", "smi_checks", "copd_flu", "copd_pneumococcal", "cancer_early", "hypertension_target"]


def truth_of(made) -> pd.DataFrame:
    return pd.DataFrame(made.truth["groups"]["rows"], columns=made.truth["groups"]["columns"])


@pytest.fixture(scope="module")
def shown(demonstration):
    return demonstration(3000, *SITES)


@pytest.fixture(scope="module")
def tables(shown) -> dict[str, dict[str, pd.DataFrame]]:
    return shown.tables("core20plus5_profile")


@pytest.fixture(scope="module")
def pooled(shown) -> pd.DataFrame:
    return shown.pool("core20plus5_profile")


@pytest.mark.parametrize("site", SITES)
def test_every_group_and_every_check_is_counted_as_planted(site, made_site, tables):
    planted = truth_of(made_site(site, 3000))
    for table, item in (("groups", "plus"), ("areas", "indicator")):
        counted = tables[site][table].rename(columns={item: "item"})
        for dimension in ("core20", "locality"):
            other = "locality" if dimension == "core20" else "core20"
            mine = counted[(counted[dimension] != "all") & (counted[other] == "all") & (counted[dimension] != "Unknown")]
            mine = mine.set_index(["item", dimension])[["people", "cases"]]
            expected = planted.groupby(["item", dimension])[["people", "cases"]].sum()
            shared = mine.index.intersection(expected.index)
            assert len(shared) >= 6
            differs = (mine.loc[shared] != expected.loc[shared]).any(axis=1)
            assert not differs.any(), pd.concat([mine.loc[shared], expected.loc[shared]], axis=1)[differs]


@pytest.mark.parametrize("site", SITES)
def test_a_union_is_no_sum_and_no_smaller_than_its_largest_part(site, tables):
    groups = tables[site]["groups"]
    whole = groups[(groups["core20"] == "all") & (groups["locality"] == "all")].set_index("plus")["cases"]
    parts = whole[["homelessness", "seeking_asylum", "dependence", "justice"]]
    assert parts.max() <= whole["inclusion"] <= parts.sum()
    assert whole["inclusion"] <= whole["plus"] < whole.drop(["inclusion", "plus"]).sum()


def test_gaps_over_sites_recover_what_was_planted(made_site, pooled):
    planted = made_site(SITES[0], 3000).truth["groups"]["planted"]
    mine = pooled[pooled["scope"] == "pooled"]
    given = []
    for item in AREAS:
        shares = mine[(mine["item"] == item) & (mine["measure"] == "share") & (mine["group"] == "core20")].set_index("level")
        for level in ("core20", "rest"):
            row, share = shares.loc[level], 100 * planted[item][level]
            error = 100 * np.sqrt(share / 100 * (1 - share / 100) / row["people"])
            assert row["bound_lower"] - 3.5 * error < share < row["bound_upper"] + 3.5 * error, (item, level)
            if np.isfinite(row["estimate"]):
                given.append((item, level))
                half = (row["upper"] - row["lower"]) / 2
                assert abs(row["estimate"] - share) < 1.8 * half, (item, level, row["estimate"], share)
            else:
                assert row["reason"] == "too much is withheld"
    assert {("hypertension_target", "core20"), ("hypertension_target", "rest"), ("cancer_early", "rest")} <= {*given}
    difference = mine[(mine["item"] == "hypertension_target") & (mine["measure"] == "difference")].iloc[0]
    truth = 100 * (planted["hypertension_target"]["core20"] - planted["hypertension_target"]["rest"])
    assert difference["lower"] < truth < difference["upper"]
    assert difference["bound_lower"] < difference["estimate"] < difference["bound_upper"]


def test_two_percentages_of_core20_are_not_the_same(pooled):
    """A place may be poor and small: how many of its people, and how many of all, are different questions."""
    places = pooled[(pooled["item"] == "core20") & (pooled["group"] == "locality")]
    deep = places[places["measure"] == "share of the place"].set_index("level")["estimate"]
    much = places[places["measure"] == "share of all sites"].set_index("level")["estimate"]
    assert much.sum() == pytest.approx(100) and deep.max() > much.max()
    by_site = places[places["measure"] == "share of the site"].groupby("scope")["estimate"].sum()
    np.testing.assert_allclose(by_site, 100)


def test_all_six_checks_are_of_one_person_and_not_the_product_of_six_shares(made_site, tables):
    done = made_site(SITES[0], 3000).prepared.measurement.execute()
    smi = tables[SITES[0]]["areas"]
    smi = smi[(smi["indicator"] == "smi_checks") & (smi["core20"] == "all") & (smi["locality"] == "all")].iloc[0]
    shares = [min(1.0, done[(done["concept"] == c) & ~done["declined"]]["person_id"].nunique() / smi["people"])
              for c in ("bmi", "lipids", "hba1c_glucose", "alcohol", "smoking")]  # fmt: skip
    assert abs(smi["cases"] / smi["people"] - np.prod(shares)) > 0.02


@pytest.fixture(scope="module")
def funded(shown) -> pd.DataFrame:
    return shown.pool("locality_funding", announced=ANNOUNCED)


def amounts(funded: pd.DataFrame, measure: str) -> pd.Series:
    return funded[funded["measure"] == measure].set_index(["scope", "level"])["estimate"]


def test_money_adds_up_to_the_pound_under_every_principle(funded):
    measures = [m for m in funded["measure"].unique() if m.startswith("allocation")]
    assert len(measures) == 11 + 3
    for measure in measures:
        pounds = amounts(funded, measure)
        assert (pounds % 1 == 0).all() and pounds.sum() == 1_800_000, measure


def test_by_heads_and_by_need_are_the_ends_of_the_lever(funded):
    rows = funded[funded["measure"] == "allocation, proposed"].set_index(["scope", "level"])
    heads, need = (amounts(funded, f"allocation, weight of need {w}") for w in ("0.0", "1.0"))
    np.testing.assert_allclose(heads, 1_800_000 * rows["people"] / rows["people"].sum(), atol=1)
    np.testing.assert_allclose(need, 1_800_000 * rows["events"] / rows["events"].sum(), atol=1)
    assert (rows["bound_lower"] <= rows["estimate"] + 1).all() and (rows["estimate"] <= rows["bound_upper"] + 1).all()
    assert (rows["bound_upper"] - rows["bound_lower"]).max() > 1000, "the definition of need matters somewhere"


def test_pounds_of_places_of_different_size_are_told_per_head_and_per_person_in_need_too(funded):
    """Pitfall: a large place looks favoured in pounds; per head and per person in need the order is another one."""
    rows = funded[funded["measure"] == "allocation, proposed"].set_index(["scope", "level"])
    names = ("allocation, proposed", "pounds per head", "pounds per person in need")
    pounds, head, need = (amounts(funded, name) for name in names)
    assert set(pounds.index) == set(head.index) == set(need.index), "every place has all three"
    np.testing.assert_allclose(head[rows.index], pounds[rows.index] / rows["people"])
    np.testing.assert_allclose(need[rows.index], pounds[rows.index] / rows["events"].where(rows["events"] > 0))
    by_pounds, by_head, by_need = (list(one[rows.index].sort_values().index) for one in (pounds, head, need))
    assert by_pounds != by_head != by_need, "or nobody could be misled"


def test_the_announced_split_is_read_as_a_principle(funded):
    weight = funded[(funded["measure"] == "implied weight of need") & (funded["scope"] == "pooled")]["estimate"].iloc[0]
    announced = amounts(funded, "announced")
    assert announced.sum() == 1_800_000
    rows = funded[funded["measure"] == "allocation, proposed"]
    people, need = (rows.groupby("scope")[c].sum() for c in ("people", "events"))
    split = 1_800_000 * ((1 - weight) * people / people.sum() + weight * need / need.sum())
    given = announced.droplevel("level")
    worse = [((1_800_000 * ((1 - w) * people / people.sum() + w * need / need.sum()) - given) ** 2).sum()
             for w in (weight - 0.05, weight + 0.05)]  # fmt: skip
    assert ((split - given) ** 2).sum() < min(worse)


def test_t9_1_the_published_plan_adds_up_both_ways_in_the_results(funded):
    by = funded[funded["scope"] == "published"].set_index(["measure", "level"])["estimate"]
    assert by["published, by tier", "Stoke-on-Trent"] == 1_200_000 and by["published, by tier", "Staffordshire"] == 1_000_000
    assert by["published, by purpose", "places"] == 1_800_000 and by["published, by purpose", "beside"] == 400_000
    assert by["published, together", "all"] == 2_200_000
    assert by["published, if additional", "all"] == 2_600_000, "as the announcement can be read too"
    told = funded[funded["measure"] == "published, if additional"]["method"].iloc[0]
    assert told == "2,200,000 + 400,000; 400,000 of the 2,200,000 then go to no named place"


def test_money_is_not_shared_out_among_those_who_answered(demonstration):
    """The pitfall: without one site the others would get its share."""
    pooled = demonstration(3000, *SITES[:2]).pool("locality_funding")
    proposed = pooled[pooled["measure"] == "allocation, proposed"]
    assert proposed["estimate"].isna().all()
    assert proposed["reason"].str.contains("demo_brackenmoor, demo_dunmere, demo_eastholt").all()


@pytest.fixture(scope="module")
def drawn(shown, pooled, funded, tmp_path_factory):
    """Draw the figures of both questions from what was pooled."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "cells").mkdir()
    pd.concat([pooled, funded]).to_csv(folder / "results.csv", index=False)
    stems = ["core20plus5_profile", "locality_funding"]
    sites = [{"site": s, "title": s[5:].title(), "analysis": a, "state": "in", "reason": ""} for s in SITES for a in stems]
    pd.DataFrame(sites).to_csv(folder / "sites.csv", index=False)
    study = shown.study.model_copy(update={"analyses": {a: shown.study.analyses[a] for a in stems}})
    draw_figures(study, folder, folder / "figures")
    return folder / "figures"


def test_the_lever_is_drawn_with_every_place_at_every_weight(drawn, funded):
    numbers = pd.read_csv(drawn / "locality_funding.lever.csv")
    lines = numbers[numbers["measure"].str.startswith("allocation, weight of need")]
    assert len(lines) == 11 * funded.loc[funded["measure"] == "allocation, proposed", "level"].nunique()
    assert lines.groupby("weight")["estimate"].sum().eq(1_800_000).all()
    about = json.loads((drawn / "locality_funding.lever.json").read_text("utf-8"))
    assert about["drawn"] and about["sites"] == SITES and "Largest gain" in about["alt"]


def test_pairs_show_both_groups_and_name_what_is_not_given(drawn, pooled):
    numbers = pd.read_csv(drawn / "core20plus5_profile.plus_groups.csv")
    shares = numbers[numbers["measure"] == "share"]
    assert set(shares["level"]) == {"core20", "rest"} and shares["item"].nunique() > 4
    about = json.loads((drawn / "core20plus5_profile.five_areas.json").read_text("utf-8"))
    empty = pooled[(pooled["scope"] == "pooled") & (pooled["measure"] == "share") & (pooled["item"] == "smi_checks")
                   & (pooled["group"] == "core20")]  # fmt: skip
    assert about["drawn"] and ("Not given" in " ".join(about["notes"])) == bool(empty["estimate"].isna().all())


def test_recorded_over_expected_is_what_the_sites_own_tables_give(shown, tables, pooled):
    """Once more from the tables, cell by cell; what is released of such small sites leaves no more than bounds."""
    step = next(s for s in shown.study.analyses["core20plus5_profile"].pooled if s.method == "recorded_expected")
    bands = ["0-44", "45-64", "65-79", "80+"]
    whole = pd.concat([t["by_age"] for t in tables.values()])
    cells = whole[(whole["indicator"] == "hypertension_recorded") & (whole[["core20", "sex", "age"]] != "all").all(axis=1)]
    rate = [step.settings["rates"][s][bands.index(a)] for s, a in zip(cells["sex"], cells["age"])]
    inside = (cells["core20"] == "core20").to_numpy()
    expected = (cells["people"] * rate)[inside].sum()
    truth = cells["cases"][inside].sum() / expected
    exact, released = (
        table.query("measure == 'recorded over expected' and scope == 'pooled' and level == 'core20'").iloc[0]
        for table in (replace(shown, protected=False).pool("core20plus5_profile"), pooled)
    )  # fmt: skip
    assert exact["n_sites"] == len(SITES) and exact["estimate"] == pytest.approx(truth)
    assert released["bound_lower"] <= truth <= released["bound_upper"]


def test_at_equal_age_deprived_people_have_more_hypertension_and_crude_shares_hide_it(pooled, made_site):
    """The planted gradient of conditions by deprivation comes back only after standardising: Core20 is younger."""
    rows = pooled[(pooled["scope"] == "pooled") & (pooled["item"] == "hypertension_recorded") & (pooled["group"] == "core20")]
    by = rows[rows["level"] == "core20"].set_index("measure")
    planted = pd.concat([pd.DataFrame(made_site(s, 3000).truth["conditions"]["rows"],
                                      columns=made_site(s, 3000).truth["conditions"]["columns"]) for s in SITES])  # fmt: skip
    planted = planted[(planted["condition"] == "hypertension") & (planted["dimension"] == "deprivation")]
    planted = planted[planted["age"].str.extract(r"^(\d+)")[0].astype(int) >= 40]
    share = planted.assign(core=planted["level"].astype(str) == "1").groupby(["core", "sex", "age"])[["people", "expected"]].sum()
    share = share["expected"] / share["people"]
    truth = (share[True] / share[False]).mean()
    ratio = by.loc["standardised ratio"]
    assert ratio["lower"] < truth < ratio["upper"] and ratio["estimate"] > by.loc["crude ratio", "estimate"]


def test_care_by_age_adds_up_to_the_care_of_everybody(tables):
    """The two tables hold the same people, so that a difference between them gives nobody away."""
    for site in SITES:
        by_age, areas = tables[site]["by_age"], tables[site]["areas"]
        for indicator in ("hypertension_target", "copd_flu"):
            for level in ("all", "core20", "rest"):
                whole = areas[(areas["indicator"] == indicator) & (areas["core20"] == level) & (areas["locality"] == "all")]
                mine = by_age[(by_age["indicator"] == indicator) & (by_age["core20"] == level)]
                total = mine[(mine[["sex", "age"]] == "all").all(axis=1)][["people", "cases"]]
                parts = mine[(mine[["sex", "age"]] != "all").all(axis=1)][["people", "cases"]].sum()
                assert total.to_numpy().tolist() == whole[["people", "cases"]].to_numpy().tolist() == [parts.tolist()]
