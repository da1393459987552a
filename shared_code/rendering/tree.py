"""Small tools for pandoc's document tree in its JSON form: a node is {"t": type, "c": content}."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]


def raw_block(text: str) -> Node:
    """Make a block of HTML."""
    return {"t": "RawBlock", "c": ["html", text]}


def raw_inline(text: str) -> Node:
    """Make a piece of HTML inside a line."""
    return {"t": "RawInline", "c": ["html", text]}


def plain(inlines: list[Node]) -> Node:
    """Make a block of running text without a paragraph around it."""
    return {"t": "Plain", "c": inlines}


def text(value: str) -> Node:
    """Make a piece of plain text."""
    return {"t": "Str", "c": value}


def span(classes: list[str], inlines: list[Node]) -> Node:
    """Make a span with classes."""
    return {"t": "Span", "c": [["", classes, []], inlines]}


def stringify(node: Any) -> str:
    """Return the words of a node, or of a list of nodes, without formatting or footnotes.

    >>> stringify([text("a"), {"t": "Space"}, {"t": "Emph", "c": [text("b")]}])
    'a b'
    """
    if isinstance(node, list):
        return "".join(stringify(item) for item in node)
    if not isinstance(node, dict):
        return ""
    kind = node.get("t")
    content: Any = node.get("c")
    if kind == "Str":
        return content
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind in ("Code", "Math"):
        return content[1]
    if kind in ("Note", "RawInline", "RawBlock"):
        return ""
    if kind == "Quoted":
        marks = ("‘", "’") if content[0]["t"] == "SingleQuote" else ("“", "”")
        return marks[0] + stringify(content[1]) + marks[1]
    return stringify(content)


def rewrite(node: Any, visit: Callable[[Node], list[Node] | None]) -> Any:
    """Rebuild a tree: `visit` returns the nodes that replace one, or None to keep it and go on inside."""
    if isinstance(node, list):
        result: list[Any] = []
        for item in node:
            if isinstance(item, dict) and "t" in item:
                replaced = visit(item)
                if replaced is not None:
                    result += replaced
                    continue
            result.append(rewrite(item, visit))
        return result
    if isinstance(node, dict):
        return {key: rewrite(value, visit) for key, value in node.items()}
    return node


def find_all(node: Any, kinds: set[str]) -> list[Node]:
    """List the nodes of some types, in document order."""
    found: list[Node] = []
    if isinstance(node, list):
        for item in node:
            found += find_all(item, kinds)
    elif isinstance(node, dict):
        if node.get("t") in kinds:
            found.append(node)
        found += find_all(node.get("c"), kinds)
    return found


def without_notes_and_links(inlines: list[Node]) -> list[Node]:
    """Copy a heading's text for a table of contents."""

    def visit(node: Node) -> list[Node] | None:
        if node["t"] == "Note":
            return []
        if node["t"] == "Link":
            return without_notes_and_links(node["c"][1])
        if node["t"] == "Cite":
            return without_notes_and_links(node["c"][1])
        return None

    return rewrite(inlines, visit)


def attribute_text(identifier: str, classes: list[str]) -> str:
    """Write id and class for an HTML tag, with a leading space, or nothing.

    >>> attribute_text("a", ["b", "c"])
    ' id="a" class="b c"'
    """
    result = f' id="{html.escape(identifier)}"' if identifier else ""
    return result + (f' class="{html.escape(" ".join(classes))}"' if classes else "")
