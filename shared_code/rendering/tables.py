"""Make HTML tables readable: numbers to the right, headings with a scope, sideways scrolling where they are wide."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .markup import Piece, words

_NUMBER = r"[-−+]?[£$€]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?\s?(?:%|k|m|bn)?"
# A number, possibly with a range behind it: "1,234", "−0.5", "12.3%", "1.10 (0.98 to 1.23)", "< 5".
NUMBER = re.compile(rf"^[<>≤≥~≈]?\s?{_NUMBER}(?:\s*[(\[]\s*{_NUMBER}\s*(?:to|,|;|–|-)\s*{_NUMBER}\s*[)\]])?[*†‡]?$")
# Words that may stand in a column of numbers instead of one.
STANDS_FOR_NUMBER = {
    "",
    "-",
    "–",
    "—",
    "*",
    "nan",
    "n/a",
    "na",
    "none",
    "withheld",
    "not collected",
    "not applicable",
    "..",
    ":",
}
NARROWEST_TABLE_WITH_NUMBERS = 2


@dataclass
class _Cell:
    piece: Piece
    column: int
    span: int
    in_head: bool
    content: list[Piece] = field(default_factory=list)


def is_number(text: str) -> bool:
    """Say whether a cell's text is a number, with an interval or sign of a unit or without.

    >>> [is_number(text) for text in ("1,234", "1.1 (0.9 to 1.3)", "12%", "0-4", "2024-01-01")]
    [True, True, True, False, False]
    """
    return bool(NUMBER.match(text))


def improve_tables(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with every table improved; nested tables are left as they are."""
    result: list[Piece] = []
    inside: list[Piece] = []
    depth = 0
    for piece in _without_scoped_styles(pieces):
        if piece.tag == "table" and piece.kind == "start":
            depth += 1
        if not depth:
            result.append(piece)
            continue
        inside.append(piece)
        if piece.tag == "table" and piece.kind == "end":
            depth -= 1
            if not depth:
                result += _table(inside)
                inside = []
    return result + inside


def _without_scoped_styles(pieces: list[Piece]) -> list[Piece]:
    """Leave out the style that pandas writes before each table: the site has its own."""
    result: list[Piece] = []
    skipping = False
    for piece in pieces:
        if piece.tag == "style" and piece.kind == "start" and "scoped" in piece.attributes:
            skipping = True
        if not skipping:
            result.append(piece)
        if piece.tag == "style" and piece.kind == "end":
            skipping = False
    return result


def _cells(pieces: list[Piece]) -> list[_Cell]:
    cells: list[_Cell] = []
    taken: dict[int, int] = {}
    column, in_head, current, depth = 0, False, None, 0
    for piece in pieces:
        if piece.tag == "table":
            depth += 1 if piece.kind == "start" else -1
        if depth > 1:
            continue
        if piece.tag == "thead":
            in_head = piece.kind == "start"
        elif piece.tag == "tr" and piece.kind == "start":
            column = 0
        elif piece.tag in ("td", "th") and piece.kind == "start":
            while taken.get(column, 0) > 0:
                taken[column] -= 1
                column += 1
            span, rows = _whole(piece, "colspan"), _whole(piece, "rowspan")
            current = _Cell(piece, column, span, in_head)
            cells.append(current)
            for place in range(column, column + span):
                if rows > 1:
                    taken[place] = rows - 1
            column += span
        elif piece.tag in ("td", "th"):
            current = None
        elif current is not None:
            current.content.append(piece)
    return cells


def _whole(piece: Piece, name: str) -> int:
    value = piece.attributes.get(name) or "1"
    return int(value) if value.isdigit() and int(value) else 1


def _number_columns(cells: list[_Cell]) -> set[int]:
    kinds: dict[int, set[str]] = {}
    for cell in cells:
        if cell.in_head or cell.piece.tag == "th":
            continue
        text = words(cell.content)
        kind = "number" if is_number(text) else "stand-in" if text.lower() in STANDS_FOR_NUMBER else "text"
        kinds.setdefault(cell.column, set()).add(kind)
    numbers = {column for column, found in kinds.items() if "number" in found and "text" not in found}
    # The first column names the rows unless row headings already do.
    has_row_headings = any(cell.piece.tag == "th" and not cell.in_head for cell in cells)
    return numbers if has_row_headings or len(kinds) < NARROWEST_TABLE_WITH_NUMBERS else numbers - {0}


def _table(pieces: list[Piece]) -> list[Piece]:
    cells = _cells(pieces)
    numbers = _number_columns(cells)
    for cell in cells:
        style = cell.piece.attributes.get("style") or ""
        # What an author aligned otherwise stays so.
        if cell.column in numbers and cell.span == 1 and not re.search(r"text-align:\s*(left|center)", style):
            if "text-align" in style:
                style = re.sub(r"\s*text-align:\s*\w+;?", "", style).strip()
                cell.piece.change(style=style or None)
            cell.piece.add_class("number")
        if cell.piece.tag == "th" and "scope" not in cell.piece.attributes:
            across = "colgroup" if cell.span > 1 else "col"
            cell.piece.change(scope=across if cell.in_head else "row")
    for piece in pieces:
        if piece.kind == "start" and piece.tag in ("table", "tr"):
            if "border" in piece.attributes:
                piece.change(border=None)
            if piece.tag == "tr" and "text-align" in (piece.attributes.get("style") or ""):
                piece.change(style=None)
    open_ = Piece("other", '<div class="table-scroll" tabindex="0" role="group" aria-label="Table, scrolls sideways">')
    return [open_, *pieces, Piece("other", "</div>")]
