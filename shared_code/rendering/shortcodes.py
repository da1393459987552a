"""Replace `{{< name … >}}` in the text of a page. `include` is done earlier, while the page is read."""

from __future__ import annotations

import re
from typing import Any

from .problems import Problems

SUPPORTED = ("include", "meta", "pagebreak")
PATTERN = re.compile(r"\{\{<\s+(?!/\*)(.+?)\s+>\}\}")
ESCAPED = re.compile(r"\{\{\{<(.*?)>\}\}\}")
# A character of the private use area stands for an escaped opening while other shortcodes are replaced.
_PLACEHOLDER = "\ue000"


def look_up(metadata: Any, key: str) -> Any:
    """Find a dotted key in nested metadata; None where it is missing.

    >>> look_up({"study": {"name": "Demo"}}, "study.name")
    'Demo'
    """
    for part in key.split("."):
        if not isinstance(metadata, dict) or part not in metadata:
            return None
        metadata = metadata[part]
    return metadata


def replace_shortcodes(text: str, metadata: dict[str, Any], problems: Problems, line: int, file: str) -> str:
    """Return `text` with its shortcodes replaced; unknown ones become errors that name the line.

    >>> replace_shortcodes("By {{< meta author >}}", {"author": "A"}, Problems("a.qmd"), 1, "a.qmd")
    'By A'
    """

    def one(match: re.Match) -> str:
        here = line + text.count("\n", 0, match.start())
        name, _, rest = match.group(1).partition(" ")
        arguments = rest.split()
        if name == "meta" and len(arguments) == 1:
            value = look_up(metadata, arguments[0])
            if value is None or isinstance(value, (dict, list)):
                problems.error(
                    f"{{{{< meta {arguments[0]} >}}}}: there is no such text in the front matter or _quarto.yml."
                    " Any key with one value is allowed. Add it or correct the name.",
                    here,
                    file,
                )
                return ""
            return str(value).lower() if isinstance(value, bool) else str(value)
        if name == "pagebreak":
            return ""
        if name == "include":
            problems.error("{{< include … >}} must stand alone on its line, with one file name. Move it.", here, file)
            return ""
        problems.error(
            f"shortcode '{name}' is not supported by the built-in renderer. Supported are "
            f"{', '.join(SUPPORTED)}. Write the content in Markdown or in a code cell.",
            here,
            file,
        )
        return ""

    kept = ESCAPED.sub(lambda match: f"{_PLACEHOLDER}{match.group(1)}>}}}}", text)
    return PATTERN.sub(one, kept).replace(_PLACEHOLDER, "{{<")
