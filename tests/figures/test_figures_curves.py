"""Curves show the numbers of the results, in order, and say where two are equally high."""

from __future__ import annotations

import pytest

from shared_code.figures.curves import position


def test_the_lines_are_the_results(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path)
    drawn = draw(study, pooled, "curves")
    assert len(drawn.numbers) == 14 and set(drawn.numbers["level"]) == {"1", "3", "5"}
    lines = [line for line in drawn.picture.axes[0].lines if len(line.get_xdata()) > 3]
    assert [list(line.get_ydata()) for line in lines] == [[20, 30, 40, 50, 60], [25, 35, 45, 55], [10, 20, 30, 40, 50]]
    assert list(lines[0].get_xdata()) == [50, 60, 70, 80, 90]


def test_the_arrow_is_said_in_words(made, draw, tmp_path):
    """The first fifth is ten years ahead of the last."""
    study, pooled = made.everything(tmp_path)
    alt = draw(study, pooled, "curves").alt
    assert "1 (most deprived) is as high at 55.0 as 5 (least deprived) is at 65.0" in alt


def test_what_lies_below_the_lowest_value_is_left_out_and_a_note_says_so(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path)
    study.analyses["one"].figures["curves"].model_extra["lowest"] = 5
    assert "are not shown" not in " ".join(draw(study, pooled, "curves").notes)
    study.analyses["one"].figures["curves"].model_extra["lowest"] = 22
    assert "Values below 22.0 are not shown." in " ".join(draw(study, pooled, "curves").notes)


def test_nothing_to_draw_is_said(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path)
    study.analyses["one"].figures["curves"].model_extra["measure"] = "something else"
    assert "hold no pooled something else" in draw(study, pooled, "curves").nothing


@pytest.mark.parametrize("level", ["young", "", "-5"])
def test_a_level_without_a_place_is_an_error(level):
    with pytest.raises(ValueError, match="neither a number nor a band"):
        position(level)
