"""What is refused before anything runs, and what the message says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_output

from shared_code.execution import NotebookRefused, run_notebook

GIVEN = {"site": "demo_b", "year": 2023}


def refusal(study: Any, given: dict[str, Any], allow_defaults: tuple[str, ...] = (), **cell: str) -> str:
    """Return the message with which a run is refused; an older result must be gone afterwards."""
    source = study.root / "notebooks" / "deaths.ipynb"
    if not source.exists():
        study.notebook("deaths", **cell)
    target = study.root / "private" / "deaths.ipynb"
    target.parent.mkdir(exist_ok=True)
    target.write_text("an older result")
    with pytest.raises(NotebookRefused) as caught:
        run_notebook(source, target, given, study.root, allow_defaults)
    assert not target.exists()
    return str(caught.value)


def test_all_problems_are_told_together_with_the_near_match(fresh_study: Any) -> None:
    lines = refusal(fresh_study, {"sight": "x", "yaer": 2023, "colour": 1}).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("notebooks/deaths.ipynb, cell 'parameters': ") for line in lines)
    assert "'yaer' was given but is not assigned there. Allowed: site, year. Did you mean 'year'?" in lines[1]
    assert "Did you mean" not in lines[2]
    assert "'year' was not given" in lines[4]
    assert "Given was 'yaer'." in lines[4]


def test_a_missing_parameter_is_refused_unless_its_default_is_allowed(fresh_study: Any) -> None:
    assert "'year' was not given" in refusal(fresh_study, {"site": "demo_b"})
    assert "'yeer' is allowed to keep its default but is not" in refusal(fresh_study, GIVEN, allow_defaults=("yeer",))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Path("a"), "of type PosixPath"),
        ((1, 2), "of type tuple"),
        ({1: 2}, "keys are not text"),
        ([1, float("nan")], "nan"),
    ],
)
def test_values_that_would_lose_their_type_are_refused(fresh_study: Any, value: object, says: str) -> None:
    assert says in refusal(fresh_study, {"site": value, "year": 1}).replace("WindowsPath", "PosixPath")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("site = 'a'\nsite = 'b'", "line 2 assigns 'site' a second time"),
        ("site, year = 'a', 1", "line 1 is not a plain assignment"),
        ("site = (", "was never closed"),
        ("%time site = 1", "invalid syntax"),
    ],
)
def test_a_parameters_cell_that_is_more_than_assignments_is_refused(fresh_study: Any, cell: str, says: str) -> None:
    assert says in refusal(fresh_study, GIVEN, parameters=cell)


def test_stored_outputs_are_refused(fresh_study: Any) -> None:
    source = fresh_study.notebook("deaths", "1")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", text="7 people")]
    nbformat.write(notebook, source)
    assert "outputs are stored in cells step-1. Allowed: a notebook without outputs" in refusal(fresh_study, GIVEN)


@pytest.mark.parametrize("tag", ["", "injected-parameters"])
def test_a_notebook_without_its_parameters_cell_is_refused(fresh_study: Any, tag: str) -> None:
    source = fresh_study.notebook("deaths")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[0].metadata.tags = [tag] if tag else []
    nbformat.write(notebook, source)
    assert "no code cell is tagged 'parameters'" in refusal(fresh_study, GIVEN)


def test_other_languages_and_other_files_are_refused(fresh_study: Any) -> None:
    source = fresh_study.notebook("deaths")
    notebook = nbformat.read(source, as_version=4)
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    nbformat.write(notebook, source)
    assert "its language is R" in refusal(fresh_study, GIVEN)
    source.write_text("not JSON")
    assert "this is not a notebook" in refusal(fresh_study, GIVEN)


def test_the_source_is_never_its_own_target(fresh_study: Any) -> None:
    source = fresh_study.notebook("deaths")
    with pytest.raises(NotebookRefused, match="the same file"):
        run_notebook(source, source, GIVEN, fresh_study.root)
    assert source.exists()
