"""Numbers in words and tables, the same way everywhere."""

from __future__ import annotations

import math

import pandas as pd

INTERVAL = "95 % interval"


def number(value: float, decimals: int = 1) -> str:
    """Write a number for people: rounded half up, thousands separated, a minus sign that is one.

    >>> number(12345.65), number(-0.04), number(float("nan"))
    ('12,345.7', '0.0', 'not given')
    """
    if value is None or math.isnan(value):
        return "not given"
    if math.isinf(value):
        return "no limit"
    scaled = math.floor(abs(value) * 10**decimals + 0.5) / 10**decimals
    text = f"{scaled:,.{decimals}f}"
    return f"−{text}" if value < 0 and scaled else text


def interval(lower: float, upper: float, decimals: int = 1) -> str:
    """Write an interval, or nothing where there is none.

    >>> interval(1.25, 2.0, 2)
    '1.25 to 2.00'
    """
    if math.isnan(lower) or math.isnan(upper):
        return ""
    return f"{number(lower, decimals)} to {number(upper, decimals)}"


def estimate(row: pd.Series, decimals: int = 1) -> str:
    """Write an estimate with its interval, or why there is none."""
    if math.isnan(row["estimate"]):
        return f"not given ({row['reason']})" if row["reason"] else "not given"
    limits = interval(row["lower"], row["upper"], decimals)
    return number(row["estimate"], decimals) + (f" ({limits})" if limits else "")


def share(value: float) -> str:
    """Write a share as a percentage.

    >>> share(0.2134)
    '21 %'
    """
    return "" if math.isnan(value) else f"{100 * value:.0f} %"


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
