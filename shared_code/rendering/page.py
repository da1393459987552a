"""Take one page through its stages: read, run, turn into HTML."""

from __future__ import annotations

import datetime
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import markup, pandoc
from .ast_blocks import BlockWriter, Heading
from .crossrefs import Numbers, resolve
from .kernel import INLINE, Executed, inject_parameters, run_page
from .links import LinkContext, follow_links
from .options import EXECUTE_DEFAULTS, CellOptions, cell_options, check_metadata
from .outputs import PageOutputs
from .problems import Problems, RenderingError
from .project import Project, html_options, merged
from .shortcodes import replace_shortcodes
from .source import Block, read_source
from .tables import improve_tables
from .tree import Node, find_all, plain, raw_block, stringify

PART = "<!--next-part-->"
TITLE_KEYS = ("title", "subtitle", "description", "abstract")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass
class Page:
    """A page on its way: filled in by `prepare`, `run` and `finish`."""

    name: str
    project: Project
    problems: Problems
    settings: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    options: dict[int, CellOptions] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    executed: list[Executed] = field(default_factory=list)
    title: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        """Return where the page was written."""
        return self.project.root / self.name

    @property
    def lang(self) -> str:
        """Return the language of the page's text."""
        return str(self.settings.get("lang") or "en")

    @property
    def execute(self) -> dict[str, Any]:
        """Return the page's defaults for cells, from `execute:` or, as Quarto allows, written at the top."""
        names = (*EXECUTE_DEFAULTS, "code-fold", "code-summary")
        given = self.settings.get("execute")
        return {**{name: self.settings[name] for name in names if name in self.settings}, **(given or {})}


def prepare(project: Project, name: str, parameters: dict[str, Any]) -> Page:
    """Read a page and check everything that can be checked without running it."""
    page = Page(name, project, Problems(name))
    try:
        source = read_source(page.path, project.root, page.problems)
    except RenderingError as error:
        page.problems.errors += error.problems
        return page
    check_metadata(source.metadata, page.problems)
    check_metadata(html_options(source.metadata), page.problems)
    # A page's settings win over the project's, wherever each of them was written.
    page.settings = merged(html_options(project.metadata), html_options(source.metadata))
    page.blocks, page.declared = inject_parameters(source.blocks, parameters, page.problems)
    for position, block in enumerate(page.blocks):
        if block.kind == "cell":
            page.options[position] = cell_options(block.given, page.execute, page.problems, block.line, block.file)
        else:
            block.source = replace_shortcodes(block.source, page.settings, page.problems, block.line, block.file)
    return page


async def run(page: Page) -> None:
    """Run the cells of a page; what fails is added to its problems."""
    whole = (page.project.config.get("project") or {}).get("execute-dir") == "project"
    folder = page.project.root if whole else page.path.parent
    try:
        page.executed = await run_page(
            page.blocks,
            page.options,
            page.path.resolve(),
            page.project.root.resolve(),
            folder.resolve(),
            page.settings,
            page.name,
        )
    except RenderingError as error:
        page.problems.errors += error.problems


def finish(page: Page, context: LinkContext) -> None:
    """Turn an executed page into HTML parts: body, toc and the texts of its title block."""
    outputs = PageOutputs(f"{Path(page.name).stem}_files", page.settings, page.problems)
    text = "\n".join(outputs.markdown(item) for item in page.executed)
    titles = {key: str(page.settings[key]) for key in TITLE_KEYS if page.settings.get(key) is not None}
    titles = {
        key: replace_shortcodes(value, page.settings, page.problems, 1, page.name) for key, value in titles.items()
    }
    for key, value in titles.items():
        if INLINE.search(value):
            page.problems.error(f"'{key}' holds inline code, which is run only in the text. Write the value out.")
    try:
        tree = pandoc.read_tree(text, titles, page.name)
        written = _write(page, tree)
    except RenderingError as error:
        page.problems.errors += error.problems
        return
    folder = posixpath.dirname(page.name)
    page.figures = {posixpath.join(folder, name): content for name, content in outputs.figures.items()}
    context.made = set(page.figures)
    pieces = markup.read(written["body"])
    pieces = improve_tables(pieces)
    follow_links(pieces, context)
    page.copies = context.copies
    written["body"] = markup.join(pieces)
    page.parts = written


