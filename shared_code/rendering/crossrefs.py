"""Number figures, tables and sections, and resolve references to them (@fig-x, @tbl-x, @sec-x)."""

from __future__ import annotations

import html
import re
from typing import Any

from .conditions import CLASSES, is_hidden
from .problems import Problems
from .tree import Node, raw_inline, rewrite, stringify, text

WORDS = {"fig": "Figure", "tbl": "Table", "sec": "Section"}
# Quarto numbers these too; the built-in renderer does not.
UNSUPPORTED = {
    "eq",
    "lst",
    "thm",
    "lem",
    "cor",
    "prp",
    "cnj",
    "def",
    "exm",
    "exr",
    "sol",
    "rem",
    "alg",
    "nte",
    "tip",
    "wrn",
    "imp",
    "cau",
}
LENGTH = re.compile(r"^[\d.]+(px)?$")


class Numbers:
    """Give numbers in document order; sections count by level, as Quarto does."""

    def __init__(self, problems: Problems):
        self.problems = problems
        self.found: dict[str, str] = {}
        self._floats = {"fig": 0, "tbl": 0}
        self._sections = [0] * 7
        self._has_top_level = False

    def prepare(self, has_top_level: bool) -> None:
        """Say whether the page has level-one headings, which then are the first number."""
        self._has_top_level = has_top_level

    def _add(self, label: str, number: str) -> None:
        if label in self.found:
            self.problems.error(f"the label '{label}' is given twice. Each label names one thing. Rename one.")
        self.found[label] = number

    def next_float(self, kind: str, label: str) -> list[Node]:
        """Count one figure or table; return the words before its caption."""
        self._floats[kind] += 1
        number = str(self._floats[kind])
        self._add(label, number)
        return [text(f"{WORDS[kind]}\u00a0{number}")]

    def next_section(self, level: int, label: str) -> str:
        """Count one heading; return its number, such as "2.1"."""
        level = min(level, 7)
        self._sections[level - 1] += 1
        for lower in range(level, 7):
            self._sections[lower] = 0
        counts = self._sections[0 if self._has_top_level else 1 :]
        while len(counts) > 1 and counts[-1] == 0:
            counts = counts[:-1]
        number = ".".join(str(count) for count in counts)
        if label.startswith("sec-"):
            self._add(label, number)
        return number


def resolve(blocks: list[Node], numbers: Numbers, metadata: dict[str, Any], problems: Problems) -> list[Node]:
    """Replace references and images; unknown labels, citations and left-over attributes become errors."""

    def visit(node: Node) -> list[Node] | None:
        kind = node["t"]
        if kind == "Cite":
            return _references(node["c"][0], numbers, problems)
        if kind == "Span" and any(name in CLASSES for name in node["c"][0][1]):
            return [] if is_hidden(node["c"][0], metadata, problems) else rewrite(node["c"][1], visit)
        if kind == "Image":
            return [_image(node["c"], problems)]
        if kind == "Str" and re.match(r"^\{#[a-z]+-", node["c"]):
            problems.error(
                f"'{node['c']}' belongs to nothing. Labels are for headings, images, tables and ::: containers; "
                "equations have none here. Move or remove it."
            )
        if kind in ("Str", "Para") and node.get("c") and _is_open_fence(node):
            problems.error(
                f"'{stringify(node)[:40]}' is left as text: a ::: container is not opened or closed properly. "
                "It needs a blank line before and its own line. Put it right."
            )
        return None

    return rewrite(blocks, visit)


def _is_open_fence(node: Node) -> bool:
    return node["t"] == "Para" and node["c"][0]["t"] == "Str" and re.match(r"^:::+$", node["c"][0]["c"]) is not None


def _references(citations: list[dict[str, Any]], numbers: Numbers, problems: Problems) -> list[Node]:
    result: list[Node] = []
    for citation in citations:
        label = citation["citationId"]
        key = label[:1].lower() + label[1:]
        kind = key.partition("-")[0]
        if kind not in WORDS:
            if kind in UNSUPPORTED and "-" in key:
                problems.error(
                    f"@{label}: references of this kind are not supported by the built-in renderer. Supported are "
                    "@fig-…, @tbl-… and @sec-…. Refer to it in words."
                )
            else:
                problems.error(
                    f"@{label}: citations are not supported by the built-in renderer. Supported are @fig-…, @tbl-… "
                    "and @sec-…. Use a footnote or link; write \\@ for the character itself."
                )
            continue
        if key not in numbers.found:
            known = ", ".join(name for name in numbers.found if name.startswith(f"{kind}-")) or "none"
            problems.error(
                f"@{label}: no such label on this page. Labels there are: {known}. Correct the label, or add it."
            )
            continue
        if result:
            result += [text(","), {"t": "Space"}]
        words: list[Node] = [text(numbers.found[key])]
        if citation["citationPrefix"]:
            words = [*citation["citationPrefix"], text("\u00a0"), *words]
        elif citation["citationMode"]["t"] != "SuppressAuthor":
            words = [text(f"{WORDS[kind]}\u00a0"), *words]
        result.append({"t": "Link", "c": [["", ["quarto-xref"], []], words, [f"#{key}", ""]]})
        result += citation["citationSuffix"]
    return result


def _image(content: list, problems: Problems) -> Node:
    (identifier, classes, pairs), caption, (target, title) = content
    given = dict(pairs)
    alt = given.get("fig-alt") or given.get("alt") or stringify(caption)
    if not alt and "fig-alt" not in given and "alt" not in given:
        problems.warning(
            f'the image {target} has no alternative text. Readers who cannot see it learn nothing. Add {{fig-alt="…"}}.'
        )
    parts = [f'src="{html.escape(target)}"', f'alt="{html.escape(" ".join(alt.split()))}"']
    if title:
        parts.append(f'title="{html.escape(title)}"')
    if identifier:
        parts.append(f'id="{html.escape(identifier)}"')
    if classes:
        parts.append(f'class="{html.escape(" ".join(classes))}"')
    styles = []
    for side in ("width", "height"):
        if side in given:
            if LENGTH.match(given[side]):
                parts.append(f'{side}="{given[side].removesuffix("px")}"')
            else:
                styles.append(f"{side}:{given[side]}")
    if styles:
        parts.append(f'style="{html.escape(";".join(styles))}"')
    return raw_inline(f"<img {' '.join(parts)}>")
