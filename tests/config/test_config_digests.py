"""The digest of a plan changes with everything that can change a number, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_code.config import Study, digests

ENTRY = "analyses.illness"
AGE = f"{ENTRY}.results.ill.dimensions.age"


@pytest.fixture
def root(tmp_path: Path, codelist) -> Path:
    """A checkout with one codelist and one notebook."""
    codelist("asthma,Asthma,ICD10,J45,include,0,")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "illness.ipynb").write_text('{"cells": []}\n', encoding="utf-8")
    return tmp_path


def digest(study, root) -> str:
    return digests.plan(Study.read(study.write()), "illness", root)


MATTERS = [
    ("period.end", "2024-02-01"),
    ("index_date", "2024-01-02"),
    ("study", "tiny_2"),
    (f"{AGE}.bands", [0, 18, 66]),
    (f"{ENTRY}.results.ill.sets", [[]]),
    (f"{ENTRY}.results.ill.once", True),
    (f"{ENTRY}.results.ill.dimensions.sex.values", {"F": "Female", "M": "Male", "I": "Other"}),
    (f"{ENTRY}.parameters.least", 2),
    (f"{ENTRY}.needs", ["person", "death"]),
]
DOES_NOT_MATTER = [
    ("title", "Another title"),
    ("summary", "Another summary"),
    ("coordinator", "Somebody"),
    ("fewest_sites", 3),
    (f"{ENTRY}.title", "Sickness"),
    (f"{ENTRY}.question", "Who is sick?"),
    (f"{ENTRY}.results.ill.title", "Sick people"),
    (f"{AGE}.label", "Age in years"),
    (f"{ENTRY}.results.ill.dimensions.sex.values", {"F": "Women", "M": "Men"}),
    (f"{ENTRY}.findings", []),
    (f"{ENTRY}.figures.ratios.caption", "Another caption"),
    (f"{ENTRY}.figures", {}),
    (f"{ENTRY}.pooled.0.slope", None),
]


@pytest.mark.parametrize(("keys", "value"), MATTERS)
def test_what_changes_a_number_changes_the_digest(study, root, keys, value):
    before = digest(study, root)
    assert digest(study.change(keys, value), root) != before


@pytest.mark.parametrize(("keys", "value"), DOES_NOT_MATTER)
def test_words_and_drawings_do_not_change_it(study, root, keys, value):
    before = digest(study, root)
    assert digest(study.change(keys, value), root) == before


def test_it_changes_with_the_content_of_the_codelist_and_of_the_notebook(study, root, codelist):
    before = digest(study, root)
    codelist("asthma,Asthma,ICD10,J46,include,0,")
    changed = digest(study, root)
    (root / "notebooks" / "illness.ipynb").write_text('{"cells": [1]}\n', encoding="utf-8")
    assert len({before, changed, digest(study, root)}) == 3


def test_line_ends_of_another_system_do_not_change_it(study, root):
    before = digest(study, root)
    for path in [*root.glob("notebooks/*"), *root.glob("config/codelists/*/*")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(study, root) == before


def test_the_digest_of_a_protocol_also_holds_its_disclosure_rules(study, root):
    before = digests.protocol(Study.read(study.write()), root)
    study.change("disclosure.threshold", 11)
    assert digests.protocol(Study.read(study.write()), root) != before
