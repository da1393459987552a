"""Change the code that protects, one operator at a time, and count how many changes the tests notice.

    .venv/bin/python benchmarks/mutation.py [--mutants 60] [--minutes 15] [--seed 1] [--out FILE]

A sample of the places in shared_code/disclosure and shared_code/releases where a comparison, an arithmetic or logical operator,
a number or a truth value can be turned into its neighbour. Each changed module replaces the real one in a process of its
own, which runs the tests that belong to it and stops at the first failure. Nothing is written into the checkout. A
change that no test notices is printed: it is either a gap in the tests or makes no difference to anyone.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import io
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FOLDERS = ("shared_code/disclosure", "shared_code/releases")
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
OPERATED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult}  # fmt: skip
LONGEST = 240  # seconds of processor time for the tests of one change; longer counts as noticed, as it would be in the checks
QUICK = ["tests/disclosure/test_disclosure_counts.py", "tests/disclosure/test_disclosure_joint.py",
         "tests/disclosure/test_disclosure_search.py", "tests/disclosure/test_disclosure_losses.py",
         "tests/disclosure/test_disclosure_events.py", "tests/disclosure/test_disclosure_past.py",
         "tests/disclosure/test_disclosure_pooled.py"]  # fmt: skip
OWN = {
    "pooled": ["tests/disclosure/test_disclosure_pooled.py"], "ladder": ["tests/disclosure/test_disclosure_ladder.py"],
    "rules_records": ["tests/disclosure/test_disclosure_records.py"],
    "rules_models": ["tests/regression/test_regression_steps.py"],
    "record": ["tests/disclosure/test_disclosure_ladder.py"], "rules": ["tests/attacks/test_attacks_formulas.py"],
}  # fmt: skip


def tests_of(module: Path) -> list[str]:
    """List the tests that belong to a module, the nearest first."""
    if module.parent.name == "attacks":
        return [f"tests/attacks/test_attacks_{kind}.py" for kind in ("differences", "formulas", "tables")]
    if "releases" in module.parts:
        nearest = Path(f"tests/releases/test_releases_{module.stem}.py")
        if nearest.is_file():
            return [nearest.as_posix()]
        return [f"tests/releases/test_releases_{name}.py" for name in ("release", "package", "ledger", "approve", "memory")]
    return [*OWN.get(module.stem, []), *QUICK]


def places(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Number every place that can be changed: (number of the node, which change)."""
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.Compare):
            yield from ((number, i) for i, op in enumerate(node.ops) if type(op) in COMPARED)
            continue
        operator = isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATED
        negation = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert)
        value = isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float)
        if operator or negation or value or isinstance(node, ast.BoolOp):
            yield number, 0


def changed(source: str, number: int, which: int) -> tuple[str, int, str]:
    """Change one place: gives the source, its line, and what was changed into what."""
    tree = ast.parse(source)
    node = [*ast.walk(tree)][number]
    before = ast.unparse(node)
    if isinstance(node, ast.Compare):
        node.ops[which] = COMPARED[type(node.ops[which])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = OPERATED[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.Invert) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Constant):
        node.value = (not node.value) if isinstance(node.value, bool) else node.value + 1
    ast.fix_missing_locations(tree)
    return ast.unparse(tree), node.lineno, f"{before}  ->  {ast.unparse(node)}"


class Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Load one module from changed source; all others as usual."""

    def __init__(self, module: Path, source: str) -> None:
        self.name, self.path, self.source = ".".join(module.with_suffix("").parts), module, source

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None

    def get_filename(self, name: str) -> str:
        return str(ROOT / self.path)

    def get_data(self, path: str) -> bytes:
        return self.source.encode()


def tried(module: Path, source: str, answer) -> None:
    """Run the tests of a module with its changed source, in a process that was just forked."""
    import resource

    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
    os.chdir(ROOT)
    sys.meta_path.insert(0, Changed(module, source))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        outcome = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", *tests_of(module)])
    answer.put(int(outcome))


def noticed(module: Path, source: str) -> bool:
    """Say whether the tests of a module fail with this source, or take far too long."""
    fork = multiprocessing.get_context("fork")
    answer = fork.Queue()
    child = fork.Process(target=tried, args=(module, source, answer))
    child.start()
    child.join()
    return child.exitcode != 0 or answer.get() != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a path")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    os.environ.setdefault("COHORTIUM_TABLES", "10")
    import hypothesis  # noqa: F401  (loaded once, before the forks)
    import pandas  # noqa: F401
    import scipy.optimize  # noqa: F401

    os.chdir(ROOT)
    found = (p for folder in FOLDERS for p in Path(folder).rglob("*.py"))
    modules = sorted(p for p in found if p.name != "__init__.py" and chosen.only in p.as_posix())
    for module in (modules[0], modules[-1]):  # the tests pass while nothing is changed, or their failures say nothing
        if noticed(module, module.read_text("utf-8")):
            print(f"the tests of {module} fail, or take too long, without any change")
            return 1
    every = [(m, *place) for m in modules for place in places(ast.parse(m.read_text("utf-8")))]
    random.Random(chosen.seed).shuffle(every)
    end, killed, survived = time.monotonic() + 60 * chosen.minutes, 0, []
    for module, number, which in every[: chosen.mutants]:
        if time.monotonic() > end:
            break
        source, line, what = changed(module.read_text("utf-8"), number, which)
        if noticed(module, source):
            killed += 1
        else:
            survived.append({"where": f"{module.as_posix()}:{line}", "what": what})
        print(f"{killed} of {killed + len(survived)}", "" if not survived else survived[-1], flush=True)
    count = killed + len(survived)
    result = {"places": len(every), "tried": count, "noticed": killed, "score": round(killed / count, 3) if count else None,
              "seed": chosen.seed, "survived": survived}  # fmt: skip
    print(json.dumps(result, indent=2))
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
