"""Numbers in words and tables, the same way everywhere."""

from __future__ import annotations

import math

import pandas as pd

INTERVAL = "95 % interval"


def number(value: float, decimals: int = 1, signed: bool = False) -> str:
    """Write a number for people: rounded half up, thousands separated, a minus sign that is one; signed: a plus sign as well.

    >>> number(12345.65), number(-0.04), number(float("nan")), number(5208.2, 0, signed=True)
    ('12,345.7', '0.0', 'not given', '+5,208')
    """
    if value is None or math.isnan(value):
        return "not given"
    if math.isinf(value):
        return "no limit"
    scaled = math.floor(abs(value) * 10**decimals + 0.5) / 10**decimals
    text = f"{scaled:,.{decimals}f}"
    sign = "−" if value < 0 else "+" if signed else ""
    return f"{sign}{text}" if scaled else text


def interval(lower: float, upper: float, decimals: int = 1) -> str:
    """Write an interval, or nothing where there is none.

    >>> interval(1.25, 2.0, 2)
    '1.25 to 2.00'
    """
    if math.isnan(lower) or math.isnan(upper):
        return ""
    return f"{number(lower, decimals)} to {number(upper, decimals)}"


def more_or_fewer(value: float, decimals: int = 1) -> str:
    """Write a difference without a sign.

    >>> more_or_fewer(-8.45), more_or_fewer(3)
    ('8.5 fewer', '3.0 more')
    """
    return f"{number(abs(value), decimals)} {'fewer' if value < 0 else 'more'}"


def more_or_fewer_limits(lower: float, upper: float, decimals: int = 1) -> str:
    """Write the interval of a difference without signs, the end nearer to the words first.

    >>> more_or_fewer_limits(-16.7, -0.1), more_or_fewer_limits(-2, 4), more_or_fewer_limits(1, 4)
    ('0.1 to 16.7 fewer', '2.0 fewer to 4.0 more', '1.0 to 4.0 more')
    """
    if math.isnan(lower) or math.isnan(upper):
        return ""
    if lower < 0 < upper:
        return f"{more_or_fewer(lower, decimals)} to {more_or_fewer(upper, decimals)}"
    near, far = sorted((abs(lower), abs(upper)))
    return f"{number(near, decimals)} to {more_or_fewer(far if upper > 0 else -far, decimals)}"


def estimate(row: pd.Series, decimals: int = 1) -> str:
    """Write an estimate with its interval, or why there is none."""
    if math.isnan(row["estimate"]):
        return f"not given ({row['reason']})" if row["reason"] else "not given"
    limits = interval(row["lower"], row["upper"], decimals)
    return number(row["estimate"], decimals) + (f" ({limits})" if limits else "")


def estimate_or_bounds(row: pd.Series, decimals: int = 1, limits: bool = True) -> str:
    """Write an estimate (with its interval); where none is given, the ends between which withheld numbers leave it, or why not.

    >>> row = {"estimate": float("nan"), "reason": "a number is withheld", "bound_lower": 42.5, "bound_upper": 70.4}
    >>> estimate_or_bounds(pd.Series(row))
    'between 42.5 and 70.4'
    """
    if math.isnan(row["estimate"]) and not math.isnan(row["bound_lower"]) and not math.isnan(row["bound_upper"]):
        return f"between {number(row['bound_lower'], decimals)} and {number(row['bound_upper'], decimals)}"
    return estimate(row, decimals) if limits or math.isnan(row["estimate"]) else number(row["estimate"], decimals)


def p_value(value: float) -> str:
    """Write a p value, or nothing where there is none.

    >>> p_value(0.0731), p_value(0.36), p_value(0.0004), p_value(float("nan"))
    ('0.073', '0.36', 'below 0.001', '')
    """
    if math.isnan(value):
        return ""
    return "below 0.001" if value < 0.001 else number(value, 3 if value < 0.1 else 2)


def share(value: float) -> str:
    """Write a share as a percentage.

    >>> share(0.2134)
    '21 %'
    """
    return "" if math.isnan(value) else f"{100 * value:.0f} %"


def without_empty(table: pd.DataFrame) -> pd.DataFrame:
    """Drop the columns in which no row says anything: a table should fit a narrow screen."""
    said = [name for name in table.columns if not name or (~table[name].isin(["", "not given"])).any()]
    return table[said]


def pipe_table(frame: pd.DataFrame, right: tuple[str, ...] = ()) -> str:
    """Write a table in Markdown; the columns named in `right` are aligned to the right.

    >>> print(pipe_table(pd.DataFrame({"Site": ["A"], "People": ["10"]}), right=("People",)))
    | Site | People |
    |:---|---:|
    | A | 10 |
    """
    def cell(value: object) -> str:
        return str(value).replace("|", "\\|").replace("\n", " ")

    lines = ["| " + " | ".join(cell(c) for c in frame.columns) + " |"]
    lines.append("|" + "|".join("---:" if c in right else ":---" for c in frame.columns) + "|")
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines)
