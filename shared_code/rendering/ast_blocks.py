"""Turn Quarto's block constructs in a pandoc tree into HTML: callouts, tabsets, floats, conditions, headings."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

from . import pandoc
from .conditions import CONDITIONS, is_hidden
from .crossrefs import Numbers
from .problems import Problems
from .tree import Node, attribute_text, find_all, plain, raw_block, span, stringify, text, without_notes_and_links

CALLOUTS = {
    "note": ("Note", "i"),
    "tip": ("Tip", "✓"),
    "important": ("Important", "!"),
    "warning": ("Warning", "!"),
    "caution": ("Caution", "×"),
}
UNSUPPORTED_CLASSES = {"panel-sidebar", "panel-input", "panel-fill", "panel-center", "callout-", "hero-banner"}


@dataclass
class Heading:
    """One entry of the table of contents."""

    level: int
    identifier: str
    inlines: list[Node]


@dataclass
class BlockWriter:
    """Rewrite the blocks of one page in document order, counting floats and sections on the way."""

    metadata: dict[str, Any]
    problems: Problems
    numbers: Numbers
    number_depth: int = 0
    headings: list[Heading] = field(default_factory=list)
    tabsets: int = 0

    def blocks(self, nodes: list[Node], outline: bool = True) -> list[Node]:
        """Rewrite a list of blocks; headings count for contents and numbers only where `outline` holds."""
        result: list[Node] = []
        for node in nodes:
            kind: str = node["t"]
            content: Any = node.get("c")
            if kind == "Header":
                result.append(self._header(node) if outline else node)
            elif kind == "Div":
                result += self._div(content, outline)
            elif kind == "Figure":
                result += self._figure(content)
            elif kind == "Table":
                result += self._table(content)
            elif kind == "BlockQuote":
                result.append({"t": kind, "c": self.blocks(content, False)})
            elif kind == "BulletList":
                result.append({"t": kind, "c": [self.blocks(item, outline) for item in content]})
            elif kind == "OrderedList":
                result.append({"t": kind, "c": [content[0], [self.blocks(item, outline) for item in content[1]]]})
            elif kind == "DefinitionList":
                items = [[term, [self.blocks(part, outline) for part in parts]] for term, parts in content]
                result.append({"t": kind, "c": items})
            elif kind == "CodeBlock" and is_hidden(content[0], self.metadata, self.problems):
                continue
            else:
                result.append(node)
        return result

    def _header(self, node: Node) -> Node:
        level, (identifier, classes, pairs), inlines = node["c"]
        if "unnumbered" not in classes:
            number = self.numbers.next_section(level, identifier)
            if level <= self.number_depth:
                inlines = [span(["header-section-number"], [text(number)]), {"t": "Space"}, *inlines]
        if "unlisted" not in classes:
            self.headings.append(Heading(level, identifier, without_notes_and_links(inlines)))
        return {"t": "Header", "c": [level, [identifier, classes, pairs], inlines]}

    def _div(self, content: list, outline: bool) -> list[Node]:
        (identifier, classes, pairs), inner = content
        if "content-visible" in classes or "content-hidden" in classes:
            if is_hidden(content[0], self.metadata, self.problems):
                return []
            classes = [name for name in classes if name not in ("content-visible", "content-hidden")]
            pairs = [pair for pair in pairs if pair[0] not in CONDITIONS]
            return (
                self._div([[identifier, classes, pairs], inner], outline)
                if classes or identifier
                else self.blocks(inner)
            )
        for key, _ in pairs:
            if key.startswith("layout"):
                self.problems.error(
                    f"::: {{{key}=…}} is not supported by the built-in renderer. Supported are ::: {{.columns}} "
                    "with ::: {.column} inside. Use them."
                )
        callout = next((name[8:] for name in classes if name.startswith("callout-")), None)
        if callout in CALLOUTS:
            return self._callout(callout, identifier, dict(pairs), inner)
        for name in classes:
            if name in UNSUPPORTED_CLASSES or name.startswith("callout-"):
                self.problems.error(
                    f"::: {{.{name}}} is not supported by the built-in renderer. Callouts are "
                    f"{', '.join(CALLOUTS)}; panels are panel-tabset. Use one of them."
                )
        if "panel-tabset" in classes:
            return self._tabset(inner, outline)
        if "cell-float" in classes or identifier.startswith(("fig-", "tbl-")):
            return self._float_div(identifier, classes, dict(pairs), inner)
        return [{"t": "Div", "c": [[identifier, classes, pairs], self.blocks(inner, outline)]}]

    def _callout(self, kind: str, identifier: str, pairs: dict[str, str], inner: list[Node]) -> list[Node]:
        label, icon = CALLOUTS[kind]
        title: list[Node] = []
        if inner and inner[0]["t"] == "Header":
            title, inner = inner[0]["c"][2], inner[1:]
        elif pairs.get("title"):
            title = pandoc.read_tree(pairs["title"], {}, self.problems.where)["blocks"][0].get("c", [])
        shown = "" if pairs.get("icon") == "false" else f'<span class="callout-icon" aria-hidden="true">{icon}</span> '
        body = [raw_block('<div class="callout-body">'), *self.blocks(inner, False), raw_block("</div>")]
        colon = ":" if title else ""
        head = [raw_block(f'{shown}<span class="callout-label">{label}{colon}</span>'), plain(title)]
        attributes = attribute_text(identifier, ["callout", f"callout-{kind}"])
        if pairs.get("collapse") in ("true", "false"):
            state = " open" if pairs["collapse"] == "false" else ""
            return [
                raw_block(f'<details{attributes}{state}>\n<summary class="callout-title">'),
                *head,
                raw_block("</summary>"),
                *body,
                raw_block("</details>"),
            ]
        return [
            raw_block(f'<div{attributes} role="note">\n<p class="callout-title">'),
            *head,
            raw_block("</p>"),
            *body,
            raw_block("</div>"),
        ]

    def _tabset(self, inner: list[Node], outline: bool) -> list[Node]:
        """Write a tabset as radio buttons: works without JavaScript and with the arrow keys."""
        level = next((node["c"][0] for node in inner if node["t"] == "Header"), None)
        tabs: list[tuple[Node, list[Node]]] = []
        for node in inner:
            if node["t"] == "Header" and node["c"][0] == level:
                tabs.append((node, []))
            elif tabs:
                tabs[-1][1].append(node)
        if not tabs:
            self.problems.error("::: {.panel-tabset} has no headings. Each heading inside starts a tab. Add headings.")
            return []
        self.tabsets += 1
        chosen = next((i for i, (head, _) in enumerate(tabs) if "active" in head["c"][1][1]), 0)
        names = html.escape(", ".join(stringify(head["c"][2]) for head, _ in tabs))
        group = f"tabset-{self.tabsets}"
        result = [raw_block(f'<div class="tabset" role="group" aria-label="Choose a view: {names}">')]
        for index, (head, body) in enumerate(tabs):
            name, title = f"{group}-{index + 1}", html.escape(stringify(head["c"][2]))
            checked = " checked" if index == chosen else ""
            result += [
                raw_block(f'<input type="radio" name="{group}" id="{name}"{checked}>\n<label for="{name}">'),
                plain(head["c"][2]),
                raw_block(
                    f'</label>\n<section class="tab-panel" id="{name}-panel" aria-label="{title}" data-title="{title}">'
                ),
                *self.blocks(body, False),
                raw_block("</section>"),
            ]
        return [*result, raw_block("</div>")]

    def _float(
        self, kind: str, identifier: str, classes: list[str], caption: list[Node], body: list[Node]
    ) -> list[Node]:
        """Write a figure (caption below) or table (caption above), numbered where it has a label."""
        label = self.numbers.next_float(kind, identifier) if identifier.startswith(f"{kind}-") else []
        if label and caption:
            label = [*label, text(":"), {"t": "Space"}]
        words = [span(["caption-label"], label), *caption] if label else caption
        note = [raw_block("<figcaption>"), plain(words), raw_block("</figcaption>")] if words else []
        first, last = (note, body) if kind == "tbl" else (body, note)
        attributes = attribute_text(identifier, ["float", f"float-{kind}", *classes])
        return [raw_block(f"<figure{attributes}>"), *first, *last, raw_block("</figure>")]

    def _figure(self, content: list) -> list[Node]:
        (identifier, classes, _), (_, caption), body = content
        return self._float("fig", identifier, classes, _inlines(caption), self.blocks(body, False))

    def _table(self, content: list) -> list[Node]:
        (identifier, classes, pairs), (_, caption) = content[0], content[1]
        widths = dict(pairs).get("tbl-colwidths")
        if widths:
            content = self._with_widths(content, widths)
        if not caption:
            return [{"t": "Table", "c": content}]
        bare = {"t": "Table", "c": [["", classes, []], [None, []], *content[2:]]}
        return self._float("tbl", identifier, [], _inlines(caption), [bare])

    def _with_widths(self, content: list, widths: str) -> list:
        values = [float(value) for value in re.findall(r"[\d.]+", widths)]
        if len(values) != len(content[2]):
            self.problems.error(
                f"tbl-colwidths={widths} does not fit a table of {len(content[2])} columns. One number for each "
                "column is needed. Correct it."
            )
            return content
        columns = [
            [align, {"t": "ColWidth", "c": value / sum(values)}]
            for (align, _), value in zip(content[2], values, strict=True)
        ]
        return [*content[:2], columns, *content[3:]]

    def _float_div(self, identifier: str, classes: list[str], pairs: dict[str, str], inner: list[Node]) -> list[Node]:
        kind = "tbl" if identifier.startswith("tbl-") or "cell-tbl" in classes else "fig"
        if any(re.match("fig-|tbl-", node["c"][0][0]) for node in find_all(inner, {"Div", "Figure", "Table"})):
            self.problems.error(
                f"'{identifier}' holds other labelled figures or tables (sub-figures), which the built-in "
                "renderer does not support. Label either the whole or its parts."
            )
        caption: list[Node] = []
        last = inner[-1] if inner else None
        if last and last["t"] == "Div" and "float-caption" in last["c"][0][1]:
            caption, inner = _inlines(last["c"][1]), inner[:-1]
        elif last and last["t"] == "Para" and len(inner) > 1 and "cell-float" not in classes:
            caption, inner = last["c"], inner[:-1]
        body: list[Node] = []
        for node in inner:
            if node["t"] in ("Figure", "Table") and node["c"][1][1]:
                # A caption of the table or image itself serves where the container has none.
                own = _inlines(node["c"][1][1])
                caption = caption or own
                if node["t"] == "Table":
                    node = {"t": "Table", "c": [node["c"][0], [None, []], *node["c"][2:]]}
                else:
                    node = {"t": "Para", "c": _inlines(node["c"][2])}
            body.append(node)
        if pairs.get("fig-alt"):
            for image in find_all(body, {"Image"}):
                if not any(key == "fig-alt" for key, _ in image["c"][0][2]):
                    image["c"][0][2].append(["fig-alt", pairs["fig-alt"]])
        kept = [name for name in classes if name not in ("cell-float", "cell-fig", "cell-tbl")]
        return self._float(kind, identifier, kept, caption, self.blocks(body, False))


def _inlines(blocks: list[Node]) -> list[Node]:
    """Join the text of caption blocks."""
    result: list[Node] = []
    for block in blocks:
        if block["t"] in ("Para", "Plain"):
            result += ([{"t": "Space"}] if result else []) + block["c"]
    return result
