"""The declaration of a composite index: indicators, components, dimensions, and how they become one number.

config/indices/<index>.yaml
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.strict import STEM, Fault, Strict, key_of, mapping, unknown

FOLDER = Path(__file__).resolve().parents[2] / "config" / "indices"


class IndexItem(Strict):
    """One indicator in an index.

    more_is      whether more of it (after the transformation) is better or worse
    best, worst  fixed bounds in the unit of the indicator: a limit in theory, a target, or England's best and worst places
    shrink       draw counts of small places towards the average (a share or rate with its denominator)
    weight       where the index gives its weights
    """

    component: str
    more_is: Literal["better", "worse"]
    transform: Literal["none", "log", "log1p", "exponential_rank"] = "none"
    best: float | None = None
    worst: float | None = None
    shrink: bool = False
    weight: float | None = Field(None, gt=0)
    bound: str = ""  # where best and worst come from


class IndexComponent(Strict):
    """One component: what it is about, and what its indicators leave open."""

    title: str
    note: str = ""


class IndexDimension(Strict):
    """One dimension and its components."""

    title: str
    components: dict[str, IndexComponent]


class Group(Strict):
    """Places shown together: those of some districts."""

    title: str
    districts: list[str]


class Index(Strict):
    """A composite index.

    table         table of indicators it is computed from; `edition` must be the edition of the table's places
    rises_with    what a high score means
    standardise   by means and deviations of the base; no: indicators are added as they are
    weights       principal_component, equal, or given; `simplify` takes equal ones where none differs by more than a fifth
    combine       of the indicators of a component: their weighted mean, or their sum
    scale         bounds: components run from 0 (worst) to 100 (best); none: as they come
    power         of the mean over components and over dimensions: 1 arithmetic, 0 geometric
    context       indicators that describe a place and are not in the index; its peers are the places most like it in these
    not_measured  components that the framework has and the data have not, with the reason
    people        column of the table with the size of each place, for weights by people as another choice
    base          table whose means, deviations and weights are kept for other years; this index's own where not given
    """

    index: str = Field(pattern=f"^{STEM}$")
    title: str
    question: str = ""
    made_up: bool = False
    table: str
    edition: str
    rises_with: Literal["better", "worse"] = "better"
    standardise: bool = True
    weights: Literal["principal_component", "equal", "given"] = "principal_component"
    simplify: bool = True
    combine: Literal["mean", "sum"] = "mean"
    scale: Literal["bounds", "none"] = "bounds"
    power: float = Field(1, ge=0, le=1)
    dimensions: dict[str, IndexDimension]
    indicators: dict[str, IndexItem]
    groups: dict[str, Group] = {}
    context: list[str] = []
    peers: int = Field(15, ge=1)
    not_measured: dict[str, str] = {}
    people: str = ""
    base: str = ""
    draws: int = Field(10_000, ge=100)
    seed: int = 2026

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find components that are not declared, or have no indicator, and bounds or weights that are missing."""
        components = [name for d in mapping(content, "dimensions").values() for name in mapping(d, "components")]
        items = mapping(content, "indicators")
        for name, item in items.items():
            given = item if isinstance(item, dict) else item.model_dump()
            yield from unknown(("indicators", str(name), "component"), [given.get("component")], components, "a component")
            sign = {"better": 1, "worse": -1}.get(str(given.get("more_is")), 0)
            best, worst = given.get("best"), given.get("worst")
            if content.get("scale", "bounds") == "bounds" and (best is None or worst is None):
                yield Fault(("indicators", str(name)), "it has no bounds", "best and worst, from outside these places")
            if isinstance(best, int | float) and isinstance(worst, int | float) and sign and (best - worst) * sign <= 0:
                yield Fault(("indicators", str(name)), f"best {best:g} is not better than worst {worst:g}",
                            f"more is {given['more_is']}")  # fmt: skip
            if content.get("weights") == "given" and given.get("weight") is None:
                yield Fault(("indicators", str(name), "weight"), "this index gives its weights, and this one is missing")
            if str(name) in (content.get("context") or []):
                yield Fault(("context",), f"{name} is in the index", "what describes a place and is not in the index")
        used = {key_of(item, "component") for item in items.values()}
        for name in components:
            if name not in used:
                yield Fault(("dimensions",), f"the component {name} has no indicator", "list it under not_measured")

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Index:
        """Read a declaration by its name (raises model.Refused with every problem in it)."""
        path = folder / f"{name}.yaml"
        return refuse_if_invalid(cls, read_yaml(path), path)

    @property
    def components(self) -> dict[str, IndexComponent]:
        """Give all components in order."""
        return {name: spec for d in self.dimensions.values() for name, spec in d.components.items()}

    def items_of(self, component: str) -> list[str]:
        """List the indicators of a component."""
        return [name for name, item in self.indicators.items() if item.component == component]

    @property
    def titles(self) -> dict[str, str]:
        """Give the titles of the index, its dimensions and its components."""
        dimensions = {name: spec.title for name, spec in self.dimensions.items()}
        return {self.index: self.title, **dimensions, **{name: spec.title for name, spec in self.components.items()}}
