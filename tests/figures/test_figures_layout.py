"""Nothing is cut off and no two words overlap, with few and with many sites and items."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from shared_code.figures import style
from tests.figures import further

KINDS = ["ratios", "gradient", "caterpillar", "trend", "change", "forest", "leave_one_out", "cumulative", "heterogeneity",
         "availability", "curves"]  # fmt: skip
# matrices of Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
BLIND = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def boxes(picture) -> list[tuple[str, np.ndarray]]:
    """The box of every visible word, in pixels: left, bottom, right, top."""
    picture.canvas.draw()
    renderer = picture.canvas.get_renderer()
    texts = list(picture.texts)
    for axes in picture.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    texts += [label for label in (tick.label1, tick.label2) if label.get_visible()]
    found = []
    for text in texts:
        if text.get_text().strip() and text.get_visible():
            found.append((text.get_text(), np.array(text.get_window_extent(renderer).extents)))
    return found


def collisions(picture) -> list[tuple[str, str]]:
    found = boxes(picture)
    return [(a, b) for (a, x), (b, y) in combinations(found, 2)
            if min(x[2], y[2]) - max(x[0], y[0]) > 1 and min(x[3], y[3]) - max(x[1], y[1]) > 1.5]  # fmt: skip


@pytest.mark.parametrize("items, sites", [(1, 5), (3, 40), (30, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_words_overlap_and_none_are_cut(kind, items, sites, made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items, sites, places=3 if sites > 5 else 7)
    picture = draw(study, pooled, kind).picture
    assert collisions(picture) == []
    width, height = picture.get_size_inches() * picture.dpi
    outside = [text for text, (left, bottom, right, top) in boxes(picture)
               if left < 0 or bottom < 0 or right > width or top > height]  # fmt: skip
    assert outside == []


TALLEST = 17  # inches: about two sheets of paper


@pytest.mark.parametrize("sites", [5, 40])
@pytest.mark.parametrize("kind", sorted(further.FIGURES))
def test_figures_of_other_analyses_are_readable_too(kind, sites, made, draw, tmp_path):
    study, pooled = further.everything(made, tmp_path, sites)
    drawn = draw(study, pooled, kind)
    assert collisions(drawn.picture) == []
    width, height = drawn.picture.get_size_inches() * drawn.picture.dpi
    assert [text for text, (left, bottom, right, top) in boxes(drawn.picture)
            if left < 0 or bottom < 0 or right > width or top > height] == []  # fmt: skip
    assert height <= TALLEST * drawn.picture.dpi
    assert further.FIGURES[kind]["caption"] in drawn.alt and len(re.findall(r"\d", drawn.alt)) > 4, "the words hold the numbers"
    assert len(drawn.numbers) and not drawn.nothing


@pytest.mark.parametrize("sites", [5, 40])
def test_a_funnel_names_whoever_lies_outside(sites, made, draw, tmp_path):
    drawn = draw(*further.everything(made, tmp_path, sites), "funnel")
    named = {text.get_text() for text in drawn.picture.axes[0].texts}
    outside = set(drawn.numbers.loc[drawn.numbers["shown"].str.startswith("outside"), "site_title"])
    assert outside and outside <= named and all(name in drawn.notes[0] for name in outside)
    assert (len(named) == 4) if sites == 5 else (named == outside and "not named here" in drawn.notes[0])


def test_of_many_sites_the_months_furthest_from_usual_are_shown(made, draw, tmp_path):
    """One row a site, and no month that looks odd is lost."""
    drawn = draw(*further.everything(made, tmp_path, 40), "heat_map")
    (axes,) = drawn.picture.axes
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (39, 36)
    table = drawn.numbers.assign(far=(drawn.numbers["estimate"] - 100).abs())
    table = table.sort_values("far").groupby(["site_title", "level"])["estimate"].last().unstack()
    np.testing.assert_allclose(shown, table.to_numpy())
    crosses = [len(line.get_xdata()) for line in axes.lines]
    assert sum(crosses) == (drawn.numbers["verdict"] == "look").sum() == 1


def test_with_many_items_and_sites_changes_show_their_summaries_only(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 30, 40, places=1)
    drawn = draw(study, pooled, "change")
    assert collisions(drawn.picture) == [] and set(drawn.numbers["scope"]) == {"pooled"}
    assert "Single sites are left out because they are many" in drawn.notes[0]


@pytest.mark.parametrize("kind", ["gradient", "caterpillar"])
def test_no_words_overlap_by_sex(kind, made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 2, 40, ("F", "M"), places=1)
    assert collisions(draw(study, pooled, kind).picture) == []


def test_all_sites_are_named_when_there_are_forty(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 1, 40, places=2)
    titles = set(made.site_names(40).values())
    for kind in ("caterpillar", "change"):
        said = " ".join(text.get_text() for text in draw(study, pooled, kind).picture.texts)
        assert [title for title in titles if title.split()[0] not in said] == []


def test_twelve_hundred_places_of_forty_sites_fit_on_two_pages(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 1, 40, places=30)
    drawn = draw(study, pooled, "caterpillar")
    assert drawn.picture.get_size_inches()[1] < 18 and "1,200 wards" in drawn.subtitle
    assert not collisions(drawn.picture)


def test_pictures_are_as_wide_as_a_page_of_the_report(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, 3, 5)
    for kind in KINDS:
        assert draw(study, pooled, kind).picture.get_size_inches()[0] * style.SCREEN == pytest.approx(720)


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.where((t := xyz / [0.9505, 1, 1.089]) > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", sorted(BLIND))
def test_colours_can_be_told_apart(blindness):
    """A difference of 10 (CIE 1976) is seen at once; about 2.3 is the least that can be seen."""
    matrix = np.array(BLIND[blindness])
    seen = {name: lab(matrix @ linear(colour)) for name, colour in style.PALETTE.items()}
    near = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(seen, 2)}
    assert min(near.values()) > 10, min(near, key=near.get)


def test_pale_colours_differ_from_their_full_colour_in_lightness():
    for full, pale in style.PALE.items():
        assert lab(linear(pale))[0] - lab(linear(full))[0] > 20


def test_series_differ_in_shape_as_well():
    for series in (style.SERIES, list(style.SEXES.values())[:2]):
        assert len({marker for _, marker in series}) == len(series)
