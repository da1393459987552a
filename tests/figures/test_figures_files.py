"""What lies in the folder of figures: which files, the same bytes every time, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.figures import draw_figures
from shared_code.model import Refused


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_figure_has_a_picture_numbers_and_words(made, tmp_path):
    study, pooled = made.everything(tmp_path / "pooled")
    names = draw_figures(study, pooled, tmp_path / "figures")
    assert names[:5] == ["one.ratios", "one.gradient", "one.caterpillar", "one.trend", "one.change"]
    assert names == [f"one.{name}" for name in study.analyses["one"].figures]
    expected = {f"{name}.{ending}" for name in names for ending in ("svg", "png", "csv", "json")}
    assert set(contents(tmp_path / "figures")) == expected
    for name in names:
        words = json.loads((tmp_path / "figures" / f"{name}.json").read_text("utf-8"))
        assert words["drawn"] and words["caption"].startswith(words["title"])
        assert len(pd.read_csv(tmp_path / "figures" / f"{name}.csv"))
        root = ElementTree.parse(tmp_path / "figures" / f"{name}.svg").getroot()
        assert not list(root.iter("{http://www.w3.org/2000/svg}text")), "letters are paths: the same look everywhere"


def test_the_same_bytes_in_another_process_with_other_settings(made, tmp_path):
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "first")
    (tmp_path / "study.json").write_text(study.model_dump_json(), encoding="utf-8")
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\naxes.grid: True\n")
    script = (
        "import sys; from pathlib import Path; from shared_code.config import Study; "
        "from shared_code.figures import draw_figures; folder = Path(sys.argv[1]); "
        "draw_figures(Study.model_validate_json((folder / 'study.json').read_text('utf-8')), folder / 'pooled', "
        "folder / 'second')"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path), "TZ": "Asia/Tokyo",
                                "PYTHONPATH": str(Path.cwd())}  # fmt: skip
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_no_date_and_no_path_is_in_a_picture(made, tmp_path):
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "figures")
    for name, data in contents(tmp_path / "figures").items():
        assert str(tmp_path).encode() not in data and b"<dc:date>" not in data and b"Software" not in data, name


def test_a_failure_leaves_the_old_figures(made, tmp_path, monkeypatch):
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "figures")
    before = contents(tmp_path / "figures")

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("shared_code.figures.draw.save", fail)
    with pytest.raises(OSError):
        draw_figures(study, pooled, tmp_path / "figures")
    assert contents(tmp_path / "figures") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "pooled"]


def test_a_figure_that_is_no_longer_declared_disappears(made, tmp_path):
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "figures")
    fewer = made.study({"trend": made.figures_of({})["trend"]}, made.titles(3))
    draw_figures(fewer, pooled, tmp_path / "figures")
    assert {name.rsplit(".", 1)[0] for name in contents(tmp_path / "figures")} == {"one.trend"}


def test_settings_of_the_caller_are_left_alone(made, tmp_path):
    before = dict(matplotlib.rcParams)
    study, pooled = made.everything(tmp_path / "pooled")
    draw_figures(study, pooled, tmp_path / "figures")
    assert dict(matplotlib.rcParams) == before


def test_missing_results_say_what_to_do(made, tmp_path):
    study, _ = made.everything(tmp_path / "pooled")
    with pytest.raises(Refused, match=r"results\.csv: there is no such file.*Pool the study first"):
        draw_figures(study, tmp_path / "nowhere", tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("config/study*.yaml")), ids=lambda p: p.stem)
def test_every_study_of_the_project_can_be_drawn_before_anything_is_pooled(path, tmp_path, made):
    """Settings of the figures are right, and a study nobody has answered yet gives pictures that say so."""
    study = Study.read(path)
    pooled = made.write(tmp_path / "pooled", [], {})
    names = draw_figures(study, pooled, tmp_path / "figures")
    assert len(names) == sum(len(entry.figures) for entry in study.analyses.values())
    for name in names:
        words = json.loads((tmp_path / "figures" / f"{name}.json").read_text("utf-8"))
        assert not words["drawn"] and words["reason"] in words["alt"]
