"""One stem: entry, notebook, results, figures and report page carry the same name, and notebooks keep their form."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from shared_code.cli import generated
from shared_code.config import Study
from shared_code.reporting.stage import pages_of

ROOT = Path(__file__).parents[2]
STUDIES = {path.stem: Study.read(path) for path in sorted((ROOT / "config").glob("study*.yaml"))}
ENTRIES = [(name, stem) for name, study in STUDIES.items() for stem in study.analyses]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ORDER = ["question", "parameters", "load", "definition", "count", "table", "reading", "save"]


@pytest.mark.parametrize("study, stem", ENTRIES)
def test_an_entry_has_its_notebook_and_its_page(study: str, stem: str):
    entry = STUDIES[study].analyses[stem]
    assert (ROOT / "notebooks" / f"{stem}.ipynb").is_file() != entry.tables_only
    page = (ROOT / "reports" / f"{stem}.qmd").read_text("utf-8")
    for figure in entry.figures:
        assert f'"{stem}.{figure}"' in page, f"the page does not show the figure {figure}"
    assert f"](plans/{stem}.html)" in page, "the page does not lead to its plan"


@pytest.mark.parametrize("study, stem", ENTRIES)
def test_the_months_of_every_table_that_is_counted_are_judged(study: str, stem: str):
    """An empty month reads as nobody. Who is missing in it is found by `received:TABLE`, or the entry says why not."""
    entry = STUDIES[study].analyses[stem]
    assert entry.unjudged_months() == [], "add received: lines, or say why under months_not_judged"
    tables = {name.partition(".")[0] for name in [*entry.needs, *entry.uses]}
    assert set(entry.months_not_judged) <= tables, "a reason for a table that it does not read"
    assert all(len(why) > 10 for why in entry.months_not_judged.values())


def test_a_table_that_is_not_judged_is_found():
    entry = STUDIES["study"].analyses["shielded_people"]
    lines = {name: least for name, least in entry.minimum_quality.items() if name != "received:admission"}
    assert entry.model_copy(update={"minimum_quality": lines}).unjudged_months() == ["admission"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_belongs_to_an_entry(path: Path):
    assert path.stem in {stem for _, stem in ENTRIES}


@pytest.mark.parametrize("study", STUDIES)
def test_every_page_of_a_study_exists(study: str):
    assert all((ROOT / "reports" / f"{page}.qmd").is_file() for page in pages_of(STUDIES[study]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_keeps_the_form(path: Path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    ids = [cell["id"] for cell in notebook.cells]
    verbs = [cell_id.split("-")[0] for cell_id in ids]
    assert list(dict.fromkeys(verbs)) == ORDER, f"cells are {ids}"
    kinds = {cell["id"]: cell.cell_type for cell in notebook.cells}
    assert all(kinds[i] == "markdown" for i in ids if i in ("question", "definition", "reading"))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "stored with outputs"
    assert [c["id"] for c in code if "parameters" in c.metadata.get("tags", [])] == ["parameters"]
    lines = sum(len([x for x in c.source.splitlines() if x.strip() and not x.strip().startswith("#")]) for c in code)
    assert lines <= 45, f"{lines} lines of code: the computing belongs in shared_code"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_parameter_has_a_comment(path: Path):
    cell = next(c for c in nbformat.read(path, 4).cells if c["id"] == "parameters")
    for line in cell.source.splitlines():
        assert re.fullmatch(r"[a-z_]+ = .+ # .+", line), line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_imports_only_shared_code(path: Path):
    source = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert all(a.name.startswith("shared_code") for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.module.startswith("shared_code")
        assert not isinstance(node, ast.FunctionDef | ast.ClassDef), "functions belong in shared_code"


def test_reports_compute_nothing():
    """Pages ask for findings, figures and tables; arithmetic and data frames belong in shared_code."""
    for path in (ROOT / "reports").glob("*.qmd"):
        text = path.read_text("utf-8")
        cells = re.findall(r"```\{python\}\n(.*?)```", text, re.DOTALL)
        for cell in cells:
            tree = ast.parse(re.sub(r"^#\|.*$", "", cell, flags=re.MULTILINE))
            for node in ast.walk(tree):
                if isinstance(node, ast.BinOp):
                    joins = isinstance(node.op, ast.Add) and "\\n" in ast.unparse(node)
                    threshold = ast.unparse(node) == "rules['threshold'] - 1"
                    assert joins or threshold, f"{path.name} computes {ast.unparse(node)}"
                if isinstance(node, ast.Import | ast.ImportFrom):
                    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                    assert module in ("IPython.display",) or module.startswith("shared_code.reporting"), module


def test_generated_files_equal_their_source():
    assert generated.write(check=True) == [], "run `cohortium generate`"


def test_the_two_locks_agree_and_cover_the_declared_packages():
    run, test = (generated.locked_versions(ROOT / name) for name in ("requirements.lock", "requirements-test.lock"))
    assert {name: version for name, version in run.items() if test.get(name) != version} == {}
    assert set(generated.direct_dependencies()) <= set(run)


def test_every_package_in_a_lock_has_a_hash():
    for name in ("requirements.lock", "requirements-test.lock"):
        entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text("utf-8"))
        assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)


def test_conda_lists_the_versions_of_the_lock():
    listed = dict(re.findall(r"^  - ([a-z0-9-]+)=([^ =]+)$", (ROOT / "environment.yml").read_text("utf-8"), re.MULTILINE))
    versions = generated.locked_versions()
    expected = {generated.CONDA.get(name, name): versions[name] for name in generated.direct_dependencies()}
    assert {k: v for k, v in listed.items() if k != "python"} == expected
    assert "  - quarto" in (ROOT / "environment.yml").read_text("utf-8")


def test_rooms_are_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {"/data/", "/private/", "/outbox/", "/inbox/", "/public/"} <= set(ignored)


def test_the_readme_ends_with_the_benchmarks_as_they_were_measured():
    """Every line of the table, but of one site only its largest size."""
    measured = [line for line in (ROOT / "benchmarks" / "results.md").read_text("utf-8").splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(measured) > 20
    section, shown = "", []
    for line in measured:
        section = line if line.startswith("| **") else section
        shown += [] if section.startswith("| **One site of") and "1,000,000" not in section else [line]
    at = readme.index(shown[0])
    assert readme[at : at + len(shown)] == shown
