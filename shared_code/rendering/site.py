"""Render a whole site, or one page, with the built-in renderer."""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from . import page as pages_
from . import pandoc
from .links import STYLE_LOAD, LinkContext, output_name, relative
from .navigation import Menus, for_page, read_menus
from .page import Page
from .problems import Problems, RenderingError
from .project import Project, load_project
from .swap import check_output, swap_in

HERE = Path(__file__).parent
STYLE = "site_libs/site.css"
USED = "the built-in renderer"
# Each page has its own Python process; more than this many at once cost more memory than they save time.
MOST_AT_ONCE = 4


def render_site(
    project: Path,
    output: Path,
    parameters: dict[str, Any] | None = None,
    pages: list[str] | None = None,
    log: Callable[[str], None] = print,
) -> list[Path]:
    """Render a website project into a folder, all or nothing, and return the pages written.

    `parameters` override the cells tagged `parameters`; each must be declared on some page. `pages` chooses pages by
    their path below the project; the others are left out of the site and of its menus. The old content of `output`
    stays when anything fails. Raise RenderingError with everything that was found.

    Example: render_site(Path("reports"), Path("public/reports"), {"year": 2024})
    """
    project, output = Path(project), Path(output)
    check_output(project, output)
    site = load_project(project)
    problems = Problems(f"{project.name}/_quarto.yml")
    names = list(pages) if pages is not None else site.pages
    for name in names:
        if name not in site.pages:
            problems.error(f"'{name}' is no page of this site. Pages are: {', '.join(site.pages)}. Correct it.")
    for text in _footers(site):
        if re.search(r"\]\((?!https:|mailto:)", text):
            problems.error(
                "website: page-footer links to a page or file. Words and https addresses are supported there."
            )
    problems.stop_if_any()
    done = _render(site, names, parameters or {}, problems, log)
    menus = read_menus(site, {page.name: page.title for page in done}, problems)
    _finish(done, problems, log)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=_made(output.parent)) as scratch:
        new = Path(scratch) / "site"
        for page in done:
            html = _full_page(page, menus, site, [STYLE, *_styles(site, page, problems)])
            _put(new, output_name(page.name), html.encode())
            for name, content in page.figures.items():
                _put(new, name, content)
        copies = set(site.matches(site.resources)).union(
            *(page.copies for page in done), *(_styles(site, page, problems) for page in done)
        )
        for name in sorted(copies - set(site.pages)):
            _put(new, name, (site.root / name).read_bytes())
        _put(new, STYLE, (HERE / "site.css").read_bytes())
        problems.stop_if_any()
        swap_in(new, output)
    return [output / output_name(page.name) for page in done]


def render_page(
    page: Path, output: Path, parameters: dict[str, Any] | None = None, log: Callable[[str], None] = print
) -> Path:
    """Render one page into one HTML file that holds its own style and figures, without the site's menus.

    Settings of a `_quarto.yml` beside or above the page apply. Files that the page offers for download are copied
    beside `output`. Raise RenderingError as render_site does.
    """
    page, output = Path(page), Path(output)
    if not page.is_file():
        raise RenderingError(f"{page}: there is no such file. A page is a .qmd file. Correct the name.")
    folders = page.resolve().parents
    root = next((folder for folder in folders if (folder / "_quarto.yml").exists()), folders[0])
    name = page.resolve().relative_to(root).as_posix()
    site = load_project(root) if (root / "_quarto.yml").exists() else Project(root, root.name, {}, [name])
    problems = Problems(name)
    done = _render(site, [name], parameters or {}, problems, log, embed=True)
    styles = _styles(site, done[0], problems)
    _finish(done, problems, log)
    css = "\n".join(file.read_text(encoding="utf-8") for file in [HERE / "site.css", *(root / name for name in styles)])
    html = _full_page(done[0], Menus(), site, [], css)
    folder = _made(output.parent)
    if folder.resolve() != root.resolve():
        for name in sorted(done[0].copies):
            _put(folder, name, (root / name).read_bytes())
    new = folder / f".{output.name}.new"
    new.write_text(html, encoding="utf-8")
    os.replace(new, output)
    return output


def undeclared(pages: list[Page], parameters: dict[str, Any], problems: Problems) -> None:
    """Report parameters that no page declares: a misspelt one must not pass unnoticed."""
    declared = set().union(*(page.declared for page in pages))
    for name in parameters:
        if name not in declared:
            problems.error(
                f"parameter '{name}' is declared by no page. Declared in cells tagged 'parameters' are: "
                f"{', '.join(sorted(declared)) or 'none'}. Correct the name."
            )


