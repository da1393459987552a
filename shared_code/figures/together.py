"""Combinations: how many people have each combination of some marks, as bars beside a matrix of dots (as UpSet plots do)."""

from __future__ import annotations

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

MEASURE = "share"
ROW, COLUMN, HEAD = 0.26, 0.3, 0.5  # inches


def draw(request: Request) -> Drawn:
    """Draw a row per combination, most frequent first: dots say which marks it is made of, the bar how many people have it.

    settings  patterns (item -> the marks it is made of, none for nobody's), marks (mark -> words)
    Combinations that nobody has are left out and counted; withheld ones are named.
    """
    patterns: dict[str, list[str]] = request.setting("patterns")
    marks: dict[str, str] = request.setting("marks")
    rows = request.rows(scope=POOLED, measure=MEASURE, item=list(patterns), group="everyone")
    if rows["estimate"].notna().sum() == 0:
        raise request.why_empty("No combination has an estimate.")
    lost = rows[rows["estimate"].isna()]
    zero = rows[rows["estimate"] == 0]
    rows = rows[rows["estimate"] > 0].sort_values("estimate", ascending=False, kind="stable").reset_index(drop=True)
    inside, without = request.who(rows)
    notes = [f"Withheld: {words.listed([words.lower_first(request.item(i)) for i in lost['item']])}." if len(lost) else "",
             f"{words.many(len(zero), 'other combination')} with nobody in {'it' if len(zero) == 1 else 'them'}." if len(zero)
             else "", "Everybody is in one row only.", without]  # fmt: skip
    page = _page(request, rows, patterns, marks, words.sentence(inside), [note for note in notes if note])
    said = [f"{words.lower_first(request.item(row['item']))} {words.interval(row)}" for row in rows.to_dict("records")]
    what = f"{request.figure.caption.rstrip('.')}: {words.many(len(rows), 'combination')}"
    alt = words.description([what, words.listed(said, 8), *[note for note in notes[:1] if note]])
    return Drawn(page.figure, numbers_of([rows]), alt, words.sentence(inside), [note for note in notes if note])


def _page(request: Request, rows, patterns: dict[str, list[str]], marks: dict[str, str], subtitle: str, notes: list[str]) -> Page:
    keys = [Key("point", "part of the combination", style.INK), Key("point", "not part of it", style.GRID),
            Key("bar", "% of people, with 95 % interval")]  # fmt: skip
    height = ROW * len(rows)
    page = Page(request.figure.caption, subtitle, HEAD + height + 0.4, notes, keys)
    wide = min(2.6, max(style.width_of(request.item(item), style.SMALL) for item in rows["item"]))
    columns = max(COLUMN, max(style.width_of(line, style.SMALL) for title in marks.values() for line in _lines(title)) + 0.08)
    matrix = style.MARGIN + wide + 0.12
    for number, title in enumerate(marks.values()):
        for line, part in enumerate(_lines(title)):
            at = matrix + columns * (number + 0.5)
            page.text(at, 0.1 + 0.15 * line, part, ha="center", size=style.SMALL, color=style.QUIET)
    dots = page.axes(matrix, HEAD, columns * len(marks), height)
    dots.set(xlim=(-0.5, len(marks) - 0.5), ylim=(len(rows) - 0.5, -0.5), xticks=[], yticks=[])
    dots.spines[:].set_visible(False)
    left = matrix + columns * len(marks) + 0.15
    bars = page.axes(left, HEAD, style.WIDTH - left - style.MARGIN - 1.3, height)
    most = float(rows["upper"].fillna(rows["estimate"]).max())
    bars.set(xlim=(0, most), ylim=(len(rows) - 0.5, -0.5), yticks=[])
    bars.set_xlabel("% of people", labelpad=3)
    for at, row in enumerate(rows.to_dict("records")):
        middle = HEAD + ROW * (at + 0.5)
        page.text(style.MARGIN, middle, style.cut(request.item(row["item"]), wide, style.SMALL), size=style.SMALL)
        inside = [n for n, mark in enumerate(marks) if mark in patterns[row["item"]]]
        dots.plot(range(len(marks)), [at] * len(marks), "o", color=style.GRID, markersize=7)
        dots.plot(inside, [at] * len(inside), "o-", color=style.INK, markersize=7, linewidth=1.6)
        bars.barh([at], [row["estimate"]], height=0.6, color=style.PALE[style.POOLED])
        bars.plot([row["lower"], row["upper"]], [at, at], color=style.POOLED, linewidth=1.3)
        text = f"{words.number(row['estimate'], '%')}{words.limits(row)}"
        page.text(style.WIDTH - style.MARGIN, middle, text, ha="right", size=style.SMALL)
    return page


def _lines(title: str) -> list[str]:
    """Break a title after its first words, so that columns stay narrow."""
    return style.wrap(title, 0.8, style.SMALL)[:3]
