"""The look of every figure, in one place: sizes, colours, line styles and the settings of the drawing library.

Colours are those of Okabe and Ito (2008), which people with any common colour vision can tell apart. No figure relies
on colour alone: marks also differ in shape, fill or line style. Letters are drawn as paths, in the font that comes with
the drawing library, so that a figure looks the same on every machine, offline, and has the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

WIDTH = 7.2  # inches, 720 pixels on a screen
MARGIN = 0.14  # inches left and right
SCREEN = 100  # dots per inch of a screen; the PNG has twice as many
PALE_ABOVE = 0.5  # share of the numerator that may be withheld, above which an estimate is drawn pale

INK = "#1a1a1a"
QUIET = "#555555"
LIGHT = "#8a8a8a"
GRID = "#e3e3e3"
BAND = "#f4f4f2"  # background of every second block

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = {"blue": BLUE, "vermilion": VERMILION, "green": GREEN, "purple": PURPLE, "orange": ORANGE, "sky": SKY}
PALE = {BLUE: "#a9cfe6", VERMILION: "#f2c3a3", GREEN: "#a5dccb"}
POOLED = BLUE
SEXES = {"F": (BLUE, "o"), "M": (VERMILION, "s"), "both": (BLUE, "o")}
SERIES = [(BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (PURPLE, "D")]  # neighbours in a list of sites

TITLE, TEXT, SMALL = 11.5, 9.0, 8.0  # points

SETTINGS: Any = {
    "font.family": "DejaVu Sans", "font.size": TEXT, "text.color": INK, "axes.labelcolor": QUIET,
    "axes.labelsize": SMALL, "axes.edgecolor": LIGHT, "axes.linewidth": 0.7, "axes.spines.top": False,
    "axes.spines.right": False, "axes.spines.left": False, "axes.grid": False, "axes.axisbelow": True,
    "axes.unicode_minus": True, "grid.color": GRID, "grid.linewidth": 0.7, "xtick.color": QUIET, "ytick.color": QUIET,
    "xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "xtick.major.size": 3, "ytick.major.size": 0,
    "xtick.minor.size": 0, "ytick.minor.size": 0, "xtick.major.width": 0.7, "figure.facecolor": "white",
    "axes.facecolor": "none", "savefig.facecolor": "white", "svg.fonttype": "path", "svg.hashsalt": "cohortium",
    "lines.solid_capstyle": "butt", "path.simplify": False,
    "text.hinting": "none",
}  # fmt: skip


@contextmanager
def look() -> Iterator[None]:
    """Draw with these settings and no others: settings of the person or machine are put aside."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


_FINE = 1440  # dots per inch at which text is measured: no rounding to the dots of a screen
_measure = RendererAgg(10, 10, _FINE)


def width_of(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """Measure a line of text (inches).

    >>> 0.2 < width_of("Asthma") < 0.8
    True
    """
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, _, _ = _measure.get_text_width_height_descent(text.replace("$", r"\$"), font, False)
    return float(width) / _FINE


def wrap(text: str, width: float, size: float = TEXT, weight: str = "normal") -> list[str]:
    """Break text into lines no wider than a width (inches); a single longer word stays whole.

    >>> wrap("one two three", 0.6)
    ['one two', 'three']
    """
    lines: list[str] = []
    for word in text.replace(" %", "\u00a0%").split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def balanced(text: str, width: float, size: float, weight: str) -> list[str]:
    """Break a title into as few lines as fit, of about the same length."""
    lines = wrap(text, width, size, weight)
    while len(lines) > 1:
        width -= 0.1
        narrower = wrap(text, width, size, weight)
        if len(narrower) > len(lines) or max(width_of(line, size, weight) for line in narrower) > width:
            break
        lines = narrower
    return lines


def cut(text: str, width: float, size: float = TEXT, weight: str = "normal") -> str:
    """Shorten a line that is wider than its column (inches) in its middle, so that its number at the end is kept.

    >>> cut("Asthma", 2), cut("Neighbourhood 12", 0.9)
    ('Asthma', 'Neighb…d 12')
    """
    if width_of(text, size, weight) <= width:
        return text
    head, tail = text[:-4], text[-4:]
    while head and width_of(f"{head}…{tail}", size, weight) > width:
        head = head[:-1].rstrip()
    return f"{head}…{tail}"
