"""Decide conditional content: what is shown in HTML pages, or where a metadata value is true."""

from __future__ import annotations

from typing import Any

from .problems import Problems
from .shortcodes import look_up

CONDITIONS = ("when-format", "unless-format", "when-meta", "unless-meta")
CLASSES = ("content-visible", "content-hidden")
HTML_FORMATS = {"html", "html4", "html5", "html:js"}


def is_hidden(attributes: list, metadata: dict[str, Any], problems: Problems) -> bool:
    """Say whether an element with these pandoc attributes is left out of an HTML page.

    >>> is_hidden(["", ["content-visible"], [["when-format", "pdf"]]], {}, Problems("a.qmd"))
    True
    """
    _, classes, pairs = attributes
    if not any(name in CLASSES for name in classes):
        return False
    match = True
    for key, value in pairs:
        if key in ("when-profile", "unless-profile"):
            problems.error(
                f"{key} is not supported by the built-in renderer. Supported are {', '.join(CONDITIONS)}. "
                "Use one of them."
            )
        elif key in CONDITIONS:
            holds = value in HTML_FORMATS if key.endswith("format") else look_up(metadata, value) is True
            match = match and holds is key.startswith("when")
    return not match if "content-visible" in classes else match
