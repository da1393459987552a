"""Layouts of results tables: the closed list of shapes in which numbers may leave a site.

A results table has its declared dimensions plus the statistics of its layout. Inside a site it is wide (one column
per statistic). In a release it is long: one row per cell and statistic with `value`, `status`, `lower`, `upper`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STATUSES = {
    "ok": "the value as counted or computed",
    "rounded": "the value rounded; the true one lies between lower and upper",
    "withheld": "not released for disclosure reasons; the true value lies between lower and upper",
    "not_collected": "the site does not collect it",
    "not_applicable": "it cannot be given here, for a reason that is not disclosure",
}


@dataclass(frozen=True)
class Layout:
    """Declare one layout: its statistics and what each one is.

    statistics    name -> meaning, in the order of the columns
    people        statistics that count distinct people (thresholds apply to these)
    part_of       numerator -> denominator; the complement is protected too
    whole         statistics that are whole numbers
    optional      statistics a site may lack (released as not_collected)
    may_be_empty  statistics that may have no value in a cell (released as not_applicable)
    at_most       statistic -> another that it cannot exceed
    signed        statistics that may be negative
    inside        columns of the wide table that only the disclosure rules read: name -> meaning; they never leave
    """

    name: str
    meaning: str
    statistics: dict[str, str]
    people: tuple[str, ...] = ()
    part_of: dict[str, str] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()
    at_most: dict[str, str] = field(default_factory=dict)
    signed: tuple[str, ...] = ()
    inside: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Give the columns of a wide table after its dimensions."""
        return [*self.statistics, *self.inside]


COUNTS = Layout(
    "counts", "people, and how many of them are cases",
    {"people": "distinct people in the cell", "cases": "distinct people in the cell with the attribute"},
    people=("people", "cases"), part_of={"cases": "people"}, whole=("people", "cases"),
)  # fmt: skip
EVENTS = Layout(
    "events", "events over person-time",
    {"people": "distinct people with at least one event", "events": "events",
     "person_days": "days at risk, summed over everyone in the cell",
     "events_squared": "sum over people of their events squared"},
    people=("people",), whole=("people", "events", "events_squared"), optional=("events_squared",),
    at_most={"people": "events", "events": "events_squared"},
)  # fmt: skip
ESTIMATES = Layout(
    "estimates", "an estimate computed inside the site, with its standard error",
    {"estimate": "the estimate, in the unit of its term", "se": "its standard error",
     "people": "distinct people with the event behind it", "person_days": "days at risk behind it"},
    people=("people",), whole=("people",), may_be_empty=("estimate", "se"), signed=("estimate",),
)  # fmt: skip
MOMENTS = Layout(
    "moments", "sums of a quantity over people: for means, variances, correlations",
    {"people": "distinct people with a value", "sum": "sum of the values", "sum_squares": "sum of their squares",
     "sum_products": "sum of products with a second quantity, where two dimensions name the two"},
    people=("people",), whole=("people",), optional=("sum_products",), signed=("sum", "sum_products"),
    inside={"largest": "largest contribution of one person to the sum, in absolute value",
            "second_largest": "second largest contribution of one person, in absolute value"},
)  # fmt: skip
BINS = Layout(
    "bins", "a quantity counted in bins: for medians and other quantiles, waiting times, calibration",
    {"people": "distinct people with a value in the bin", "records": "values in the bin"},
    people=("people",), whole=("people", "records"), at_most={"people": "records"},
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (COUNTS, EVENTS, ESTIMATES, MOMENTS, BINS)}

# Columns that every cell has in a release, after the dimensions.
CELL_COLUMNS = ["statistic", "value", "status", "lower", "upper"]
ALL = "all"  # the total of a dimension


def band_labels(edges: list[int], kind: str = "exclusive") -> list[str]:
    """Name the bands that begin at these ages (or other whole numbers).

    >>> band_labels([0, 18, 65])
    ['0-17', '18-64', '65+']
    >>> band_labels([18, 65], kind="nested")
    ['18+', '65+']
    """
    if kind == "nested":
        return [f"{edge}+" for edge in edges]
    upper = [str(following - 1) for following in edges[1:]]
    return [f"{lo}-{hi}" if str(lo) != hi else hi for lo, hi in zip(edges, upper)] + [f"{edges[-1]}+"]
