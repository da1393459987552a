"""Descriptions for people who cannot see the picture: short, and with the numbers that matter."""

from __future__ import annotations

import doctest
import re

import pytest

from shared_code.figures import calibration, change, gradient, style, words
from shared_code.model import words as shared_words

KINDS = ["ratios", "gradient", "caterpillar", "trend", "change"]


@pytest.mark.parametrize("module", [calibration, change, gradient, style, words, shared_words],
                         ids=lambda m: m.__name__.partition(".")[2])
def test_examples_in_the_code_are_true(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("items, sites", [(1, 2), (9, 40)])
@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_are_short_and_say_how_many_sites(kind, items, sites, made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items, sites, places=2)
    alt = draw(study, pooled, kind).alt
    if kind == "ratios" and items == 1:
        assert "Nothing is drawn" in alt  # the last item has no estimate
        return
    assert 60 < len(alt) <= words.LONGEST and alt.endswith(".")
    assert f"all {sites} sites" in alt


@pytest.mark.parametrize("kind", ["ratios", "gradient", "caterpillar", "trend", "change"])
def test_descriptions_hold_the_extremes_with_their_intervals(kind, made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=2)
    drawn = draw(study, pooled, kind)
    rows = drawn.numbers[drawn.numbers["estimate"].notna()]
    if kind == "change":
        rows = rows[(rows["measure"] == "change") & (rows["scope"] == "pooled")]
    elif kind == "caterpillar":
        rows = rows[rows["sex"] == "F"]
    else:
        rows = rows[(rows["scope"] == "pooled") & ~rows["measure"].isin(["crude ratio", "slope index"])]
        rows = rows[rows["item"] == rows["item"].iloc[0]]
    for at in (rows["estimate"].idxmin(), rows["estimate"].idxmax()):
        one = rows.loc[at].to_dict()
        said = words.number(one["estimate"], one["scale"])
        assert said in drawn.alt and words.limits(one).strip() in drawn.alt


def test_no_raw_codes_are_shown(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=3)
    for kind in KINDS:
        drawn = draw(study, pooled, kind)
        said = " ".join([*(text.get_text() for text in drawn.picture.texts), drawn.alt, *drawn.notes, drawn.subtitle])
        assert not re.search(r"item_|s0\d|site:s", said), kind


def test_much_withheld_is_written_and_not_only_coloured(made, draw, tmp_path):
    study, pooled = made.everything(tmp_path, items=9)
    drawn = draw(study, pooled, "ratios")
    pale = (drawn.numbers["shown"] == "pale: much is withheld").sum()
    assert pale and [text.get_text() for text in drawn.picture.texts].count("much is withheld") == pale
    assert f"leaving out {pale} of which much is withheld" in drawn.alt


def test_unions_stand_apart(made, draw, tmp_path):
    from shared_code.config import Study

    study = Study.read("config/study.yaml")
    names = ["asthma", "copd", "two_or_more"]
    rows = [made.row(analysis="long_term_conditions", measure="standardised ratio", item=item, group="deprivation",
                     level="1", comparator="5", scale="ratio", people=100, **made.interval(1 + n, 1.2))
            for n, item in enumerate(names)]  # fmt: skip
    pooled = made.write(tmp_path, rows, made.site_names(2))
    drawn = draw(study, pooled, "deprivation_ratios")
    said = [text.get_text() for text in drawn.picture.texts]
    assert said.index("Asthma") > said.index("COPD")
    assert said.index("Two or more conditions") > said.index("Several conditions at once") > said.index("Asthma")


def test_a_single_month_between_two_gaps_is_marked(made, draw, tmp_path):
    items, sites = made.titles(1), made.site_names(2)
    rows = [one for one in made.month_rows(items, sites) if one["level"] not in ("2019-03", "2019-05")]
    pooled = made.write(tmp_path, rows, sites)
    drawn = draw(made.study(made.figures_of(items), items), pooled, "trend")
    dots = [line for line in drawn.picture.axes[0].get_lines() if line.get_marker() == "o"]
    assert len(dots) == 3 and all(list(line.get_xdata()) == [3] for line in dots)
