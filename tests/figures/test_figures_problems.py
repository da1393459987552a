"""A faulty entry names the mistake and the cure; a figure without numbers says why it is empty."""

from __future__ import annotations

import json

import pytest

from shared_code.config import Study
from shared_code.figures import draw_figures
from shared_code.model import Refused

RATIOS = {"kind": "ratios", "group": "deprivation", "level": "1", "caption": "Conditions"}
GRADIENT = {"kind": "gradient", "group": "deprivation", "items": ["item_0"], "caption": "Conditions"}


@pytest.mark.parametrize("entry, expected", [
    ({"kind": "ratios", "level": "1", "caption": "c"}, "needs the setting group"),
    (RATIOS | {"levle": "1"}, r"no setting 'levle' \(did you mean level\?\)"),
    (RATIOS | {"group": "deprivaton"}, r"'deprivaton' is not a dimension.*did you mean deprivation"),
    (RATIOS | {"group": "ward"}, "'ward' is not a dimension"),
    (RATIOS | {"level": "9"}, "'9' is not a level of deprivation"),
    (RATIOS | {"level": 1}, "1 is not a level of deprivation.*quotation marks"),
    (RATIOS | {"level": "Unknown"}, "'Unknown' is not a level of deprivation"),
    (GRADIENT | {"items": ["item_9"]}, "'item_9' is not an item of this analysis"),
    (GRADIENT | {"items": []}, "no item is named"),
    (GRADIENT | {"items": "item_0"}, "is not a list"),
    ({"kind": "caterpillar", "item": "itm_0", "caption": "c"}, "'itm_0' is not an item"),
    ({"kind": "trend", "mark": "2031-01", "caption": "c"}, "'2031-01' is not a month.*2019-01 to 2020-12"),
    ({"kind": "change", "mark": "2020-03", "caption": "c"}, "the kind change has no setting 'mark'"),
])  # fmt: skip
def test_a_wrong_setting_is_refused_in_words(entry, expected, made, tmp_path):
    items = made.titles(2)
    pooled = made.write(tmp_path / "pooled", made.ratio_rows(items), made.site_names(2))
    with pytest.raises(Refused, match=expected) as refused:
        draw_figures(made.study({"mine": entry}, items), pooled, tmp_path / "figures")
    assert "study.yaml, analyses.one.figures.mine" in str(refused.value)
    assert not (tmp_path / "figures").exists()


def test_all_mistakes_are_shown_together(made, tmp_path):
    items = made.titles(2)
    pooled = made.write(tmp_path / "pooled", [], made.site_names(2))
    figures = {"a": RATIOS | {"level": "9"}, "b": GRADIENT | {"items": ["no"]}}
    with pytest.raises(Refused, match="2 problems"):
        draw_figures(made.study(figures, items), pooled, tmp_path / "figures")


def test_an_item_nobody_declared_is_refused(made, tmp_path):
    items = made.titles(3)
    pooled = made.write(tmp_path / "pooled", made.ratio_rows(items), made.site_names(2))
    fewer = dict(list(items.items())[1:])
    with pytest.raises(Refused, match="an item that analysis one does not declare: 'item_0'"):
        draw_figures(made.study({"mine": RATIOS}, fewer), pooled, tmp_path / "figures")


def nothing(study: Study, pooled, folder, name: str) -> dict:
    draw_figures(study, pooled, folder)
    words = json.loads((folder / f"one.{name}.json").read_text("utf-8"))
    assert not words["drawn"] and words["reason"] in words["alt"]
    assert (folder / f"one.{name}.png").stat().st_size > 3000
    return words


@pytest.mark.parametrize("kind", ["ratios", "gradient", "caterpillar", "trend", "change"])
def test_without_results_the_picture_says_so(kind, made, tmp_path):
    items = made.titles(2)
    pooled = made.write(tmp_path / "pooled", [], made.site_names(2))
    study = made.study({kind: made.figures_of(items)[kind]}, items)
    assert nothing(study, pooled, tmp_path / "figures", kind)["reason"]


def test_when_no_site_is_in_the_analysis_their_reasons_are_given(made, tmp_path):
    items, sites = made.titles(2), made.site_names(2)
    states = dict.fromkeys(sites, ("not run", "the site has no table of deaths"))
    pooled = made.write(tmp_path / "pooled", [], sites, states)
    study = made.study({"trend": made.figures_of(items)["trend"]}, items)
    words = nothing(study, pooled, tmp_path / "figures", "trend")
    assert words["reason"] == "No site is in this analysis: the site has no table of deaths."


def test_when_everything_is_withheld_the_reason_is_given(made, tmp_path):
    items = made.titles(1)  # its only item has no estimate
    pooled = made.write(tmp_path / "pooled", made.ratio_rows(items), made.site_names(2))
    words = nothing(made.study({"mine": RATIOS}, items), pooled, tmp_path / "figures", "mine")
    assert "fewer than 10 cases" in words["reason"]


def test_two_comparisons_are_not_mixed(made, tmp_path):
    items, sites = made.titles(1), made.site_names(3)
    rows = made.change_rows(items, sites)
    rows += [one | {"level": "2020-05", "comparator": "2019-05"} for one in made.change_rows(items, sites)]
    pooled = made.write(tmp_path / "pooled", rows, sites)
    words = nothing(made.study({"change": made.figures_of(items)["change"]}, items), pooled, tmp_path / "f", "change")
    assert "April 2020 with April 2019 and May 2020 with May 2019" in words["reason"]


def test_columns_that_are_missing_are_named(made, tmp_path):
    items = made.titles(2)
    pooled = made.write(tmp_path / "pooled", made.ratio_rows(items), made.site_names(2))
    (pooled / "results.csv").write_text("analysis,measure\none,two\n")
    with pytest.raises(Refused, match="columns are missing: item, group"):
        draw_figures(made.study({"mine": RATIOS}, items), pooled, tmp_path / "figures")
