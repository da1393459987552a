"""Figures of meta-analyses: the numbers in words, the sites that are not in them, and what cannot be drawn."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("sites", [5, 40])
def test_a_forest_names_everyone_and_says_its_numbers(sites, made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 2, sites)
    drawn = draw(study, pooled, "forest")
    numbers = drawn.numbers
    assert (numbers["scope"] == "pooled").sum() == 2 and numbers["scope"].str.startswith("site:").sum() == sites
    whole = numbers[(numbers["measure"] == "pooled estimate")].iloc[0]
    assert f"Pooled {whole['estimate']:.2f} ({whole['lower']:.2f} to {whole['upper']:.2f})" in drawn.alt
    assert f"between {whole['pi_lo']:.2f} and {whole['pi_hi']:.2f}" in drawn.alt and "withheld" in drawn.alt
    assert any("tau2" in note and "I2" in note for note in drawn.notes)
    words = [text.get_text() for text in drawn.picture.texts]
    assert sum("%" in word for word in words) >= sites - 1  # the weight of every site that has an estimate


def test_leaving_one_out_marks_the_site_on_which_the_answer_hangs(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 2, 5)
    drawn = draw(study, pooled, "leave_one_out")
    assert "hangs on Brackenmoor" in drawn.alt and (drawn.numbers["shown"] == "hangs on it").sum() == 1
    assert len(drawn.numbers) == 5  # four sites with an estimate, and all together


def test_the_average_as_sites_join_stands_in_their_order(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 2, 5)
    drawn = draw(study, pooled, "cumulative")
    assert drawn.numbers["n_sites"].tolist() == [1, 2, 3, 4] and "With all 4 sites" in drawn.alt
    last = drawn.numbers.iloc[-1]
    assert f"{last['estimate']:.2f} ({last['lower']:.2f} to {last['upper']:.2f})" in drawn.alt


def test_heterogeneity_lists_the_widest_spread_first(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 6, 8)
    drawn = draw(study, pooled, "heterogeneity")
    assert drawn.numbers["tau"].is_monotonic_decreasing and len(drawn.numbers) == 6
    assert f"tau {drawn.numbers['tau'].iloc[0]:.2f}" in drawn.alt


def test_availability_tells_in_sent_and_not_sent_apart(made, draw, tmp_path):
    items, sites = made.titles(2), made.site_names(4)
    pooled = {"measure": "pooled estimate", "group": "everyone", "estimate": 1.2}
    rows = [made.row(item="item_0", sites="s00; s01", n_sites=2, **pooled),
            made.row(item="item_0", measure="effect at the site", scope="site:s02", reason="withheld"),
            made.row(item="item_1", sites="s00; s01; s02", n_sites=3, **pooled)]  # fmt: skip
    who = {"s03": ("missing", "")}
    study = made.study({"availability": {"kind": "availability", "caption": "Who is in what"}}, items)
    drawn = draw(study, made.write(tmp_path, rows, sites, who), "availability")
    state = drawn.numbers.set_index(["item", "site"])["state"]
    assert state["item_0", "s00"] == "in it" and state["item_0", "s02"] == "sent, but not in it"
    assert state["item_1", "s02"] == "in it" and state["item_1", "s03"] == "did not send it"
    assert drawn.numbers.set_index(["item", "site"]).loc[("item_0", "s02"), "reason"] == "withheld"
    assert "5 of 8 combinations are in" in drawn.alt and f"In no measure: {sites['s03']}" in drawn.alt


def test_what_cannot_be_drawn_says_why(made, draw, tmp_path):
    items, sites = made.titles(1), made.site_names(2)
    figures = {name: {"kind": name, "item": "item_0", "caption": "C"} for name in ("forest", "leave_one_out")}
    figures["heterogeneity"] = {"kind": "heterogeneity", "caption": "C"}
    rows = [made.row(item="item_0", measure="effect at the site", group=g, scope="site:s00", **made.interval(1.2, 1.3))
            for g in ("everyone", "deprivation")]  # fmt: skip
    study, pooled = made.study(figures, items), made.write(tmp_path, rows, sites)
    assert "name group, level or sex" in draw(study, pooled, "forest").nothing
    assert "three sites or more" in draw(study, pooled, "heterogeneity").nothing
    one = made.write(tmp_path / "one", rows[:1], sites)
    assert "Fewer than three sites" in draw(study, one, "leave_one_out").nothing
    assert draw(study, one, "forest").nothing == ""
