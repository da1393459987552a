"""Read `_quarto.yml`: which pages there are, how the site is called, and the settings of its pages."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .options import check_metadata
from .problems import Problems

NOT_PAGES = {"README.md", "README.qmd"}
PROJECT_USED = {"type", "render", "output-dir", "resources", "execute-dir", "title"}
WEBSITE_USED = {"title", "navbar", "sidebar", "page-footer", "description"}
# They add to Quarto's own site and change nothing in the content.
WEBSITE_IGNORED = {
    "search",
    "site-url",
    "site-path",
    "favicon",
    "reader-mode",
    "back-to-top-navigation",
    "bread-crumbs",
    "page-navigation",
    "open-graph",
    "twitter-card",
    "repo-url",
    "repo-actions",
    "repo-branch",
    "draft-mode",
}


@dataclass
class Project:
    """A website project: `pages` are paths below `root`, in the order of `project.render` or of their names."""

    root: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    @property
    def website(self) -> dict[str, Any]:
        """Return the `website` part of the configuration."""
        return self.config.get("website") or {}

    @property
    def title(self) -> str:
        """Return the name of the site; empty where it has none."""
        return str(self.website.get("title") or "")

    @property
    def metadata(self) -> dict[str, Any]:
        """Return what pages inherit: everything outside `project` and `website`."""
        return {key: value for key, value in self.config.items() if key not in ("project", "website")}

    @property
    def resources(self) -> list[str]:
        """Return the patterns of `project.resources`."""
        value = (self.config.get("project") or {}).get("resources") or []
        return [value] if isinstance(value, str) else list(value)

    def matches(self, patterns: list[str]) -> list[str]:
        """List the files below the project that match patterns; a pattern with ! takes files away."""
        everything = [path.relative_to(self.root).as_posix() for path in sorted(self.root.rglob("*")) if path.is_file()]
        chosen: list[str] = []
        for pattern in patterns:
            wanted = pattern.lstrip("!/").removeprefix("./").rstrip("/")
            found = [name for name in everything if _fits(name, wanted)]
            if pattern.startswith("!"):
                chosen = [name for name in chosen if name not in found]
            else:
                chosen += [name for name in found if name not in chosen]
        return chosen


def _fits(name: str, pattern: str) -> bool:
    """Compare a path with a pattern in which * stays in one folder and ** crosses folders; a folder means all in it."""
    if name == pattern or name.startswith(f"{pattern}/"):
        return True
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(words.get(part, re.escape(part)) for part in parts), name) is not None


def _is_hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/")) or posixpath.basename(name) in NOT_PAGES


def load_project(root: Path) -> Project:
    """Read a project folder. Raise RenderingError when `_quarto.yml` is missing, broken or of another type."""
    file = root / "_quarto.yml"
    name = f"{root.name}/_quarto.yml"
    problems = Problems(name)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if not isinstance(config, dict):
            raise yaml.YAMLError("it is not 'key: value' lines")
    except OSError:
        problems.error("there is no such file. A folder of reports has one with 'project: type: website'. Add it.")
        problems.stop_if_any()
    except yaml.YAMLError as error:
        problems.error(f"not valid YAML: {' '.join(str(error).split())}. Put that line right.")
        problems.stop_if_any()
    settings = config.get("project") or {}
    if settings.get("type", "website") != "website":
        problems.error(f"project: type is {settings['type']!r}. Supported is website. Write website.")
    for key in settings:
        if key in ("pre-render", "post-render"):
            problems.error(
                f"project: {key} is not supported by the built-in renderer. Run the script before rendering."
            )
        elif key not in PROJECT_USED:
            problems.warning(
                f"project: {key} is not known. Known are {', '.join(sorted(PROJECT_USED))}. Check the spelling."
            )
    for key in config.get("website") or {}:
        if key not in WEBSITE_USED | WEBSITE_IGNORED:
            problems.error(
                f"website: {key} is not supported by the built-in renderer. Supported are "
                f"{', '.join(sorted(WEBSITE_USED))}. Remove it."
            )
    check_metadata(config, problems)
    check_metadata(html_options(config), problems)
    project = Project(root, name, config)
    project.pages = _pages(project, settings, problems)
    problems.stop_if_any()
    return project


def _pages(project: Project, settings: dict, problems: Problems) -> list[str]:
    output = str(settings.get("output-dir", "_site")).strip("./")
    patterns = settings.get("render")
    if patterns:
        found = project.matches([patterns] if isinstance(patterns, str) else list(patterns))
    else:
        found = project.matches(["**/*.qmd", "**/*.md", "**/*.ipynb"])
    pages = [name for name in found if not _is_hidden(name) and not (output and name.startswith(f"{output}/"))]
    for name in pages:
        if name.endswith(".ipynb"):
            problems.error(
                f"the notebook {name} would be a page. Pages here are .qmd and .md files. List the pages in "
                "project: render."
            )
        if posixpath.dirname(name) and (project.root / posixpath.dirname(name) / "_metadata.yml").exists():
            problems.error(
                f"{posixpath.dirname(name)}/_metadata.yml is not supported by the built-in renderer. Write the values "
                "in _quarto.yml or in the pages."
            )
    pages = [name for name in pages if fnmatch.fnmatch(name, "*.qmd") or fnmatch.fnmatch(name, "*.md")]
    if not pages:
        problems.error(
            "there are no pages. Pages are .qmd files whose names do not start with _ or a dot. Add index.qmd."
        )
    return pages


def html_options(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the settings for HTML: those at the top and, over them, those of `format: html`."""
    formats = metadata.get("format")
    chosen = formats.get("html") if isinstance(formats, dict) else None
    top = {key: value for key, value in metadata.items() if key != "format"}
    return {**top, **(chosen if isinstance(chosen, dict) else {})}


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested settings; `over` wins.

    >>> merged({"execute": {"echo": True, "eval": True}}, {"execute": {"echo": False}})
    {'execute': {'echo': False, 'eval': True}}
    """
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
