"""Pooling: who is in every number and who is not, and nothing left half-done."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from shared_code.pooling import pool as pool_module
from shared_code.pooling.results import results_table


@pytest.fixture
def sent(network, counted, draw_people):
    """Make a network of three sites, of which the last has no areas; a fourth has sent nothing."""

    def make(sites=(0, 1, 2), **rules):
        people = draw_people(31, 3)
        net = network(**rules)
        for site in sites:
            net.send(f"s{site}", ill=counted(people[people["site"] == site], areas=site != 2))
        net.expected |= {"s3": net.site("s3")}
        return net

    return make


def test_every_number_says_which_sites_are_in_it(sent, one):
    net = sent()
    results = net.pool()
    releases = json.loads((net.target / "pooled.json").read_text())["releases"]
    digest = {s: "sha256:" + r["package"][:12] for s, r in releases.items()}
    everyone = one(results, scope="pooled", measure="crude prevalence", item="asthma", level="everyone")
    assert (everyone["sites"], everyone["n_sites"], everyone["sites_without"]) == ("s0; s1; s2", 3, "s3")
    assert everyone["releases"] == f"{digest['s0']}; {digest['s1']}; {digest['s2']}"
    area = one(results, scope="pooled", measure="standardised ratio", item="asthma", level="1", group="area")
    assert (area["sites"], area["n_sites"], area["sites_without"]) == ("s0; s1", 2, "s2; s3")
    assert area["releases"] == f"{digest['s0']}; {digest['s1']}"
    own = one(results, scope="site:s1", measure="crude prevalence", item="asthma", level="everyone")
    assert (own["sites"], own["n_sites"], own["sites_without"], own["releases"]) == ("s1", 1, "", digest["s1"])
    assert set(results["analysis"]) == {"illness"}


def test_a_site_without_areas_has_no_results_by_area(sent):
    results = sent().pool()
    assert set(results[results["scope"] == "site:s2"]["group"]) == {"everyone", "sex"}


def test_places_inside_a_site_are_never_pooled(sent):
    results = sent().pool()
    towns = results[results["group"] == "town"]
    assert len(towns)
    assert set(towns["scope"]) == {"site:s0", "site:s1"}


def test_who_has_sent_and_who_has_not(sent):
    net = sent()
    net.pool()
    who = net.read("sites.csv").set_index("site")
    assert who["state"].to_dict() == {"s0": "in", "s1": "in", "s2": "in", "s3": "missing"}
    assert "the site has no addresses" in who.loc["s2", "reason"]
    assert json.loads((net.target / "pooled.json").read_text())["missing"] == {"s3": "S3"}


def test_fewer_sites_than_the_study_asks_for_give_no_pooled_number(sent, one):
    """Of three sites only two have areas: what needs areas is not pooled, the rest is, and no number slips through."""
    net = sent()
    net.study = net.study.model_copy(update={"fewest_sites": 3})
    results = net.pool()
    numbers = ["estimate", "lower", "upper", "se", "people", "events", "bound_lower", "bound_upper", "withheld_share"]
    areas = results[(results["scope"] == "pooled") & (results["group"] == "area")]
    assert len(areas)
    assert areas[numbers].isna().all(axis=None)
    assert set(areas["reason"]) == {"fewer than 3 sites"}
    assert one(results, scope="pooled", measure="crude prevalence", item="asthma", level="everyone")["estimate"] > 0


@pytest.mark.parametrize(("sites", "words"), [((0,), "1 site has sent a release"), ((0, 1), "2 sites have sent a release")])
def test_too_few_releases_are_not_pooled_at_all(sent, message_of, sites, words):
    net = sent(sites)
    net.study = net.study.model_copy(update={"fewest_sites": 3})
    message = message_of(net.pool)
    assert f"{words}. Allowed: at least 3. Wait for the others; nothing is pooled" in message
    assert not net.target.exists()


def test_an_old_pooled_file_does_not_outlive_a_new_run(sent):
    net = sent()
    net.pool()
    (net.target / "old.csv").write_text("stale")
    net.pool()
    assert not (net.target / "old.csv").exists()


def test_a_failure_leaves_the_earlier_results_and_no_half_ones(sent, monkeypatch):
    net = sent()
    net.pool()
    before = (net.target / "results.csv").read_bytes()

    def fail(*args, **more):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(pool_module.METHODS, "prevalence", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        net.pool()
    assert (net.target / "results.csv").read_bytes() == before
    assert [p.name for p in net.folder.iterdir() if "partial" in p.name] == []


def test_the_released_cells_of_all_sites_are_kept_as_they_came(sent):
    net = sent(threshold=10, rounding=5)
    net.pool()
    cells = pd.read_csv(net.target / "cells" / "illness.ill.csv", dtype=str, keep_default_na=False)
    assert set(cells["site"]) == {"s0", "s1", "s2"}
    assert (cells[cells["status"] == "withheld"]["value"] == "").all()
    assert (cells["status"] == "withheld").any()


def test_results_are_tidy_and_a_column_nobody_declared_is_an_error():
    row = {"analysis": "a", "measure": "m", "estimate": 1.0, "sites": "x", "n_sites": 1}
    frame = results_table([row])
    assert frame.loc[0, "reason"] == ""
    assert pd.isna(frame.loc[0, "upper"])
    with pytest.raises(ValueError, match="columns nobody declared: \\['estimat'\\]"):
        results_table([{**row, "estimat": 1}])


def test_a_slope_with_too_few_people_says_why(sent, one):
    net = sent(threshold=400, rounding=5)
    results = net.pool()
    assert not ((results["measure"] == "slope index") & results["estimate"].notna()).any()
