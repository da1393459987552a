"""Read a .qmd page: front matter, included files, text, verbatim code and executable cells, each with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .problems import Problems, RenderingError

INCLUDE = re.compile(r"^\s*\{\{<\s+include\s+(?:\"([^\"]+)\"|'([^']+)'|(\S+))\s+>\}\}\s*$")
CELL_START = re.compile(r"^(\s*)(```+)\s*\{([A-Za-z][A-Za-z0-9._]*)([ ,].*)?\}\s*$")
FENCE_START = re.compile(r"^\s*(```+|~~~+)(.*)$")
OPTION = re.compile(r"^#\s*\| ?(.*)$")


@dataclass(frozen=True)
class Line:
    """One line of text and where it was written."""

    text: str
    file: str
    number: int


@dataclass
class Block:
    """A stretch of a page: `kind` is "text", "verbatim" or "cell"; `source` has no options lines."""

    kind: str
    source: str
    file: str
    line: int
    indent: str = ""
    option_lines: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)


@dataclass
class Source:
    """A page as read: its metadata and its blocks in order."""

    metadata: dict[str, Any]
    blocks: list[Block]


def read_source(path: Path, root: Path, problems: Problems) -> Source:
    """Read a page below the project folder `root`, with its included files.

    Faults are added to `problems`; a page that cannot be read at all raises RenderingError.
    """
    lines = _lines(path, root, problems)
    metadata: dict[str, Any] = {}
    if lines and lines[0].text.strip() == "---":
        end = next((i for i, line in enumerate(lines[1:], 1) if line.text.strip() in ("---", "...")), None)
        if end is None:
            problems.error("the front matter never ends. It ends with a line of three hyphens. Add one.", 1)
            return Source({}, [])
        try:
            metadata = yaml.safe_load("\n".join(line.text for line in lines[1:end])) or {}
        except yaml.YAMLError as error:
            problems.error(f"the front matter is not valid YAML: {_one_line(error)}. Put that line right.", 1)
        if not isinstance(metadata, dict):
            problems.error("the front matter is not a list of 'key: value' lines. Write it so.", 1)
            metadata = {}
        lines = lines[end + 1 :]
    expanded = _expand(lines, path, root, problems, (path.resolve(),))
    return Source(metadata, _blocks(expanded, problems))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _name(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.name


def _lines(path: Path, root: Path, problems: Problems) -> list[Line]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RenderingError(f"{_name(path, root)}: cannot be read as UTF-8 text ({_one_line(error)}).") from None
    return [Line(line, _name(path, root), number) for number, line in enumerate(text.splitlines(), 1)]


def _expand(lines: list[Line], path: Path, root: Path, problems: Problems, chain: tuple[Path, ...]) -> list[Line]:
    """Put included files in place of their shortcodes, outside code; cycles and missing files become errors."""
    result: list[Line] = []
    fence = ""
    for line in lines:
        match = INCLUDE.match(line.text) if not fence else None
        if match is None:
            fence = _next_fence(fence, line.text)
            result.append(line)
            continue
        name = next(group for group in match.groups() if group)
        target = root / name.lstrip("/") if name.startswith("/") else path.parent / name
        if target.resolve() in chain:
            names = " → ".join(_name(step, root) for step in (*chain, target.resolve()))
            problems.error(
                f"files include each other in a circle ({names}). Each may be included again only outside "
                "itself. Remove one include.",
                line.number,
                line.file,
            )
        elif not target.is_file():
            problems.error(
                f"include '{name}': there is no such file. Paths start at the folder of the file that "
                "includes, or with / at the project. Correct the name.",
                line.number,
                line.file,
            )
        else:
            inside = _lines(target, root, problems)
            if inside and inside[0].text.strip() == "---":
                problems.error(
                    "an included file has front matter. Only pages have front matter. Move it to the page.",
                    1,
                    inside[0].file,
                )
            # Blank lines keep the included text apart from what surrounds it.
            blank = Line("", line.file, line.number)
            result += [blank, *_expand(inside, target, root, problems, (*chain, target.resolve())), blank]
    return result


def _next_fence(fence: str, text: str) -> str:
    """Follow code fences line by line: the fence that is open after this line, or ""."""
    match = FENCE_START.match(text)
    if match is None:
        return fence
    marks, rest = match.groups()
    if not fence:
        inline = marks[0] == "`" and "`" in rest
        return "" if inline else marks
    return "" if marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip() else fence


def _blocks(lines: list[Line], problems: Problems) -> list[Block]:
    blocks: list[Block] = []
    text: list[Line] = []
    index = 0

    def flush() -> None:
        # One block for each run of lines of the same file, so that line numbers stay true.
        start = 0
        for position in range(1, len(text) + 1):
            if position == len(text) or not _follows(text[position - 1], text[position]):
                run = text[start:position]
                blocks.append(Block("text", "\n".join(line.text for line in run), run[0].file, run[0].number))
                start = position
        text.clear()

    while index < len(lines):
        line = lines[index]
        fence = _next_fence("", line.text)
        if not fence:
            if _is_second_front_matter(lines, index):
                problems.error(
                    "a second block of front matter. Only the top of a page has one. Move the keys there, or "
                    "write *** for a horizontal rule.",
                    line.number,
                    line.file,
                )
            text.append(line)
            index += 1
            continue
        flush()
        end, inner = index + 1, fence
        while end < len(lines) and (inner := _next_fence(inner, lines[end].text)):
            end += 1
        if end == len(lines):
            problems.error(
                "a code block never ends. It ends with the same fence that starts it. Add it.", line.number, line.file
            )
        blocks.append(_code(lines[index : end + 1], problems))
        index = end + 1
    flush()
    return blocks


def _follows(before: Line, after: Line) -> bool:
    return before.file == after.file and after.number == before.number + 1


def _is_second_front_matter(lines: list[Line], index: int) -> bool:
    if lines[index].text.rstrip() != "---" or index + 1 >= len(lines):
        return False
    after_blank = index == 0 or not lines[index - 1].text.strip()
    return after_blank and bool(re.match(r"^[\w-]+\s*:", lines[index + 1].text))


def _code(lines: list[Line], problems: Problems) -> Block:
    first = lines[0]
    start = CELL_START.match(first.text)
    if start is None:
        if re.match(r"^\s*(```+|~~~+)\s*\{\{", first.text):
            problems.error(
                "a code block that shows cell syntax ({{…}}) is not supported by the built-in renderer. "
                "Put it into a longer fence of four ticks.",
                first.number,
                first.file,
            )
        return Block("verbatim", "\n".join(line.text for line in lines), first.file, first.number)
    indent, _, language, rest = start.groups()
    if language != "python":
        problems.error(
            f"cells in '{language}' are not supported by the built-in renderer. Supported is python. "
            f"Write ```{{.{language}}} to show code without running it.",
            first.number,
            first.file,
        )
    if (rest or "").strip():
        problems.error(
            f"options in the braces ('{rest.strip()}') are not supported. Options are '#| key: value' lines "
            "at the top of the cell. Move them there.",
            first.number,
            first.file,
        )
    body = [line.text.removeprefix(indent) for line in lines[1:-1]]
    count = 0
    while count < len(body) and OPTION.match(body[count]):
        count += 1
    option_lines = body[:count]
    given: Any = {}
    try:
        given = yaml.safe_load("\n".join(OPTION.sub(r"\1", text) for text in option_lines)) or {}
        if not isinstance(given, dict):
            raise yaml.YAMLError("the lines are not 'key: value'")
    except yaml.YAMLError as error:
        problems.error(
            f"the #| options are not valid YAML: {_one_line(error)}. Quote values that hold a colon.",
            first.number,
            first.file,
        )
        given = {}
    return Block("cell", "\n".join(body[count:]).strip("\n"), first.file, first.number, indent, option_lines, given)
