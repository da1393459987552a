"""Note which tests reach which lines, so that a change is tried against the tests that can notice it (for mutation.py)."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

EXAMPLES = 10  # of tests with made-up examples: fewer than in the checks, so that the score is rather too low


def shortened(items: list[Any]) -> None:
    """Let tests with made-up examples try fewer of them."""
    import hypothesis

    for item in items:
        settings = getattr(item.obj, "_hypothesis_internal_use_settings", None)
        if settings is not None:
            fewer = hypothesis.settings(settings, max_examples=min(settings.max_examples, EXAMPLES), database=None)
            getattr(item.obj, "__func__", item.obj)._hypothesis_internal_use_settings = fewer


class Lines:
    """A pytest plugin: the lines of some folders that every test runs, and the seconds of processor time it takes.

    What a fixture of a module or a session runs counts for every test that asks for the fixture.
    """

    def __init__(self, root: Path, folders: tuple[str, ...], left_out: tuple[str, ...] = ()) -> None:
        self.left_out = left_out
        self.inside = tuple(str(root / folder) + os.sep for folder in folders)
        self.root = root
        self.current: set[tuple[str, int]] = set()
        self.known: dict[CodeType, bool] = {}
        self.fixtures: dict[str, set[tuple[str, int]]] = {}
        self.tests: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if not item.nodeid.endswith(self.left_out)]
        shortened(items)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if code not in self.known:
            self.known[code] = code.co_filename.startswith(self.inside)
        return self._line if self.known[code] else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.current.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        outside, self.current = self.current, set()
        sys.settrace(self._called)
        yield
        self.fixtures.setdefault(fixturedef.argname, set()).update(self.current)
        self.current = outside | self.current

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.current = set()
        started = time.process_time()
        sys.settrace(self._called)
        yield
        sys.settrace(None)
        found = set(self.current)
        for name in getattr(item, "fixturenames", ()):
            found |= self.fixtures.get(name, set())
        lines: dict[str, list[int]] = {}
        for path, line in sorted(found):
            lines.setdefault(Path(path).relative_to(self.root).as_posix(), []).append(line)
        self.tests[item.nodeid] = {"seconds": round(time.process_time() - started, 3), "lines": lines}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


class Chosen:
    """A pytest plugin: keep these tests, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.order = {name: number for number, name in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda item: self.order[item.nodeid])
        shortened(items)


def lines_of(tree: ast.AST, node: ast.AST) -> set[int]:
    """Give the lines of the statement (or of the head of the block) that a node stands in; empty outside any function.

    >>> tree = ast.parse("X = 1\\ndef f(a):\\n    if (a >\\n            2):\\n        return a")
    >>> [sorted(lines_of(tree, n)) for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    [[], [3, 4]]
    """
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    statement = node
    while not isinstance(statement, ast.stmt | ast.excepthandler | ast.match_case):
        statement = parents[statement]
    above = parents.get(statement)
    while above is not None and not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        above = parents.get(above)
    if above is None:
        return set()
    first = getattr(statement, "lineno", getattr(node, "lineno", 0))
    last = getattr(statement, "end_lineno", first) or first
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        last = max(first, body[0].lineno - 1)
        if isinstance(statement, ast.match_case):
            first = min(first, getattr(node, "lineno", first))
    return set(range(first, last + 1))