def _render(
    site: Project,
    names: list[str],
    parameters: dict[str, Any],
    problems: Problems,
    log: Callable[[str], None],
    embed: bool = False,
) -> list[Page]:
    """Take pages through reading, running and writing; faults stay in their problems."""
    prepared = [pages_.prepare(site, name, parameters) for name in names]
    undeclared(prepared, parameters, problems)
    sound = [page for page in prepared if not page.problems.errors]
    _run_all(sound, log)
    for page in sound:
        if not page.problems.errors:
            context = LinkContext(page.name, site.root, set(names), set(site.pages), page.problems)
            if embed:
                context.embed = lambda name, page=page: _embedded(page, name)
                context.written = output_name(posixpath.basename(page.name))
            pages_.finish(page, context)
            page.parts["date"] = pages_.shown_date(page.settings, page.lang, page.problems)
    return prepared


def _embedded(page: Page, name: str) -> bytes | None:
    if name in page.figures:
        return page.figures[name]
    file = page.project.root / name
    return file.read_bytes() if file.is_file() else None


def _run_all(pages: list[Page], log: Callable[[str], None]) -> None:
    """Run the cells of several pages, some at the same time, also from inside a running event loop."""

    async def one(page: Page, gate: asyncio.Semaphore) -> None:
        async with gate:
            start = time.perf_counter()
            await pages_.run(page)
            log(f"{page.name}: {len(page.options)} cells in {time.perf_counter() - start:.1f} s")

    async def everything() -> None:
        gate = asyncio.Semaphore(max(1, min(MOST_AT_ONCE, os.cpu_count() or 1)))
        await asyncio.gather(*(one(page, gate) for page in pages))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(everything())
        return
    # Inside a notebook there is a running loop already, so the work has its own thread.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, everything()).result()


def _finish(pages: list[Page], problems: Problems, log: Callable[[str], None]) -> None:
    """Show all warnings, then stop if there are errors, all of them together."""
    for found in [problems, *(page.problems for page in pages)]:
        for warning in found.warnings:
            log(f"warning: {warning}")
    errors = [*problems.errors, *(error for page in pages for error in page.problems.errors)]
    if errors:
        raise RenderingError(errors)


def _styles(site: Project, page: Page, problems: Problems) -> list[str]:
    value = page.settings.get("css") or []
    names = [str(name).lstrip("/") for name in (value if isinstance(value, list) else [value])]
    for name in names:
        if not (site.root / name).is_file():
            problems.error(f"css: '{name}' is no file of the project. Correct the name.")
        elif STYLE_LOAD.search((site.root / name).read_text(encoding="utf-8")):
            problems.error(
                f"css: '{name}' loads something from elsewhere. Reports work offline. Put a copy beside the page."
            )
    return [name for name in names if (site.root / name).is_file()]


def _footers(site: Project) -> list[str]:
    footer = site.website.get("page-footer") or {}
    parts = [footer] if isinstance(footer, str) else [footer.get(key) for key in ("left", "center", "right")]
    return [part for part in parts if isinstance(part, str)]


@lru_cache(maxsize=16)
def _footer_text(text: str) -> str:
    html = pandoc.write_html(pandoc.read_tree(text, {}, "page-footer"), "page-footer").strip()
    return re.sub(r"^<p>(.*)</p>$", r"\1", html, flags=re.DOTALL)


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2")


def _full_page(page: Page, menus: Menus, site: Project, styles: list[str], inline_style: str = "") -> str:
    home = "index.qmd" if "index.qmd" in site.pages and (menus.top or menus.side) else ""
    return _template().render(
        lang=page.lang,
        page_title=page.title,
        site_title=site.title,
        parts=page.parts,
        authors=pages_.authors(page.settings),
        top=for_page(menus.top, page.name),
        side=for_page(menus.side, page.name),
        home=relative(output_name(home), page.name) if home else "",
        styles=[relative(name, page.name) for name in styles],
        inline_style=inline_style,
        footer=[_footer_text(text) for text in _footers(site)],
        used=USED,
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _put(folder: Path, name: str, content: bytes) -> None:
    target = folder / name
    _made(target.parent)
    target.write_bytes(content)
