"""The numbers in the picture are the numbers in the CSV, and those are the numbers of results.csv."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from shared_code.figures import draw_figures
from shared_code.figures.request import NUMBERS, TEXTS

KINDS = ["ratios", "gradient", "caterpillar", "trend", "change"]


def marks(picture, axis: int) -> list[float]:
    """Every number that a line or point of the picture stands at."""
    lines = [line for axes in picture.axes for line in axes.get_lines()]
    return [float(v) for line in lines for v in np.asarray(line.get_data(orig=True)[axis], float) if not np.isnan(v)]


def among(values, found) -> bool:
    found = np.sort(np.asarray(found, float))
    values = np.asarray([v for v in values if not np.isnan(v)], float)
    near = np.clip(np.searchsorted(found, values), 1, len(found) - 1)
    return bool(np.all(np.minimum(abs(found[near] - values), abs(found[near - 1] - values)) < 1e-9))


@pytest.mark.parametrize("kind", KINDS)
def test_the_csv_holds_rows_of_the_results_and_where_they_come_from(kind, made, tmp_path):
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "figures")
    results = pd.read_csv(pooled / "results.csv", dtype=str, keep_default_na=False)
    drawn = pd.read_csv(tmp_path / "figures" / f"one.{kind}.csv", dtype=str, keep_default_na=False)
    drawn = drawn[drawn["shown"] != "listed in words"]  # sites without a change are not in the results
    assert len(drawn) and drawn["releases"].ne("").all() and drawn["sites"].ne("").all()
    for column in NUMBERS:
        for frame in (drawn, results):
            frame[column] = pd.to_numeric(frame[column]).map("{:.8g}".format)
    known = set(results[[*TEXTS, *NUMBERS]].itertuples(index=False, name=None))
    assert set(drawn[[*TEXTS, *NUMBERS]].itertuples(index=False, name=None)) <= known


def test_ratios_stand_where_they_belong(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=12)
    drawn = draw(study, pooled, "ratios")
    numbers, found = drawn.numbers, marks(drawn.picture, 0)
    standardised = numbers[numbers["measure"] == "standardised ratio"]
    assert among(standardised["estimate"], found) and among(standardised["lower"], found)
    assert among(standardised["upper"], found)
    assert among(numbers.loc[numbers["measure"] == "crude ratio", "estimate"], found)
    order = standardised["estimate"].dropna()
    assert list(order) == sorted(order, reverse=True)
    known = standardised[standardised["estimate"].notna()]
    assert set(known.loc[known["withheld_share"] > 0.5, "shown"]) == {"pale: much is withheld"}
    assert set(known.loc[known["withheld_share"] <= 0.5, "shown"]) == {"solid"}


def test_gradient_places_pooled_numbers_and_only_sites_of_which_little_is_withheld(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=2, sites=8)
    drawn = draw(study, pooled, "gradient")
    numbers, found = drawn.numbers, marks(drawn.picture, 1)
    points = numbers[numbers["measure"] == "standardised prevalence"]
    for column in ("estimate", "lower", "upper"):
        assert among(points.loc[points["scope"] == "pooled", column], found)
    assert among(points["estimate"], found)
    assert (points.loc[points["scope"] != "pooled", "withheld_share"] <= 0.1).all()
    said = " ".join(text.get_text() for text in drawn.picture.texts).replace("\u00a0", " ")
    assert "8.0 percentage points (6.5 to 9.5), higher at the most deprived end" in said


def test_a_gradient_of_which_every_number_is_withheld_is_an_empty_panel(made, draw, tmp_path):
    items, sites = made.titles(2), made.site_names(3)
    rows = made.gradient_rows(items, sites)
    for row in rows:
        if row["item"] == "item_1":
            row.update(dict.fromkeys(("estimate", "lower", "upper")), reason="too much is withheld")
    study = made.study({"gradient": {"kind": "gradient", "group": "deprivation", "items": [*items], "caption": "G"}}, items)
    drawn = draw(study, made.write(tmp_path, rows, sites), "gradient")
    panels = [axes for axes in drawn.picture.axes if axes.get_ylim() == (0.0, 1.0)]
    assert len(drawn.picture.axes) == 2 and len(panels) == 1


def test_gradient_leaves_out_the_dots_of_a_few_sites(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=1, sites=1)
    drawn = draw(study, pooled, "gradient")
    five = drawn.numbers.loc[drawn.numbers["scope"] != "pooled"]
    assert five.empty and "Single sites are not shown" in " ".join(drawn.notes)


def test_gradient_never_puts_two_sexes_in_one_panel(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=1, sexes=("F", "M"))
    drawn = draw(study, pooled, "gradient")
    assert len(drawn.picture.axes) == 2
    said = [text.get_text() for text in drawn.picture.texts]
    assert "Female" in said and "Male" in said
    assert drawn.picture.axes[0].get_ylim() == drawn.picture.axes[1].get_ylim()


def test_caterpillar_counts_places_without_an_estimate(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, sites=5, places=6)
    drawn = draw(study, pooled, "caterpillar")
    assert len(drawn.numbers) == 60 and drawn.numbers["estimate"].isna().sum() == 5
    assert "5 wards without an estimate (5 male) – withheld: fewer people than the threshold." in drawn.notes
    for column in ("estimate", "lower", "upper"):
        assert among(drawn.numbers[column], marks(drawn.picture, 0))


def test_caterpillar_has_no_words_of_ranking(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path)
    drawn = draw(study, pooled, "caterpillar")
    said = " ".join([*(text.get_text() for text in drawn.picture.texts), drawn.alt, *drawn.notes]).lower()
    assert not re.search(r"\b(best|worst|rank\w*|league|top|bottom|outperform\w*|highest|lowest)\b", said)


def test_trend_has_gaps_and_never_a_line_across_them(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=1, sites=5)
    drawn = draw(study, pooled, "trend")
    lines = [line for line in drawn.picture.axes[0].get_lines() if len(line.get_xdata()) == 24]
    assert len(lines) == 6
    assert sorted(int(np.isnan(line.get_ydata()).sum()) for line in lines) == [0, 0, 0, 0, 0, 1]
    assert among(drawn.numbers["estimate"], marks(drawn.picture, 1))
    band = drawn.picture.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    pooled_rows = drawn.numbers[drawn.numbers["scope"] == "pooled"]
    assert among(pooled_rows["lower"], band) and among(pooled_rows["upper"], band)


def test_change_shows_sites_summaries_and_who_does_not_collect(made, draw, tmp_path):
    items, sites = made.titles(3), made.site_names(5)
    pooled = made.write(tmp_path, made.change_rows(items, sites), sites)
    drawn = draw(made.study(made.figures_of(items), items), pooled, "change")
    numbers = drawn.numbers
    marked = numbers[~numbers["measure"].str.startswith("difference") & numbers["estimate"].notna()]
    assert among(marked["lower"], marks(drawn.picture, 0)) and among(marked["upper"], marks(drawn.picture, 0))
    absent = numbers[numbers["shown"] == "listed in words"]
    assert list(zip(absent["item"], absent["scope"], absent["reason"])) == [("item_1", "site:s04", "not collected")]
    said = [text.get_text() for text in drawn.picture.texts]
    assert said.count("not collected") == 1
    assert any("Sites typically lie 15 %" in text.replace("\u00a0", " ") for text in said)


@pytest.mark.parametrize("state, expected", [("withheld", "withheld"), ("not_collected", "not collected"),
                                             ("ok", "no events in a month")])  # fmt: skip
def test_change_reads_the_reason_from_the_released_cells(state, expected, made, draw, tmp_path):
    items, sites = made.titles(2), made.site_names(5)
    pooled = made.write(tmp_path, made.change_rows(items, sites), sites)
    (pooled / "cells").mkdir()
    cells = [{"item": "item_1", "month": month, "statistic": "events", "status": state, "site": "s04"}
             for month in ("2019-04", "2020-04")]  # fmt: skip
    pd.DataFrame(cells).to_csv(pooled / "cells" / "one.e.csv", index=False)
    drawn = draw(made.study(made.figures_of(items), items), pooled, "change")
    assert drawn.numbers.loc[drawn.numbers["shown"] == "listed in words", "reason"].tolist() == [expected]


def test_sites_that_are_not_in_it_are_named_with_the_reason(made, draw, tmp_path):
    items, sites = made.titles(2), made.site_names(3)
    rows = made.ratio_rows(items)
    for one in rows:
        one |= {"sites": "s00; s01", "n_sites": 2}
    pooled = made.write(tmp_path, rows, sites, {"s02": ("missing", "no release has arrived")})
    drawn = draw(made.study(made.figures_of(items), items), pooled, "ratios")
    assert "2 of 3 sites" in drawn.subtitle
    assert "Not in it: Carrowby (no release has arrived)." in drawn.notes[0] and "Carrowby" in drawn.alt
