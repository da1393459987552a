"""Change the code that protects, one operator at a time, and count how many changes the tests notice.

    .venv/bin/python benchmarks/mutation.py [--mutants 100] [--seed 1] [--minutes 4] [--work FOLDER] [--out FILE]

A random sample of the places in shared_code/disclosure and shared_code/releases where a comparison, an arithmetic or logical
operator, a number or a truth value can be turned into its neighbour; seed and number name the sample (those whose hash with the
seed is smallest, so that a change of one function leaves the rest of the sample as it is). First the tests run once,
and it is noted which lines each of them reaches. Each changed module then replaces the real one in a process of its own, which
runs the tests that reach the changed statement, the quickest first, and stops at the first failure. Nothing is written into
the checkout. What is done is kept in --work: with --minutes the command stops in between (code 75) and goes on when it is
called again; a change that survived is tried again when its tests have changed. A change that no test notices is listed:
it is either a gap in the tests or makes no difference to anyone (mutation_equivalent.json says which was looked at and found
so, and why: "file|line of code|change" -> reason).
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mutation_lines import Chosen, Lines, lines_of

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FOLDERS = ("shared_code/disclosure", "shared_code/releases")
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
OPERATED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult}  # fmt: skip
TESTS = ["tests/disclosure", "tests/releases", "tests/attacks", "tests/reporting/test_review_page.py",
         *(f"tests/pooling/test_pooling_{n}.py" for n in ("receiving", "fuzzed", "publications", "inbox")),
         *(f"tests/regression/test_regression_{n}.py" for n in ("steps", "checks", "tables"))]  # fmt: skip
LEFT_OUT = ("test_a_site_subtracts_its_own[40]", "test_what_a_release_withholds_changes_nothing_that_is_pooled[40]",
            "test_an_independent_validator_accepts_the_description")  # slow, and their shorter sisters reach the same lines
ENOUGH = 12.0  # seconds of processor time of tests that a change is tried against
SLOWER = 3.0  # a change that makes its tests so many times slower, and PATIENCE seconds, counts as noticed
PATIENCE = 20.0
UNFINISHED = 75


def places(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Number every place that can be changed: (number of the node, which change); what says types is left alone."""
    types = {id(part) for node in ast.walk(tree) for said in (getattr(node, "annotation", None), getattr(node, "returns", None))
             if said is not None for part in ast.walk(said)}  # fmt: skip
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in types:
            continue
        if isinstance(node, ast.Compare):
            yield from ((number, i) for i, op in enumerate(node.ops) if type(op) in COMPARED)
            continue
        operator = isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATED
        negation = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert)
        value = isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float)
        if operator or negation or value or isinstance(node, ast.BoolOp):
            yield number, 0


def changed(source: str, number: int, which: int) -> tuple[str, int, str, set[int]]:
    """Change one place: gives the source, its line, what was changed into what, and the lines of its statement."""
    tree = ast.parse(source)
    node = [*ast.walk(tree)][number]
    before, reached = ast.unparse(node), lines_of(tree, node)
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
    return ast.unparse(tree), node.lineno, f"{before}  ->  {ast.unparse(node)}", reached


class Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Load one module from changed source; all others as usual."""

    def __init__(self, module: str, source: str) -> None:
        self.name, self.path, self.source = module.removesuffix(".py").replace("/", "."), module, source

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self, origin=self.path) if name == self.name else None

    def get_filename(self, name: str) -> str:
        return str(ROOT / self.path)

    def get_data(self, path: str) -> bytes:
        return self.source.encode()


def _pytest(answer: Any, paths: list[str], plugin: Any, limit: float, change: Changed | None) -> None:
    """Run tests in a process that was just forked, and give the outcome and what the plugin knows."""
    import resource

    import pytest

    os.chdir(ROOT)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if change is not None:
        sys.meta_path.insert(0, change)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", *(["-x"] if change else [])]
    outcome = int(pytest.main([*options, *paths], plugins=[plugin]))
    answer.put((outcome, getattr(plugin, "tests", None), getattr(plugin, "failed", [])))


def in_fork(*arguments: Any) -> tuple[int | str, Any, Any]:
    """Call `_pytest` in a process of its own; "too long" where it was stopped."""
    fork = multiprocessing.get_context("fork")
    answer = fork.SimpleQueue()
    child = fork.Process(target=_pytest, args=(answer, *arguments))
    child.start()
    while child.is_alive() and answer.empty():
        time.sleep(0.05)
    if not answer.empty():
        result = answer.get()
        child.join()
        return result
    return "too long", None, []


def digest(paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def reached(work: Path, end: float) -> dict[str, Any] | None:
    """Say of every test which lines it reaches and how long it takes; measured for what changed; None when time is up."""
    kept = work / "lines.json"
    known = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
    code = digest([p for folder in FOLDERS for p in Path(folder).rglob("*.py")])
    files = [p for name in TESTS for p in ([Path(name)] if name.endswith(".py") else sorted(Path(name).glob("test_*.py")))]
    for path in files:
        mark = digest([path, Path("tests/conftest.py"), *path.parent.glob("conftest.py")]) + code
        if known.get(path.as_posix(), {}).get("mark") == mark:
            continue
        if time.monotonic() > end:
            return None
        outcome, tests, failed = in_fork([path.as_posix()], Lines(ROOT, FOLDERS, LEFT_OUT), 0, None)
        if outcome not in (0, 5):
            raise SystemExit(f"tests fail without any change, so their failures say nothing: {failed or path}")
        known[path.as_posix()] = {"mark": mark, "tests": tests}
        kept.write_text(json.dumps(known), "utf-8")
        print(f"{path}: {len(tests)} tests", flush=True)
    return {name: found for path in files for name, found in known[path.as_posix()]["tests"].items()}


def drawn(modules: list[str], number: int, seed: int) -> tuple[list[tuple[str, int, int]], int]:
    """Draw places at random; gives them, in the order in which they were drawn, and how many there are."""
    every = []
    for module in modules:
        tree = ast.parse(Path(module).read_text("utf-8"))
        for node, which in places(tree):
            every.append((_draw(seed, module, tree, node, which), module, node, which))
    return [place[1:] for place in sorted(every)[:number]], len(every)


@functools.cache
def _functions(tree: ast.Module) -> dict[int, tuple[str, int]]:
    """Give, for the number of every node, a digest of the top-level statement it stands in and its number in there."""
    walked = {id(node): number for number, node in enumerate(ast.walk(tree))}
    digests = [hashlib.sha256(ast.unparse(top).encode()).hexdigest() for top in tree.body]
    return {walked[id(node)]: (said, within)
            for said, top in zip(digests, tree.body) for within, node in enumerate(ast.walk(top))}  # fmt: skip


def _draw(seed: int, module: str, tree: ast.Module, node: int, which: int) -> str:
    function, within = _functions(tree)[node]
    return hashlib.sha256(f"{seed} {module} {function} {within} {which}".encode()).hexdigest()


def tests_for(module: str, lines: set[int], tests: dict[str, Any]) -> tuple[list[str], float]:
    """List the tests that reach these lines (any line of the module where it is only run on import), quickest first."""
    found = [(t["seconds"], name) for name, t in tests.items()
             if module in t["lines"] and (not lines or not lines.isdisjoint(t["lines"][module]))]  # fmt: skip
    chosen, sum_ = [], 0.0
    for seconds, name in sorted(found):
        if chosen and sum_ + seconds > ENOUGH:
            break
        chosen.append(name)
        sum_ += seconds
    return chosen, sum_


def code_at(module: str, line: int) -> str:
    return Path(module).read_text("utf-8").splitlines()[line - 1].strip()


def tried(module: str, number: int, which: int, tests: dict[str, Any]) -> dict[str, Any]:
    """Try one change against its tests."""
    source, line, what, lines = changed(Path(module).read_text("utf-8"), number, which)
    names, seconds = tests_for(module, lines, tests)
    said = {"where": f"{module}:{line}", "what": what, "tests": len(names), "code": code_at(module, line)}
    if not names:
        return said | {"outcome": "no test"}
    paths = sorted({name.split("::")[0] for name in names})
    outcome = in_fork(paths, Chosen(names), PATIENCE + SLOWER * seconds, Changed(module, source))[0]
    return said | {"outcome": outcome if isinstance(outcome, str) else "survived" if outcome == 0 else "noticed"}


def summary(results: list[dict[str, Any]], every: int, seed: int, equivalent: dict[str, str]) -> dict[str, Any]:
    """Count outcomes, all together and by file, with an exact interval of the score (Clopper and Pearson)."""
    from scipy.stats import binomtest

    def score(part: list[dict[str, Any]]) -> dict[str, Any]:
        killed = sum(r["outcome"] in ("noticed", "too long") for r in part)
        ends = binomtest(killed, len(part)).proportion_ci(0.95, "exact")
        return {"tried": len(part), "noticed": killed, "score": round(killed / len(part), 3),
                "interval": [round(float(e), 3) for e in ends]}  # fmt: skip

    files: dict[str, list[dict[str, Any]]] = {}
    for r in results:
        files.setdefault(r["where"].split(":")[0], []).append(r)
    alive = [r for r in results if r["outcome"] in ("survived", "no test")]
    for r in alive:
        r["equivalent"] = equivalent.get(f"{r['where'].split(':')[0]}|{r['code']}|{r['what']}", "")
    counted = [r for r in results if not r.get("equivalent")]
    return {"places": every, "seed": seed, **score(results), "too_long": sum(r["outcome"] == "too long" for r in results),
            "without_equivalent": score(counted), "files": {name: score(files[name]) for name in sorted(files)},
            "survived": sorted(alive, key=lambda r: r["where"])}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "cohortium-mutation")
    parser.add_argument("--out", type=Path, help="a JSON file")
    chosen = parser.parse_args()
    end = time.monotonic() + 60 * chosen.minutes
    os.environ.update(COHORTIUM_TABLES="10", COHORTIUM_REFRESHES="10")
    import hypothesis  # noqa: F401  (loaded once, before the forks)
    import scipy.optimize  # noqa: F401

    import shared_code.config
    import shared_code.methods  # noqa: F401

    assert not [name for name in sys.modules if name.startswith(("shared_code.disclosure", "shared_code.releases"))]
    os.chdir(ROOT)
    chosen.work.mkdir(parents=True, exist_ok=True)
    modules = sorted(p.as_posix() for folder in FOLDERS for p in Path(folder).rglob("*.py") if p.name != "__init__.py")
    sample, every = drawn(modules, chosen.mutants, chosen.seed)
    tests = reached(chosen.work, end)
    if tests is None:
        print("still noting which test reaches what; call again to go on")
        return UNFINISHED
    kept, results = chosen.work / "done.jsonl", []
    unfinished = False
    done = {r["key"]: r for r in map(json.loads, kept.read_text("utf-8").splitlines())} if kept.is_file() else {}
    for module, number, which in sample:
        source, _, _, lines = changed(Path(module).read_text("utf-8"), number, which)
        key = hashlib.sha256(f"{module}{source}".encode()).hexdigest()[:16]
        names = hashlib.sha256("".join(tests_for(module, lines, tests)[0]).encode()).hexdigest()[:8]
        r = done.get(key)
        if r is None or (r["outcome"] in ("survived", "no test") and r["against"] != names):
            if time.monotonic() > end:
                print(f"{len(results)} of {len(sample)} so far; call again to go on")
                unfinished = True
                break
            r = tried(module, number, which, tests) | {"key": key, "against": names}
            with kept.open("a", encoding="utf-8") as lines_:
                lines_.write(json.dumps(r) + "\n")
            print(r["outcome"], "" if r["outcome"] == "noticed" else (r["where"], r["what"]), flush=True)
        results.append({name: r[name] for name in ("where", "what", "code", "tests", "outcome")})
    noted = Path(__file__).with_name("mutation_equivalent.json")
    equivalent = json.loads(noted.read_text("utf-8")) if noted.is_file() else {}
    result = summary(results, every, chosen.seed, equivalent)
    print({name: value for name, value in result.items() if name not in ("files", "survived")})
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return UNFINISHED if unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
