"""What may be written in front matter, in `_quarto.yml` and after `#|`; and what a cell's options mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .problems import Problems

# Quarto's defaults for Jupyter cells.
EXECUTE_DEFAULTS: dict[str, Any] = {
    "echo": True,
    "eval": True,
    "output": True,
    "warning": True,
    "include": True,
    "error": False,
    "enabled": True,
}
# `execute:` keys that change how Quarto works, not what the page says.
EXECUTE_IGNORED = {"cache", "freeze", "daemon", "daemon-restart", "debug", "keep-md", "keep-ipynb", "ipynb"}

CELL_USED = {
    "echo",
    "eval",
    "output",
    "warning",
    "error",
    "include",
    "label",
    "id",
    "tags",
    "fig-cap",
    "fig-alt",
    "fig-link",
    "tbl-cap",
    "classes",
    "code-fold",
    "code-summary",
}
# Accepted and without effect here: they place or decorate, the content stays the same.
CELL_IGNORED = {
    "column",
    "fig-column",
    "tbl-column",
    "fig-align",
    "fig-pos",
    "fig-env",
    "cap-location",
    "fig-cap-location",
    "tbl-cap-location",
    "code-overflow",
    "code-line-numbers",
    "html-table-processing",
    "cache",
    "slideshow",
    "fig-width",
    "fig-height",
    "fig-format",
    "fig-dpi",
}
# These would change what a reader sees, so leaving them out quietly would be wrong.
CELL_UNSUPPORTED = {
    "fig-subcap": "Give each figure its own cell and label",
    "tbl-subcap": "Give each table its own cell and label",
    "layout": "Use ::: {.columns} around separate cells",
    "layout-ncol": "Use ::: {.columns} around separate cells",
    "layout-nrow": "Use ::: {.columns} around separate cells",
    "lst-cap": "Name the listing in the text",
    "lst-label": "Name the listing in the text",
    "panel": "Use ::: {.panel-tabset}",
    "renderings": "Draw one figure",
    "file": "Put the code in the cell",
    "context": "Interactive pages are outside the subset",
}
PAGE_UNSUPPORTED = {
    "bibliography": "Write references as footnotes or links",
    "filters": "Remove it",
    "shortcodes": "Remove it",
    "listing": "Write the list of links in the page",
    "about": "Write the page as text",
    "include-in-header": "Use css",
    "include-before-body": "Write it in the page, or with {{< include >}}",
    "include-after-body": "Write it in the page, or with {{< include >}}",
    "template": "Use css",
    "template-partials": "Use css",
    "citeproc": "Write references as footnotes or links",
    "date-format": "Write the date as text",
    "server": "Interactive pages are outside the subset",
    "reference-location": "Footnotes stand at the end of the page",
    "crossref": "Keep the standard words Figure, Table and Section",
    "metadata-files": "Write the values in _quarto.yml",
}


@dataclass(frozen=True)
class CellOptions:
    """Hold the options of one cell after the page's and the project's defaults."""

    echo: Any = True
    eval: bool = True
    output: Any = True
    warning: bool = True
    error: bool = False
    include: bool = True
    label: str | None = None
    tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    figure_caption: str | None = None
    figure_alt: tuple[str, ...] = ()
    figure_link: str | None = None
    table_caption: str | None = None
    fold: str | None = None
    summary: str = "Code"
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """Say whether the output is a numbered or captioned figure ("fig"), table ("tbl") or neither (None)."""
        for kind in ("fig", "tbl"):
            if self.label and self.label.startswith(f"{kind}-"):
                return kind
        if self.table_caption:
            return "tbl"
        return "fig" if self.figure_caption else None


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _caption(given: dict, key: str, problems: Problems, line: int, file: str) -> str | None:
    value = given.get(key)
    if isinstance(value, list):
        if len(value) == 1:
            return str(value[0])
        problems.error(
            f"#| {key} holds {len(value)} captions. One caption is supported. Use one cell for each.", line, file
        )
        return None
    return None if value is None else str(value)


def cell_options(
    given: dict[str, Any], execute: dict[str, Any], problems: Problems, line: int, file: str
) -> CellOptions:
    """Work out the options of a cell; unknown ones become warnings, unsupported ones errors.

    >>> cell_options({"echo": False, "label": "fig-a"}, {}, Problems("a.qmd"), 1, "a.qmd").echo
    False
    """
    defaults = {**EXECUTE_DEFAULTS, **{k: v for k, v in execute.items() if k in EXECUTE_DEFAULTS}}
    for key in given:
        if key in CELL_UNSUPPORTED:
            problems.error(f"#| {key} is not supported by the built-in renderer. {CELL_UNSUPPORTED[key]}.", line, file)
        elif key not in CELL_USED | CELL_IGNORED:
            problems.warning(
                f"#| {key} is not known. Known are {', '.join(sorted(CELL_USED))}. Check the spelling.", line, file
            )
    chosen = {key: given.get(key, defaults[key]) for key in EXECUTE_DEFAULTS if key != "enabled"}
    for key, value in chosen.items():
        allowed = {"echo": (True, False, "fenced"), "output": (True, False, "asis")}.get(key, (True, False))
        if not any(value is option or (isinstance(option, str) and value == option) for option in allowed):
            words = ", ".join(str(option).lower() for option in allowed)
            problems.error(f"#| {key} is {value!r}. Allowed are {words}. Write one of them.", line, file)
            chosen[key] = defaults[key] if isinstance(defaults[key], bool) else True
    # As in Quarto, a page with `output: false` shows warnings only where a cell asks for them.
    if defaults["output"] is False and given.get("output", False) is not False:
        chosen["warning"] = bool(given.get("warning", False))
    label = given.get("label", given.get("id"))
    fold = given.get("code-fold", execute.get("code-fold"))
    return CellOptions(
        **{**chosen, "eval": bool(chosen["eval"]) and defaults["enabled"] is not False},
        label=None if label is None else str(label).lstrip("#"),
        tags=_texts(given.get("tags")),
        classes=tuple(name.lstrip(".") for text in _texts(given.get("classes")) for name in text.split()),
        figure_caption=_caption(given, "fig-cap", problems, line, file),
        figure_alt=_texts(given.get("fig-alt")),
        figure_link=given.get("fig-link"),
        table_caption=_caption(given, "tbl-cap", problems, line, file),
        fold={True: "closed", "true": "closed", "show": "open"}.get(fold),
        summary=str(given.get("code-summary", execute.get("code-summary", "Code"))),
        given=given,
    )


def check_metadata(metadata: dict[str, Any], problems: Problems) -> None:
    """Report keys of front matter or of format.html that the built-in renderer cannot honour."""
    for key in metadata:
        if key in PAGE_UNSUPPORTED:
            problems.error(f"'{key}' is not supported by the built-in renderer. {PAGE_UNSUPPORTED[key]}.")
    engine = metadata.get("engine", "jupyter")
    if engine not in ("jupyter", "markdown"):
        problems.error(f"engine is {engine!r}. Allowed is jupyter. Write Python cells.")
    execute = metadata.get("execute")
    execute = {} if execute is None else execute
    if not isinstance(execute, dict):
        problems.error(f"execute is {execute!r}. It holds lines such as 'echo: false'. Write them below it.")
        metadata["execute"] = execute = {}
    for key in execute:
        if key not in EXECUTE_DEFAULTS and key not in EXECUTE_IGNORED:
            problems.warning(
                f"execute: {key} is not known. Known are {', '.join(EXECUTE_DEFAULTS)}. Check the spelling."
            )
