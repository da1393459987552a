"""Turn executed cells and inline values into Markdown for pandoc, and figures into files."""

from __future__ import annotations

import ast
import base64
import html
import re
from typing import Any

from .kernel import ANSI, INLINE, Executed
from .options import CellOptions
from .problems import Problems
from .shortcodes import replace_shortcodes

# Quarto's order of preference for HTML pages.
PREFERENCE = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain")
IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
INTERACTIVE = ("application/vnd.jupyter.widget-view+json", "application/javascript")
STYLER_ID = re.compile(r'id="T_([0-9a-f]{5})"')
# Python names the file of a warning after its process; that number is different in every run.
CELL_FILE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py")
# More colons than any page would write, so that a cell's content cannot close its container.
COLONS = ":" * 12
DROPPED = ("[<matplotlib", "<matplotlib", "<seaborn.")


def _fence(text: str, attributes: str) -> str:
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{ticks} {attributes}\n{text.rstrip()}\n{ticks}\n"


def _div(attributes: str, content: str) -> str:
    return f"\n{COLONS} {{{attributes}}}\n\n{content}\n\n{COLONS}\n"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()>#+\-.!<@$^~|])", r"\\\1", text)


def _is_display(output: dict[str, Any]) -> bool:
    return output["output_type"] in ("display_data", "execute_result")


def inline_text(answer: dict[str, Any]) -> str:
    """Write an inline value as Markdown, as Quarto does: text is escaped, numbers stay, Markdown stays Markdown.

    >>> inline_text({"data": {"text/plain": "'a_b'"}})
    'a\\\\_b'
    """
    data = answer.get("data", {})
    if "text/html" in data:
        return f"`{data['text/html']}`{{=html}}"
    if "text/markdown" in data:
        return data["text/markdown"]
    text = data.get("text/plain", "")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return _escape(ast.literal_eval(text))
    return text


