"""Attacks on files: what a package, a picture, a log or a notebook tells beside its numbers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

from shared_code.config import Policy, Site, Study
from shared_code.disclosure.attacks import marks
from shared_code.releases import package
from shared_code.releases.attacks import files
from shared_code.releases.cells import from_csv, to_csv
from shared_code.releases.release import release
from shared_code.reporting.review import Draft, review_page
from shared_code.reporting.review.figures import bars

matplotlib.use("agg")
ROOT = Path(__file__).parents[2]
COUNTS = {"title": "t", "layout": "counts", "dimensions": {"sex": {"values": {"F": "f", "M": "m"}}, "ward": {"local": True}}}
STUDY = Study.model_validate({
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": {"title": "t", "question": "q", "pooled": [], "results": {"ill": COUNTS}}},
})  # fmt: skip
SITE = Site.model_validate({"site": "north", "title": "North", "controller": "x", "studies": ["tiny"],
                            "extract_date": "2024-02-01"})  # fmt: skip
LEVELS = {"sex": ["F", "M"], "ward": ["A", "B"]}


def wide(secret: int, wards=("A", "B")) -> pd.DataFrame:
    rows = [("F", wards[0], 500, secret), ("F", wards[1], 500, 90), ("M", wards[0], 500, 80), ("M", wards[1], 500, 70)]
    return pd.DataFrame(rows, columns=["sex", "ward", "people", "cases"])


@pytest.fixture
def released(tmp_path):
    """Give a function: wide table -> the package that would leave, as bytes."""

    def make(table: pd.DataFrame) -> bytes:
        (tmp_path / "results" / "illness").mkdir(parents=True, exist_ok=True)
        table.to_parquet(tmp_path / "results" / "illness" / "ill.parquet")
        release(SITE, STUDY, tmp_path / "results", tmp_path / "north.zip")
        return (tmp_path / "north.zip").read_bytes()

    return make


def by_hand(table: pd.DataFrame) -> bytes:
    """A CSV as people make it: sorted by size, small numbers left out or starred."""
    shown = table.assign(cases=["*" * n if n < 10 else str(n) for n in table["cases"]]).sort_values("cases")
    return shown.to_csv(index=False).encode()


def test_the_size_of_a_file(released):
    """A star per person is a joke; a column as wide as its longest number is not."""
    assert len(by_hand(wide(2))) != len(by_hand(wide(9)))
    assert len(released(wide(2))) == len(released(wide(9)))


@pytest.mark.parametrize("other", [1, 2, 5, 8, 9])
def test_two_worlds_that_differ_in_the_secret_send_the_same_bytes(released, other):
    """Whatever else a package may tell, by order, sizes, marks, counts or names: it tells nothing of the secret."""
    assert by_hand(wide(3)) != by_hand(wide(other))
    assert released(wide(3)) == released(wide(other))


def cells_of(content: bytes) -> pd.DataFrame:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return from_csv(archive.read("tables/illness.ill.csv"))


def test_the_order_of_rows(released):
    shuffled = cells_of(released(wide(3))).sort_values("upper", ascending=False, ignore_index=True)
    assert marks.order(shuffled) == "its rows are in an order of their own"
    assert marks.order(cells_of(released(wide(3).iloc[::-1]))) == ""


def test_missing_rows(released):
    """A row left out because its number is small is as good as a mark."""
    cells = cells_of(released(wide(3)))
    gone = cells.drop(index=cells.index[(cells["sex"] == "F") & (cells["ward"] == "A") & (cells["statistic"] == "cases")])
    assert marks.missing_rows(gone, LEVELS)
    assert marks.missing_rows(cells, LEVELS) == []


def test_different_marks(declare, release_ours):
    """"< 10" for small numbers and "withheld" for those that protect them tells which is which."""
    declared = declare({"sex": ["F", "M"]})
    cells = pd.DataFrame({"sex": ["F", "M"], "statistic": "cases", "value": None, "status": "withheld", "lower": [1, 0],
                          "upper": [9, 400]})  # fmt: skip
    assert list(marks.told_apart({"a.t": (declared, cells)}, 10)) == [("a.t", "cases", ("F",), 1, 9)]
    ours = release_ours({"a.t": (declared, pd.DataFrame({"sex": ["F", "M"], "people": [500, 500], "cases": [3, 493]}))})
    kinds = set(ours["a.t"][1].query("status == 'withheld'")["status"])
    assert kinds == {"withheld"}  # one mark for every reason


def test_when_files_were_written(released):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = b"made at 03:12 on the machine of the analyst"
        archive.writestr("tables/illness.ill.csv", "x")
    told = files.archive(buffer.getvalue())
    assert "a comment of the archive" in told and any("when it was written" in line for line in told)
    assert files.archive(released(wide(3))) == []


@pytest.mark.parametrize(("name", "content"), [
    ("run.log", b"person 9434765919 has no date of birth"), ("notebooks/ill.ipynb", b'{"cells": []}'),
    ("tables/illness.ill.xlsx", b"PK"), ("tables/born 01021950.csv", b"x"), ("tables/../../secret.csv", b"x"),
])  # fmt: skip
def test_files_and_file_names_that_nobody_declared(name, content, released, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    assert any("not a file that a package holds" in line for line in files.archive(buffer.getvalue()))
    with zipfile.ZipFile(io.BytesIO(released(wide(3)))) as archive:
        assert all(files.ALLOWED.fullmatch(n) for n in archive.namelist())


def test_what_a_notebook_printed():
    cell = {"cell_type": "code", "outputs": [{"text": "9434765919"}]}
    assert files.inside("a.ipynb", json.dumps({"cells": [cell]}).encode()) == ["the output of cell 1"]
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        assert files.outputs(notebook.read_bytes()) == []


def picture(kind: str, **metadata) -> bytes:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(1, 1))
    axes.plot([0, 1])
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata)
    plt.close(figure)
    return buffer.getvalue()


def test_what_a_picture_notes():
    assert files.inside("a.png", picture("png", Author="the analyst", Software=None)) == ["the note 'Author' in the picture"]
    assert files.inside("a.png", picture("png", Software=None)) == []  # as our figures are saved
    source = (ROOT / "shared_code" / "figures" / "saving.py").read_text("utf-8")
    assert 'metadata={"Software": None}' in source


def test_what_a_document_notes():
    assert "the entry Author of the document" in files.inside("a.pdf", picture("pdf", Author="the analyst"))
    assert not any(name.endswith(".pdf") for name in ("tables/a.csv",) if files.ALLOWED.fullmatch(name))
    assert not files.ALLOWED.fullmatch("figures/map.pdf")


def test_the_legend_of_a_map():
    """A legend from the smallest to the largest value prints a number that the map itself hides."""
    legend = '<svg xmlns="http://www.w3.org/2000/svg"><title>Cases by ward</title><text>3 to 90</text></svg>'
    assert files.drawn_numbers(legend, [90, 80, 70]) == [3.0]
    drawn = bars("withheld", "Share that is withheld", [("t", {"shown": 7, "withheld": 1})])
    assert 'aria-label="Share that is withheld.' in drawn
    assert all(f"{number}" not in ("3",) for number in files.drawn_numbers(drawn.replace("<svg ", '<svg xmlns="x" '), []))


def test_data_embedded_in_a_page(released, tmp_path):
    """A page can carry the table it was drawn from; ours carries what leaves and nothing else."""
    content = released(wide(3))
    (tmp_path / "north.zip").write_bytes(content)
    manifest, inside, digest = package.read(tmp_path / "north.zip")
    pages = []
    for secret in (3, 8):
        content = released(wide(secret))
        pages.append(review_page(SITE, STUDY, Draft(content, digest, manifest, inside)))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("ward", ["943 476 5919", "9434765919", "ZZ99 3AB", "01/02/1950"])
def test_an_identifier_in_place_of_a_name(ward, released):
    """A site's own names of places go out as they are: one that looks like a person is found before anything leaves."""
    told = files.archive(released(wide(30, (ward, "B"))))
    assert any("an identifier" in line for line in told)
    assert files.archive(released(wide(30))) == []


def test_numbers_that_look_like_identifiers_are_not_taken_for_them():
    cells = pd.DataFrame({"sex": ["F"], "statistic": ["people"], "value": [1234567890.0], "status": ["ok"],
                          "lower": [1.0], "upper": [2.0]})  # fmt: skip
    assert files.identifiers(to_csv(cells).decode()) == []
    assert files.identifiers("9434765918 1111111111 2024-01-02 12.9434765919") == []
    assert Policy().threshold == 10
