"""Read HTML as a flat list of pieces that can be changed and joined again; unchanged pieces keep their exact text."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Piece:
    """One start tag, end tag, text or other piece; `kind` is "start", "end", "text" or "other"."""

    kind: str
    source: str
    tag: str = ""
    attributes: dict[str, str | None] = field(default_factory=dict)

    def change(self, **values: str | None) -> None:
        """Set attributes (None removes one; class_ means class) and write the tag anew."""
        for key, value in values.items():
            key = key.rstrip("_").replace("_", "-")
            if value is None:
                self.attributes.pop(key, None)
            else:
                self.attributes[key] = value
        parts = [self.tag]
        for key, value in self.attributes.items():
            parts.append(key if value is None else f'{key}="{html.escape(value)}"')
        self.source = f"<{' '.join(parts)}{' /' if self.source.endswith('/>') else ''}>"

    def add_class(self, name: str) -> None:
        """Add one class to a start tag."""
        names = (self.attributes.get("class") or "").split()
        if name not in names:
            self.change(class_=" ".join([*names, name]))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[Piece] = []

    def handle_starttag(self, tag, attrs):
        self.pieces.append(Piece("start", self.get_starttag_text() or "", tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        self.pieces.append(Piece("end", f"</{tag}>", tag))

    def handle_data(self, data):
        self.pieces.append(Piece("text", data))

    def handle_entityref(self, name):
        self.pieces.append(Piece("text", f"&{name};"))

    def handle_charref(self, name):
        self.pieces.append(Piece("text", f"&#{name};"))

    def handle_comment(self, data):
        # Comments are notes to the author; a published page has no use for them.
        return

    def handle_decl(self, decl):
        self.pieces.append(Piece("other", f"<!{decl}>"))

    def handle_pi(self, data):
        self.pieces.append(Piece("other", f"<?{data}>"))


def read(text: str) -> list[Piece]:
    """Split HTML into pieces.

    >>> [piece.kind for piece in read("<p>a &amp; b</p>")]
    ['start', 'text', 'text', 'text', 'end']
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.pieces


def join(pieces: list[Piece]) -> str:
    """Write the pieces as one text."""
    return "".join(piece.source for piece in pieces)


def words(pieces: list[Piece]) -> str:
    """Return the text of some pieces, without tags, spaces put together."""
    return " ".join(html.unescape("".join(piece.source for piece in pieces if piece.kind == "text")).split())
