"""A small valid protocol and site file, to be spoilt one line at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

STUDY = """
study: tiny
title: A small study
summary: Nothing but what the tests need.
coordinator: Nobody
index_date: 2024-01-01
period: {start: 2020-01-01, end: 2024-01-01}
disclosure: {rule_set: NET10, threshold: 10, rounding: 5}
analyses:
  illness:
    title: Illness
    question: Who is ill?
    needs: [person]
    uses: [death]
    parameters: {codelist: made_up/1}
    results:
      ill:
        title: People who are ill
        layout: counts
        dimensions:
          condition: {label: Condition, codelist: codelist}
          area: {values: {"1": first, "2": second}, total: true}
          sex: {values: {F: Female, M: Male}}
          age: {bands: [0, 18, 65]}
        sets: [[], [area]]
    pooled:
      - {method: prevalence, table: ill, item: condition, standardise: [sex, age], groups: {area: "2"}, slope: area}
    findings:
      - {text: "It is {estimate}.", where: {measure: crude ratio}}
    figures:
      ratios: {kind: ratios, caption: Ratios}
"""

SITE = """
site: north
title: The north
controller: Northern trust
studies: [tiny]
extract_date: 2024-02-01
tables:
  person:
    file: people.csv
    columns:
      person_id: {from: ID, pseudonymise: true}
      birth_month: {from: DOB, date: "%d/%m/%Y", first_of_month: true}
      sex: {from: SEX, values: {1: M, 2: F}}
"""


class Settings:
    """A settings file in a folder of its own, edited and read again."""

    def __init__(self, text: str, folder: Path, name: str) -> None:
        self.content = yaml.safe_load(text)
        self.text = text
        self.path = folder / name

    def change(self, keys: str, value: Any) -> Settings:
        """Set the value at dotted keys; None removes the last key."""
        *way, last = keys.split(".")
        place = self.content
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
        self.text = yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True)
        return self

    def replace(self, old: str, new: str) -> Settings:
        """Edit the text itself, as a person would."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        return self

    def write(self) -> Path:
        self.path.write_text(self.text, encoding="utf-8")
        return self.path


@pytest.fixture
def study(tmp_path: Path) -> Settings:
    return Settings(STUDY, tmp_path, "study.yaml")


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return Settings(SITE, tmp_path, "north.yaml")


@pytest.fixture
def codelist(tmp_path: Path) -> Callable[..., Path]:
    """Write lines under the header of the codelist made_up/1, in a folder of codelists."""

    def write(*lines: str, header: str = "condition,title,code_system,code,rule,minimum_age,term") -> Path:
        folder = tmp_path / "config" / "codelists"
        (folder / "made_up").mkdir(parents=True, exist_ok=True)
        text = "\n".join(["# Edition: 1", header, *lines]) + "\n"
        (folder / "made_up" / "1.csv").write_text(text, encoding="utf-8")
        return folder

    return write
