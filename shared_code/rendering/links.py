"""Follow the links of a page: other pages, files to copy, and things that must not be loaded from elsewhere."""

from __future__ import annotations

import base64
import mimetypes
import os
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from .markup import Piece
from .problems import Problems

SCHEME = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//)")
STYLE_LOAD = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)")
# Attributes through which a browser loads something by itself.
LOADING = {
    "img": ("src",),
    "script": ("src",),
    "link": ("href",),
    "iframe": ("src",),
    "source": ("src",),
    "video": ("src",),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "track": ("src",),
}
PAGE_ENDINGS = (".qmd", ".md", ".ipynb")


@dataclass
class LinkContext:
    """What the links of one page may point at; `copies` collects files to copy, by path below the project."""

    page: str
    root: Path
    rendered: set[str]
    known: set[str]
    problems: Problems
    made: set[str] = field(default_factory=set)
    embed: Callable[[str], bytes | None] | None = None
    copies: set[str] = field(default_factory=set)
    written: str = ""

    def address(self, target: str) -> str:
        """Write the address of a file of the site, as seen from the page that is written."""
        return quote(relative(target, self.written or self.page), safe="/")


def output_name(page: str) -> str:
    """Name the HTML file of a page.

    >>> output_name("sites/a.qmd")
    'sites/a.html'
    """
    return posixpath.splitext(page)[0] + ".html"


def relative(target: str, page: str) -> str:
    """Write the path of `target` as seen from the folder of `page`, both below the project.

    >>> relative("site.css", "sites/a.qmd")
    '../site.css'
    """
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def follow_links(pieces: list[Piece], context: LinkContext) -> None:
    """Rewrite the links of a page in place; broken ones and outside loads become errors."""
    anchors = {piece.attributes[key] for piece in pieces for key in ("id", "name") if piece.attributes.get(key)}
    in_style = False
    for piece in pieces:
        if piece.tag == "style":
            in_style = piece.kind == "start"
        if piece.kind == "text" and in_style:
            _check_style(piece.source, context)
        if piece.kind != "start":
            continue
        if piece.attributes.get("style"):
            _check_style(piece.attributes["style"] or "", context)
        if "srcset" in piece.attributes:
            context.problems.error(f"<{piece.tag} srcset> is not supported by the built-in renderer. Use src.")
        for key in LOADING.get(piece.tag, ()):
            if piece.attributes.get(key):
                _loading(piece, key, context)
        if piece.tag == "a" and piece.attributes.get("href"):
            _link(piece, anchors, context)


def _check_style(text: str, context: LinkContext) -> None:
    for address in STYLE_LOAD.findall(text):
        _outside(address, context)


def _outside(address: str, context: LinkContext) -> None:
    context.problems.error(
        f"the page would load {address} from elsewhere. Reports work offline and tell nobody who reads "
        "them. Put a copy beside the page."
    )


def _loading(piece: Piece, key: str, context: LinkContext) -> None:
    value = piece.attributes[key] or ""
    if value.startswith(("data:", "#")):
        return
    if SCHEME.match(value):
        _outside(value, context)
        return
    target = _target(value, context)
    if target is None:
        return
    if context.embed is not None:
        content = context.embed(target)
        if content is not None:
            kind = mimetypes.guess_type(target)[0] or "application/octet-stream"
            piece.change(**{key: f"data:{kind};base64,{base64.b64encode(content).decode()}"})
            return
    _copy_or_report(target, value, piece, context)
    piece.change(**{key: context.address(target)})


def _link(piece: Piece, anchors: set, context: LinkContext) -> None:
    value = piece.attributes["href"] or ""
    if SCHEME.match(value):
        return
    if value.startswith("#"):
        if len(value) > 1 and unquote(value[1:]) not in anchors:
            context.problems.warning(
                f"the link '{value}' leads to no place on this page. Headings and labels are places. Correct it."
            )
        return
    path = re.split("[#?]", value, maxsplit=1)[0]
    rest = value[len(path) :]
    target = _target(path, context)
    if target is None:
        return
    if target not in context.known and f"{target}/index.qmd".removeprefix("./") in context.known:
        target = posixpath.join(target, "index.qmd")
    source = next((page for page in context.known if output_name(page) == target), target)
    if source in context.known:
        if source in context.rendered:
            piece.change(href=context.address(output_name(source)) + rest)
        else:
            context.problems.warning(
                f"the link to '{value}' leads to a page that is not rendered this time; the words stay, "
                "the link is left out."
            )
            piece.change(href=None, aria_disabled="true", role="link")
        return
    if target.endswith(PAGE_ENDINGS[0]):
        context.problems.error(
            f"the link to '{value}' leads to no page of this site. Pages are: "
            f"{', '.join(sorted(context.known))}. Correct it."
        )
        return
    _copy_or_report(target, value, piece, context)
    piece.change(href=context.address(target) + rest)


def _target(value: str, context: LinkContext) -> str | None:
    """Find the path below the project that a link means."""
    path = unquote(value.partition("?")[0].partition("#")[0])
    start = "" if path.startswith("/") else posixpath.dirname(context.page)
    target = posixpath.normpath(posixpath.join(start, path.lstrip("/")))
    if target.startswith("..") or (
        value.startswith("/") and os.path.exists(value) and not (context.root / target).exists()
    ):
        context.problems.error(
            f"the link to '{value}' leads out of the reports folder. Files to show or download lie inside it. "
            "Copy the file into the folder first."
        )
        return None
    return target


def _copy_or_report(target: str, value: str, piece: Piece, context: LinkContext) -> None:
    if target in context.made:
        return
    if (context.root / target).is_file():
        context.copies.add(target)
    else:
        context.problems.error(
            f"<{piece.tag}> points at '{value}', and there is no such file. Paths start at the page's folder, "
            "or with / at the project. Correct it, or make the file before rendering."
        )
