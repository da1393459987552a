"""Call pandoc: Markdown to its document tree, and the tree to HTML."""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from typing import Any

import yaml

from .problems import RenderingError

# Footnotes, definition lists, attributes and the other extensions of pandoc's Markdown, as Quarto reads it.
READER = "markdown"


@lru_cache(maxsize=1)
def pandoc_path() -> str:
    """Find pandoc: the one that came with pypandoc, or the one on the PATH. Raise RenderingError without either."""
    try:
        import pypandoc

        return pypandoc.get_pandoc_path()
    except (ImportError, OSError):
        raise RenderingError(
            "the built-in renderer needs pandoc, which was not found. It comes with pypandoc_binary. "
            "Install the locked packages."
        ) from None


def _run(arguments: list[str], text: str, where: str) -> str:
    done = subprocess.run([pandoc_path(), *arguments], input=text, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RenderingError(f"{where}: pandoc cannot read the page: {' '.join(done.stderr.split())}.")
    if "unclosed" in done.stderr:
        raise RenderingError(
            f"{where}: a ::: container is opened and never closed. Each opening line needs a line of colons "
            "as its end. Add it."
        )
    return done.stdout


def read_tree(markdown: str, titles: dict[str, Any], where: str) -> dict[str, Any]:
    """Parse Markdown to pandoc's tree; `titles` are short Markdown texts that come back as its `meta`.

    >>> read_tree("Hello", {"title": "A *b*"}, "a.qmd")["blocks"][0]["t"]
    'Para'
    """
    head = "---\n" + yaml.safe_dump(titles, allow_unicode=True, sort_keys=True) + "---\n\n" if titles else ""
    return json.loads(_run(["--from", READER, "--to", "json"], head + markdown, where))


def write_html(tree: dict[str, Any], where: str) -> str:
    """Write a tree as an HTML fragment: MathML for formulas, so that nothing is loaded from elsewhere."""
    options = ["--from", "json", "--to", "html5", "--mathml", "--wrap=none", "--email-obfuscation=none"]
    return _run(options, json.dumps({**tree, "meta": {}}), where)
