"""A page: title, lines below it, key, body and notes, placed in inches from the top so that nothing can overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from shared_code.figures import style

LINE = {style.TITLE: 0.205, style.TEXT: 0.165, style.SMALL: 0.15}  # height of a line (inches) by size of its letters


@dataclass(frozen=True)
class Key:
    """Explain one mark: how it is drawn, and what it means.

    kind  interval (point with interval), point, line, band, bar or dashes
    """

    kind: str
    label: str
    colour: str = style.POOLED
    marker: str = "o"
    filled: bool = True


class Page:
    """Lay out one figure.

    body    height of the body (inches), with the axis labels in it
    notes   sentences below the body
    """

    def __init__(self, title: str, subtitle: str, body: float, notes: Sequence[str] = (), keys: Sequence[Key] = ()):
        inner = style.WIDTH - 2 * style.MARGIN
        heading = style.balanced(title, inner, style.TITLE, "bold")
        under = style.wrap(subtitle, inner, style.TEXT)
        below = [line for note in notes if note for line in style.wrap(note, inner, style.SMALL)]
        rows = _key_rows(keys, inner)
        self._top = 0.12 + len(heading) * LINE[style.TITLE] + 0.04 + len(under) * LINE[style.TEXT] + 0.1
        self._keys_at = self._top
        self._top += len(rows) * 0.19 + (0.08 if rows else 0)
        self._bottom = 0.08 + len(below) * LINE[style.SMALL] + (0.1 if below else 0)
        self.height = self._top + body + self._bottom
        self.figure = Figure(figsize=(style.WIDTH, self.height), dpi=style.SCREEN)
        FigureCanvasAgg(self.figure)
        at = 0.12
        for line in heading:
            self._write(style.MARGIN, at, line, size=style.TITLE, weight="bold")
            at += LINE[style.TITLE]
        at += 0.04
        for line in under:
            self._write(style.MARGIN, at, line, size=style.TEXT, color=style.QUIET)
            at += LINE[style.TEXT]
        for number, row in enumerate(rows):
            for left, key in row:
                self._draw_key(left, self._keys_at + 0.19 * number, key)
        at = self._top + body + 0.1
        for line in below:
            self._write(style.MARGIN, at, line, size=style.SMALL, color=style.QUIET)
            at += LINE[style.SMALL]

    def axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Add axes; inches from the left edge and from the top of the body."""
        bottom = self.height - self._top - top - height
        box = (left / style.WIDTH, bottom / self.height, width / style.WIDTH, height / self.height)
        return self.figure.add_axes(box, **options)

    def text(self, left: float, top: float, words: str, **options: Any) -> None:
        """Write a line; `top` is the middle of the line, in inches from the top of the body."""
        sunk = 0.015  # letters seem to stand too high beside a mark, because few have a descender
        self._write(left, self._top + top + sunk, words, **({"va": "center"} | options))

    def line(self, lefts: Sequence[float], tops: Sequence[float], **options: Any) -> None:
        """Draw a line between points given in inches from the left edge and from the top of the body."""
        ys = [self.height - self._top - top for top in tops]
        self.figure.add_artist(Line2D(lefts, ys, transform=self.figure.dpi_scale_trans, **options))

    def block(self, top: float, height: float, left: float = 0.0, width: float = style.WIDTH) -> None:
        """Shade a block of rows."""
        corner = (left, self.height - self._top - top - height)
        options: dict[str, Any] = {"color": style.BAND, "linewidth": 0, "zorder": -5}
        self.figure.add_artist(Rectangle(corner, width, height, transform=self.figure.dpi_scale_trans, **options))

    def _write(self, left: float, top: float, words: str, **options: Any) -> None:
        settings: dict[str, Any] = {"va": "top", "ha": "left", "size": style.TEXT, "parse_math": False} | options
        self.figure.text(left, self.height - top, words, transform=self.figure.dpi_scale_trans, **settings)

    def _draw_key(self, left: float, top: float, key: Key) -> None:
        y = self.height - top - 0.08
        common: dict[str, Any] = {"transform": self.figure.dpi_scale_trans, "color": key.colour}
        if key.kind == "band":
            corner = (left, y - 0.05)
            self.figure.add_artist(Rectangle(corner, 0.26, 0.1, alpha=0.25, linewidth=0, **common))
        if key.kind in ("interval", "line", "band", "dashes", "bar"):
            width = {"interval": 1.4, "line": 0.8, "bar": 3.5}.get(key.kind, 1.8)
            dash: Any = "--" if key.kind == "dashes" else "-"
            self.figure.add_artist(Line2D([left, left + 0.26], [y, y], linewidth=width, linestyle=dash, **common))
        if key.kind in ("interval", "point"):
            face = key.colour if key.filled else "white"
            self.figure.add_artist(Line2D([left + 0.13], [y], marker=key.marker, markersize=5.5, linestyle="",
                                          markerfacecolor=face, markeredgewidth=1.1, **common))  # fmt: skip
        self._write(left + 0.33, top + 0.08, key.label, va="center", size=style.SMALL, color=style.QUIET)


def _key_rows(keys: Sequence[Key], width: float) -> list[list[tuple[float, Key]]]:
    rows: list[list[tuple[float, Key]]] = []
    left = style.MARGIN
    for key in keys:
        wide = 0.33 + style.width_of(key.label, style.SMALL) + 0.25
        if not rows or left + wide - 0.25 > style.MARGIN + width:
            rows.append([])
            left = style.MARGIN
        rows[-1].append((left, key))
        left += wide
    return rows


def empty_page(title: str, reason: str) -> Page:
    """Say in the place of a figure why there is nothing to draw."""
    lines = style.wrap(reason, style.WIDTH - 1.0, style.TEXT)
    page = Page(title, "", 0.75 + 0.165 * len(lines))
    page.block(0, 0.65 + 0.165 * len(lines), style.MARGIN, style.WIDTH - 2 * style.MARGIN)
    page.text(style.WIDTH / 2, 0.22, "Nothing to draw", ha="center", weight="bold")
    for number, line in enumerate(lines):
        page.text(style.WIDTH / 2, 0.45 + 0.165 * number, line, ha="center", color=style.QUIET)
    return page