def _write(page: Page, tree: dict[str, Any]) -> dict[str, str]:
    meta, blocks = tree["meta"], tree["blocks"]
    titles = {key: _meta_inlines(meta.get(key)) for key in TITLE_KEYS}
    if not titles["title"] and blocks and blocks[0]["t"] == "Header" and blocks[0]["c"][0] == 1:
        # As in Quarto, a first heading of level one is the title of a page without one.
        titles["title"], blocks = blocks[0]["c"][2], blocks[1:]
    page.title = " ".join(stringify(titles["title"]).split()) or Path(page.name).stem
    if not titles["title"]:
        page.problems.warning(
            "the page has no title. Its file name is shown instead. Add 'title: …' to the front matter."
        )
    numbers = Numbers(page.problems)
    numbers.prepare(any(node["c"][0] == 1 for node in find_all(blocks, {"Header"})))
    depth = int(page.settings.get("number-depth", 6)) if page.settings.get("number-sections") is True else 0
    writer = BlockWriter(page.settings, page.problems, numbers, depth)
    body = resolve(writer.blocks(blocks), numbers, page.settings, page.problems)
    contents = []
    if page.settings.get("toc") is True:
        shown = [heading for heading in writer.headings if heading.level <= int(page.settings.get("toc-depth", 3))]
        contents = resolve(_items(shown), numbers, page.settings, page.problems)
    parts: list[Node] = []
    for key in TITLE_KEYS:
        parts += [plain(titles[key]), raw_block(PART)]
    html = pandoc.write_html({**tree, "blocks": [*parts, *contents, raw_block(PART), *body]}, page.name)
    pieces = [part.strip() for part in html.split(PART)]
    return dict(zip((*TITLE_KEYS, "toc", "body"), pieces, strict=True))


def _meta_inlines(value: dict | None) -> list[Node]:
    if value is None:
        return []
    if value["t"] == "MetaInlines":
        return value["c"]
    if value["t"] == "MetaBlocks":
        return [inline for block in value["c"] if block["t"] in ("Para", "Plain") for inline in block["c"]]
    return [{"t": "Str", "c": str(value.get("c", ""))}]


def _items(headings: list[Heading]) -> list[Node]:
    """Nest headings as lists of links."""
    items: list[list[Node]] = []
    index = 0
    while index < len(headings):
        head = headings[index]
        below = index + 1
        while below < len(headings) and headings[below].level > head.level:
            below += 1
        link = {"t": "Link", "c": [["", [], []], head.inlines, [f"#{head.identifier}", ""]]}
        items.append([plain([link]), *_items(headings[index + 1 : below])])
        index = below
    return [{"t": "BulletList", "c": items}] if items else []


def authors(settings: dict[str, Any]) -> list[str]:
    """List the names of a page's authors.

    >>> authors({"author": [{"name": "A"}, "B"]})
    ['A', 'B']
    """
    value = settings.get("author") or []
    people = value if isinstance(value, list) else [value]
    return [str(person.get("name", "") if isinstance(person, dict) else person) for person in people]


def shown_date(settings: dict[str, Any], lang: str, problems: Problems) -> str:
    """Write the date of a page as the language does; words like 'today' are refused, since each run must be the same.

    >>> shown_date({"date": "2026-11-01"}, "en-GB", Problems("a.qmd"))
    '1 November 2026'
    """
    value = settings.get("date")
    if value is None:
        return ""
    if str(value) in ("today", "now", "last-modified"):
        problems.error(
            f"date: {value} changes from day to day. A date such as 2026-11-01 is allowed. Write the date of the data."
        )
        return ""
    try:
        day = value if isinstance(value, datetime.date) else datetime.date.fromisoformat(str(value))
    except ValueError:
        return str(value)
    if not lang.lower().startswith("en"):
        return day.isoformat()[:10]
    if lang.lower() in ("en", "en-us"):
        return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
