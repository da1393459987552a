"""Build the menus of a site from `website: navbar` and `website: sidebar`."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any

from .links import SCHEME, output_name, relative
from .problems import Problems
from .project import Project


@dataclass
class Entry:
    """One entry of a menu; `page` is a path below the project, `href` an address elsewhere."""

    text: str
    page: str = ""
    href: str = ""
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Menus:
    """The menus of a site, before they are written for one page."""

    top: list[Entry] = field(default_factory=list)
    side: list[Entry] = field(default_factory=list)


def read_menus(project: Project, titles: dict[str, str], problems: Problems) -> Menus:
    """Read the menus; `titles` are those of the rendered pages. Other pages are left out of the menus."""
    website = project.website
    bar, side = website.get("navbar"), website.get("sidebar")
    menus = Menus()
    if isinstance(bar, dict):
        menus.top = _entries([*(bar.get("left") or []), *(bar.get("right") or [])], "navbar", project, titles, problems)
    for part in side if isinstance(side, list) else [side]:
        if isinstance(part, dict):
            menus.side += _entries(part.get("contents") or [], "sidebar", project, titles, problems)
    if not menus.top and not menus.side and len(titles) > 1:
        menus.top = [Entry(title, page) for page, title in titles.items()]
    return menus


def _entries(items: Any, where: str, project: Project, titles: dict[str, str], problems: Problems) -> list[Entry]:
    if not isinstance(items, list):
        problems.error(f"website: {where} holds '{items}'. A list of pages is supported. Write the pages one by one.")
        return []
    entries = [_entry(item, where, project, titles, problems) for item in items]
    return [entry for entry in entries if entry is not None]


def _entry(item: Any, where: str, project: Project, titles: dict[str, str], problems: Problems) -> Entry | None:
    if isinstance(item, str):
        if set(item) == {"-"}:
            return None
        item = {"href": item}
    if not isinstance(item, dict):
        problems.error(
            f"website: {where} holds {item!r}. Allowed are page.qmd, {{href, text}}, or a section with contents. "
            "Write it so."
        )
        return None
    inside = item.get("contents", item.get("menu"))
    href = str(item.get("href") or item.get("file") or "")
    text = str(item.get("text") or "")
    if "section" in item:
        if str(item["section"]).endswith((".qmd", ".md")):
            href = str(item["section"])
        else:
            text = text or str(item["section"])
    below = _entries(inside, where, project, titles, problems) if inside is not None else []
    if not href:
        if not text:
            problems.error(
                f"website: {where} has an entry without page or text: {item}. Each has href, text or section."
            )
        return Entry(text, entries=below) if below else None
    if SCHEME.match(href):
        return Entry(text or href, href=href, entries=below)
    page = posixpath.normpath(href.lstrip("/"))
    if page not in project.pages:
        problems.error(
            f"website: {where} names the page '{href}', which is not part of the site. Pages are: "
            f"{', '.join(project.pages)}. Correct it."
        )
        return None
    if page not in titles:
        return Entry(text, entries=below) if below else None
    return Entry(text or titles[page], page, entries=below)


def for_page(entries: list[Entry], page: str) -> list[dict[str, Any]]:
    """Write a menu as seen from one page: address, text, and whether it is the page itself."""
    return [
        {
            "text": entry.text,
            "href": entry.href or (relative(output_name(entry.page), page) if entry.page else ""),
            "current": bool(entry.page) and entry.page == page,
            "entries": for_page(entry.entries, page),
        }
        for entry in entries
    ]
