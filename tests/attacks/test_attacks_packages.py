"""The command that attacks packages: it finds what is planted, counts it, and never tells a number."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from shared_code.cli import app
from shared_code.config import Study
from shared_code.config.study import Policy
from shared_code.disclosure import protect
from shared_code.releases import package
from shared_code.releases.cells import to_csv

SECRET = 7


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(json.dumps({
        "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
        "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
        "analyses": {"illness": {"title": "t", "question": "q", "pooled": [], "results": {"ill": {
            "title": "t", "layout": "counts",
            "dimensions": {"sex": {"values": {"F": "f", "M": "m"}, "total": True}}}}}},
    }))  # fmt: skip
    return tmp_path / "study.yaml"


def written(folder: Path, name: str, tables: dict) -> Path:
    files = {f"tables/{table}.csv": to_csv(cells) for table, (_, cells) in tables.items()}
    package.write(folder / name, {"site": "north", "disclosure": {"rules": {"threshold": 10}, "tables": {}}}, files)
    return folder / name


def wide(women: int = SECRET) -> pd.DataFrame:
    return pd.DataFrame({"sex": ["F", "M", "all"], "people": [400, 500, 900], "cases": [women, 93, women + 93]})


def attack(*paths: Path, study: Path):
    return CliRunner().invoke(app, ["attack", *map(str, paths), "--study", str(study)])


def test_weaknesses_are_counted_and_not_told(study, tmp_path, declare, release_by_hand):
    done = attack(written(tmp_path, "north.zip", release_by_hand({"illness.ill": (_declared(declare), wide())})), study=study)
    assert done.exit_code == 1
    assert "1 x tables together: a number in illness.ill (cases)" in done.output
    assert str(SECRET) not in done.output.replace(str(tmp_path), "")


def test_two_releases_are_subtracted(study, tmp_path, declare, release_by_hand):
    paths = [written(tmp_path, f"{n}.zip", release_by_hand({"illness.ill": (_declared(declare), wide(n))})) for n in (112, 113)]
    done = attack(*paths, study=study)
    assert done.exit_code == 1
    assert f"{paths[0]}: no weakness found." in done.output
    assert "2 x two releases subtracted: a number in illness.ill (cases)" in done.output


def test_a_package_without_small_numbers_is_left_in_peace(study, tmp_path, declare, release_by_hand):
    done = attack(written(tmp_path, "north.zip", release_by_hand({"illness.ill": (_declared(declare), wide(70))})), study=study)
    assert (done.exit_code, done.output.strip()) == (0, f"{tmp_path / 'north.zip'}: no weakness found.")


def _declared(declare):
    return declare({"sex": ["F", "M", "all"]})


def test_a_difference_that_may_be_nobody_is_referred_to_the_reviewer(study, tmp_path, release_by_hand):
    """All but at most four of the people with any need are minority: a reader cannot tell whether somebody else is there."""
    content = yaml.safe_load(study.read_text("utf-8"))
    content["analyses"]["illness"]["results"]["ill"]["dimensions"] = {"need": {
        "values": {"plus": "p", "minority": "m", "homeless": "h"},
        "formed": {"plus": {"at_least": 1, "of": ["minority", "homeless"]}}}}  # fmt: skip
    study.write_text(yaml.safe_dump(content), "utf-8")
    declared = Study.read(study).analyses["illness"].results["ill"]
    table = pd.DataFrame({"need": ["plus", "minority", "homeless"], "people": [900] * 3, "cases": [200, 200, 50]})
    cells = protect({"illness.ill": (declared, table)}, [], Policy(threshold=10, rounding=5)).tables["illness.ill"]
    done = attack(written(tmp_path, "north.zip", {"illness.ill": (declared, cells)}), study=study)
    assert done.exit_code == 0, done.output
    assert "for the reviewer, 1 x a few people or nobody: illness.ill (cases of need)" in done.output
