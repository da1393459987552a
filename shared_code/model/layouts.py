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
    precise       statistics that leave with all their digits, where the others keep six decimals
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
    precise: tuple[str, ...] = ()
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
    people=("people",), whole=("people",), optional=("person_days",), may_be_empty=("estimate", "se"), signed=("estimate",),
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

PROFILE = Layout(
    "profile", "a log-likelihood at points agreed in advance: for rare events and effects that are not normal",
    {"log_likelihood": "log-likelihood at the point less its highest over the points, other parameters at their best",
     "gradient": "slope of the log-likelihood at the point",
     "people": "distinct people in the comparison", "events": "events in the comparison"},
    people=("people",), whole=("people", "events"), signed=("log_likelihood", "gradient"),
    precise=("log_likelihood", "gradient"), may_be_empty=("log_likelihood", "gradient"),
    inside={"fewest": "smallest number of distinct people, zeros left out, with or without the event in either group"},
)  # fmt: skip
STEP = Layout(
    "step", "one iteration of a federated regression: term and by say which derivative a cell holds",
    {"log_likelihood": "log-likelihood at the coefficients asked for (row all, all)",
     "gradient": "its first derivative by a term (row term, all)",
     "hessian": "its second derivative by two terms, sign turned (row term, by)",
     "meat": "sum over people or clusters of products of scores (row term, by), for robust variances; asked for once",
     "people": "distinct people in the model (row all, all)",
     "events": "sum of the outcome over people: events, or for a linear model the sum of its values (row all, all)",
     "clusters": "clusters in the model (row all, all)"},
    people=("people",), whole=("people", "clusters"), signed=("log_likelihood", "gradient", "hessian", "meat", "events"),
    precise=("log_likelihood", "gradient", "hessian", "meat"),
    may_be_empty=("log_likelihood", "gradient", "hessian", "meat", "people", "events", "clusters"),
    inside={"fewest": "smallest number of distinct people, zeros left out, that the cell tells or that follows from it",
            "effective": "how many people share the sum in the cell evenly: (sum of sizes) squared over sum of squares",
            "cases": "distinct people with the outcome; in a linear model everyone (row all, all)",
            "others": "distinct people without it, where it is yes or no; otherwise everyone (row all, all)",
            "patterns": "smallest number of people in a pattern of all terms and the outcome, 0 where steps cannot tell it",
            "requests": "rounds answered about the people of this analysis, this one included (row all, all)"},
)  # fmt: skip
RECORDS = Layout(
    "records", "rows of a table, and how many of them have a fault: for the quality of data",
    {"people": "distinct people behind the rows", "rows": "rows that can be judged",
     "people_failing": "distinct people with at least one faulty row", "rows_failing": "rows with the fault"},
    people=("people", "people_failing"), part_of={"people_failing": "people", "rows_failing": "rows"},
    whole=("people", "rows", "people_failing", "rows_failing"), optional=("people_failing", "rows_failing"),
    at_most={"people": "rows", "people_failing": "rows_failing"},
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (COUNTS, EVENTS, ESTIMATES, MOMENTS, BINS, PROFILE, STEP, RECORDS)
}
# Statistics that are written with all their digits: an iteration that reads them must not see them rounded.
PRECISE = {name for layout in LAYOUTS.values() for name in layout.precise}

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


def point_labels(low: float, high: float, number: int) -> list[str]:
    """Name points at equal distances, such as the log ratios at which a likelihood is given; the label is the number.

    >>> point_labels(-1, 1, 3)
    ['-1.0', '0.0', '1.0']
    """
    return [repr(round(low + (high - low) * i / (number - 1), 4) + 0.0) for i in range(number)]
