"""Made-up people with identifiers and planted errors, linked once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from shared_code.linkage.run import Linked, link
from shared_code.linkage.settings import Settings
from shared_code.sources.pseudonyms import MADE_UP_KEY, pseudonym
from shared_code.synthetic.identifiers import MadeUp, make

PEOPLE = 20_000
COLUMNS = ["nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode"]


@dataclass
class Example:
    """Hold made-up people, their linkage, and the truth with pseudonyms instead of numbers."""

    made: MadeUp
    linked: Linked
    truth: pd.DataFrame
    settings: Settings


@pytest.fixture(scope="session")
def example(tmp_path_factory) -> Example:
    made = make(PEOPLE, PEOPLE, seed=11)
    settings = Settings(tmp_path_factory.mktemp("private"), made_up=True, random_pairs=600_000)
    linked = link(made.records, made.people, settings)
    return Example(made, linked, truth_of(made), settings)


def truth_of(made: MadeUp) -> pd.DataFrame:
    ids = {number: pseudonym(MADE_UP_KEY, "NHS", number) for number in made.people["nhs_number"]}
    return made.truth.assign(person_id=made.truth["nhs_number"].map(ids)).drop(columns="nhs_number")


@pytest.fixture()
def settings(tmp_path) -> Settings:
    return Settings(tmp_path / "private", made_up=True)


@pytest.fixture(scope="session")
def known(shared) -> Callable[[str], dict[str, Any]]:
    """Give a known answer of the methods specification."""
    answers = json.loads((shared / "methods" / "known_answers.json").read_text(encoding="utf-8"))

    def of(test: str) -> dict[str, Any]:
        for chapter in ([answers] if test in answers else answers.values()):
            if test in chapter:
                return chapter[test]
        raise KeyError(test)

    return of


@pytest.fixture(scope="session")
def table() -> Callable[[str], pd.DataFrame]:
    """Read a table written as a person writes it: `nhs_number surname forename date_of_birth sex postcode`; - is missing."""

    def read(text: str) -> pd.DataFrame:
        rows = [[None if word == "-" else word for word in line.split()] for line in text.splitlines() if line.strip()]
        return pd.DataFrame(rows, columns=COLUMNS, dtype="string")

    return read


@pytest.fixture(scope="session")
def records(table) -> Callable[[str], pd.DataFrame]:
    """Read a table and number its rows; all from one source."""

    def read(text: str, source: str = "APC") -> pd.DataFrame:
        rows = table(text)
        return rows.assign(record_id=[str(n) for n in range(1, len(rows) + 1)], source=source)

    return read
