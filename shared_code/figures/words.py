"""Numbers and lists in words: the same wording in pictures, captions and descriptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shared_code.model.words import lower_first as lower_first

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December"]  # fmt: skip
LONGEST = 600  # characters of a description


def number(value: float, scale: str) -> str:
    """Write an estimate without its unit.

    >>> number(1.4029, "ratio"), number(-12.4, "% change"), number(82.06, "years")
    ('1.40', '\u221212', '82.1')
    """
    if math.isnan(value):
        return "no estimate"
    places = {"ratio": 2 if abs(value) < 10 else 1, "% change": 0 if abs(value) >= 10 else 1}.get(scale, 1)
    if scale.startswith("per "):
        places = 0 if abs(value) >= 100 else 2 if "person" in scale else 1
    text = f"{value:,.{places}f}".replace("-", "\u2212")
    return text[1:] if text.strip("\u2212") in ("0", "0.0", "0.00") and text[0] == "\u2212" else text


def unit(scale: str) -> str:
    """Give the unit that follows a number.

    >>> unit("years"), unit("ratio"), unit("% change")
    (' years', '', ' %')
    """
    return {"ratio": "", "% change": " %"}.get(scale, f" {scale}")


def interval(row: Mapping[str, Any]) -> str:
    """Write an estimate with its unit and interval.

    >>> interval({"estimate": 10.04, "lower": 7.8, "upper": 12.28, "scale": "years"})
    '10.0 years (7.8 to 12.3)'
    """
    scale = row["scale"]
    value = number(row["estimate"], scale) + unit(scale)
    return value + limits(row)


def limits(row: Mapping[str, Any]) -> str:
    """Write the limits of an interval, or nothing where there are none."""
    if math.isnan(row["lower"]) or math.isnan(row["upper"]):
        return ""
    return f" ({number(row['lower'], row['scale'])} to {number(row['upper'], row['scale'])})"


def many(count: float, noun: str, plural: str = "") -> str:
    """Count things.

    >>> many(1, "site"), many(26633, "person", "people")
    ('1 site', '26,633 people')
    """
    return f"{count:,.0f} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """List names, shortened when there are many.

    >>> listed(["a", "b", "c"]), listed(list("abcdefgh"), 3)
    ('a, b and c', 'a, b, c and 5 more')
    """
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def month(code: str) -> str:
    """Name a month.

    >>> month("2020-04"), month("2020-04x")
    ('April 2020', '2020-04x')
    """
    year, _, at = code.partition("-")
    return f"{MONTHS[int(at) - 1]} {year}" if at.isdigit() and 1 <= int(at) <= 12 else code


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop.

    >>> sentence("two sites sent nothing")
    'Two sites sent nothing.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""


def description(sentences: Sequence[str]) -> str:
    """Join sentences, most important first, as long as they fit.

    >>> description(["One.", "", "Two."])
    'One. Two.'
    """
    text = ""
    for part in (sentence(s) for s in sentences if s):
        longer = f"{text} {part}".strip()
        if text and len(longer) > LONGEST:
            continue
        text = longer
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"