class PageOutputs:
    """Write the Markdown of one page; `figures` collects file name (below `folder`) and content."""

    def __init__(self, folder: str, metadata: dict[str, Any], problems: Problems):
        self.folder = folder
        self.metadata = metadata
        self.problems = problems
        self.figures: dict[str, bytes] = {}
        self._styled = 0
        self._cells = 0

    def markdown(self, item: Executed) -> str:
        """Return the Markdown of one executed block."""
        if item.block.kind == "text":
            for answer in item.values:
                text = answer.get("data", {}).get("text/plain", "")
                if text.startswith("np."):
                    self.problems.warning(
                        f"inline code shows '{text}', a NumPy value as Python writes it. Text, int and "
                        "float read well. Wrap it in float(), or format it.",
                        item.block.line,
                        item.block.file,
                    )
            values = iter(item.values)
            return INLINE.sub(lambda match: match.group(1) + inline_text(next(values)), item.block.source)
        if item.block.kind == "verbatim":
            return item.block.source
        self._cells += 1
        if not item.options.include:
            return ""
        text = self._cell(item)
        return "\n".join(item.block.indent + line for line in text.split("\n")) if item.block.indent else text

    def _cell(self, item: Executed) -> str:
        options = item.options
        code = self._code(item) if options.echo else ""
        shown = (
            [output for output in item.outputs if self._is_shown(output, options, item.outputs)]
            if options.output
            else []
        )
        if options.output == "asis" and not options.kind:
            parts = [code, *(self._output(output, number, item) for number, output in enumerate(shown, 1))]
            return "\n" + "\n".join(parts) + "\n"
        if options.kind:
            # Printed text is no part of the figure or table.
            code += "".join(self._output(output, 0, item) for output in shown if not _is_display(output))
            shown = [output for output in shown if _is_display(output)]
            if len(shown) > 1:
                self.problems.error(
                    f"cell '{options.label or options.kind}' shows {len(shown)} things. A cell with a caption or label "
                    "shows one figure or table. Use one cell for each, and end other lines with a semicolon.",
                    item.block.line,
                    item.block.file,
                )
        body = "\n".join(self._output(output, number, item) for number, output in enumerate(shown, 1))
        if options.kind and not body and options.output and options.eval:
            self.problems.error(
                f"cell '{options.label or options.kind}' has a caption or label but shows nothing. A labelled "
                "cell shows one figure or table. Show it on the last line.",
                item.block.line,
                item.block.file,
            )
        if options.kind and body:
            caption = options.figure_caption if options.kind == "fig" else options.table_caption
            if caption and INLINE.search(caption):
                self.problems.error(
                    "a caption holds inline code, which is run only in the text. Write the caption in words.",
                    item.block.line,
                    item.block.file,
                )
            if caption:
                body += _div(".float-caption", self._filled(caption, item))
            name = f"#{options.label} " if options.label else ""
            body = _div(f"{name}.cell-float .cell-{options.kind}", body)
        classes = " ".join(["." + name for name in ("cell", *options.classes)])
        name = f"#{options.label} " if options.label and not options.kind else ""
        return _div(name + classes, code + "\n" + body) if code or body else ""

    def _code(self, item: Executed) -> str:
        options, source = item.options, item.block.source
        if not source:
            return ""
        if options.echo == "fenced":
            lines = [line for line in item.block.option_lines if not re.search(r"\|\s+echo:\s+fenced\s*$", line)]
            source = "\n".join(["```{python}", *lines, source, "```"])
            return _fence(source, "{.cell-code}")
        text = _fence(source, "{.python .cell-code}")
        if options.fold:
            state = " open" if options.fold == "open" else ""
            head = f'<details class="code-fold"{state}>\n<summary>{html.escape(options.summary)}</summary>\n'
            return _fence(head, "{=html}") + "\n" + text + "\n" + _fence("</details>", "{=html}")
        return text

    def _is_shown(self, output: dict, options: CellOptions, everything: list) -> bool:
        if output["output_type"] == "stream":
            return output["name"] == "stdout" or bool(options.warning)
        if output["output_type"] != "execute_result" or list(output["data"]) != ["text/plain"]:
            return True
        # What drawing functions return beside the figure is of no interest, as in Quarto.
        text = output["data"]["text/plain"].strip()
        has_image = any(kind in IMAGES for other in everything for kind in other.get("data", {}))
        if not has_image:
            return not text.startswith(DROPPED)
        if "\n" in text:
            return "<matplotlib." not in text
        return not (re.fullmatch(r"[<(\[].*[>)\]]", text) or re.match(r"Text\([-\d]", text) or "<matplotlib." in text)

    def _output(self, output: dict, number: int, item: Executed) -> str:
        kind = output["output_type"]
        if kind == "stream":
            if item.options.output == "asis" and output["name"] == "stdout":
                return self._filled(output["text"], item)
            text = CELL_FILE.sub("cell", ANSI.sub("", output["text"]))
            return _div(f".cell-output .cell-output-{output['name']}", _fence(text, "{.output}"))
        if kind == "error":
            text = f"{ANSI.sub('', output['ename'])}: {ANSI.sub('', output['evalue'])}"
            return _div(".cell-output .cell-output-error", _fence(text, "{.output}"))
        data = output.get("data", {})
        if any(name in data for name in INTERACTIVE):
            self.problems.error(
                "a cell shows an interactive widget or script. Tables, text and PNG or SVG figures are "
                "supported. Show a still figure.",
                item.block.line,
                item.block.file,
            )
            return ""
        chosen = next((name for name in PREFERENCE if name in data), None)
        if chosen is None:
            return ""
        return self._shown(chosen, data[chosen], output.get("metadata", {}), number, item)

    def _shown(self, mime: str, content: str, metadata: dict, number: int, item: Executed) -> str:
        asis = item.options.output == "asis"
        if mime in IMAGES:
            return self._image(mime, content, metadata.get(mime, {}), number, item)
        if mime == "text/html":
            body = _fence(self._steady(content), "{=html}")
        elif mime == "text/markdown":
            body = self._filled(content, item)
        elif mime == "text/latex":
            body = content if content.lstrip().startswith("$") else f"$$\n{content}\n$$"
        else:
            body = _fence(content, "{.output}")
        return body if asis else _div(".cell-output .cell-output-display", body)

    def _filled(self, text: str, item: Executed) -> str:
        """Replace the shortcodes in what a cell says, as Quarto does after the run."""
        return replace_shortcodes(text, self.metadata, self.problems, item.block.line, item.block.file)

    def _steady(self, content: str) -> str:
        """Replace the random name that pandas gives a styled table by a number."""
        for name in dict.fromkeys(STYLER_ID.findall(content)):
            self._styled += 1
            content = content.replace(f"T_{name}", f"T_{self._styled:05d}")
        return content

    def _image(self, mime: str, content: str, metadata: dict, number: int, item: Executed) -> str:
        options = item.options
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", options.label or f"cell-{self._cells + 1}")
        name = f"{self.folder}/figure-html/{stem}-output-{number}.{IMAGES[mime]}"
        self.figures[name] = content.encode() if mime == "image/svg+xml" else base64.b64decode(content)
        alt = options.figure_alt[min(number, len(options.figure_alt)) - 1] if options.figure_alt else ""
        if not alt and not options.figure_caption:
            self.problems.warning(
                "a figure has no alternative text. Readers who cannot see it learn nothing. Add "
                "'#| fig-alt: …' to the cell.",
                item.block.line,
                item.block.file,
            )
        alt = " ".join((alt or re.sub(r"[*_`]", "", options.figure_caption or "")).split())
        size = "".join(f' {key}="{int(metadata[key])}"' for key in ("width", "height") if metadata.get(key))
        tag = f'<img src="{html.escape(name)}" alt="{html.escape(alt)}"{size}>'
        if options.figure_link:
            tag = f'<a href="{html.escape(str(options.figure_link))}">{tag}</a>'
        return _div(".cell-output .cell-output-display", _fence(f"<p>{tag}</p>", "{=html}"))
