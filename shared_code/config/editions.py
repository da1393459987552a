"""Declarations of a change of edition: two indices on two editions of areas, and the people who live under both."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.strict import STEM, Strict

FOLDER = Path(__file__).resolve().parents[2] / "config" / "editions"


class Under(Strict):
    """One index, what its edition is called, and where its domains come from."""

    title: str
    source: str
    index: str = Field(pattern=f"^{STEM}$")


class Beside(Strict):
    """One indicator of the second index, ranked from 1 (most deprived), as a narrower reading of need."""

    title: str
    indicator: str


class Counted(Strict):
    """A file of open data with one number per area."""

    title: str
    publisher: str
    file: str
    column: str
    value: str


class Between(Strict):
    """A file that leads from areas of the first edition to those of the second."""

    title: str
    publisher: str
    file: str
    start: str
    end: str


class Within(Strict):
    """Which places the areas of the second edition lie in, and which of these are shown."""

    file: str
    column: str
    name: str
    only: list[str] = Field(min_length=1)


class Money(Strict):
    """A sum that is shared out over the places: pounds, and the weight of need (0 by heads, 1 by people in need)."""

    pounds: float = Field(gt=0)
    weight: float = Field(ge=0, le=1)


class Editions(Strict):
    """A declared change of edition; `fifth` is the most deprived share of areas that counts as in need."""

    title: str
    licence: str
    fifth: float = Field(gt=0, lt=1)
    first: Under
    second: Under
    beside: Beside
    people: Counted
    lookup: Between
    shares: Counted
    places: Within
    money: Money

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Editions:
        """Read `name`.yaml (raises model.Refused where it is missing or wrong)."""
        path = folder / f"{name}.yaml"
        return refuse_if_invalid(cls, read_yaml(path), path)
