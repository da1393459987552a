"""The benchmark compares like with like, and its one command writes what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract

ROOT = Path(__file__).parents[2]
ANALYSES = {"long_term_conditions": ["conditions"], "life_expectancy": ["wards", "deciles"]}
SHAPES = {"csv": "demo_dunmere", "spss": "demo_ashvale"}
PEOPLE = 1000


@pytest.fixture()
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a program of the benchmark by its name; it finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.chdir(ROOT)
    return __import__


@pytest.fixture(scope="session", params=SHAPES)
def delivered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Make up and prepare a small site: the shape of its extract, the extract, the prepared tables."""
    folder = tmp_path_factory.mktemp(request.param)
    site = Site.read(SHAPES[request.param], ROOT / "config" / "sites")
    make_extract(site, PEOPLE, folder / "extract")
    prepare(site, folder / "extract", folder / "prepared")
    return request.param, folder / "extract", folder / "prepared"


@pytest.mark.parametrize("stem", ANALYSES)
def test_plain_pandas_counts_what_the_notebook_counts(delivered, program, stem: str, tmp_path: Path):
    shape, extract, prepared = delivered
    parameters = {"study": "config/study.yaml", "prepared": str(prepared), "results": str(tmp_path)}
    program("one_process").run_cells(Path("notebooks") / f"{stem}.ipynb", tmp_path / "executed.ipynb", parameters, ROOT)
    plain = program("plain_pandas").count(shape, extract, [stem])
    assert sorted(plain) == sorted(ANALYSES[stem])
    for name, table in plain.items():
        ours = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert ours["people"].sum() > 0
        program("same_tables").same(ours, table)


def test_plain_pandas_computes_the_same_life_expectancy(program):
    """At 1,000 people no ward has enough person-years, so the life tables are compared on numbers of their own."""
    from shared_code import methods

    plain = program("plain_pandas")
    grid = pd.MultiIndex.from_product([["a", "b", "c"], ["F", "M"], plain.labels(plain.WARD_AGES)])
    table = pd.DataFrame({"deaths": [k % 7 * (k % 20) for k in range(len(grid))], "lived": 4000.0 - 150}, grid)
    table.index.names = ["ward", "sex", "age"]
    ours = methods.life_expectancy_table(
        table.rename(columns={"lived": "person_years"}).reset_index(), "ward", plain.WARD_AGES, [0, 65])
    assert ours["estimate"].notna().any()
    program("same_tables").same(ours, plain.life_tables(table))


def test_plain_pandas_refuses_codes_nobody_explained(program, tmp_path: Path):
    text = "Pseudonym;Date of birth;Sex;Ethnic category;Care home\na;01/02/1980;Masculine;A;No\nb;01/02/1980;Male;-;No\n"
    (tmp_path / "people.csv").write_text(text, "cp1252")
    with pytest.raises(SystemExit, match=r"people\.csv, Sex: codes not explained: \{'Masculine': 1\}"):
        program("plain_extracts").read_extract("csv", tmp_path, ["person"])


def test_tables_that_differ_make_the_comparison_void(program):
    table = pd.DataFrame({"sex": ["F", "M"], "people": [10, 20], "estimate": [80.0, 76.0]})
    same = program("same_tables").same
    same(table, table[::-1].assign(estimate=lambda t: t["estimate"] * (1 + 1e-12)))
    for other in (table.assign(people=[10, 21]), table.assign(estimate=[80.0, 76.1]), table[:1], table.drop(columns="sex")):
        with pytest.raises((AssertionError, KeyError)):
            same(table, other)


def test_peak_memory_is_that_of_the_command(program, tmp_path: Path):
    measuring = program("measuring")
    if not measuring.LINUX:
        pytest.skip("measured on Linux only")
    import resource

    command = [sys.executable, "-c", "held = b'x' * 300_000_000; print(len(held))"]
    through = [sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"]
    for measured in (measuring.run(command, tmp_path), measuring.run(through, tmp_path)):
        assert measured.said.strip() == "300000000"
        # on Linux a child begins with its parent's peak, and the parent of these is the test runner
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert 280 < measured.peak_mb < max(400, own + 50)
    with pytest.raises(measuring.Failed, match="ended with code 3"):
        measuring.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_one_command_measures_everything(tmp_path: Path):
    out = tmp_path / "results.json"
    done = subprocess.run([sys.executable, "benchmarks/run.py", "--quick", "--out", str(out)], cwd=ROOT, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    measured = json.loads(out.read_text("utf-8"))
    found = {(row["section"], row["what"], row["compared_with"], row["quantity"]) for row in measured["rows"]}
    assert len(found) == len(measured["rows"]) == 34
    for row in measured["rows"]:
        assert row["repeats"] == len(row["ours_all"]["runs"]) == 1
        if row["quantity"] == "seconds" or sys.platform == "linux":
            assert row["ours"] > 0
            assert bool(row["compared_with"]) == bool(row["other"]) == bool(row["ratio"])
    written = out.with_suffix(".md").read_text("utf-8")
    for section, what, compared_with, _ in found:
        assert all(text in written for text in (section, what, compared_with))
    assert str(ROOT) not in written


def test_the_federated_benchmark_compares_equal_fits(tmp_path):
    out = tmp_path / "federated.json"
    sizes = ["--sites", "3", "--people", "6000", "--terms", "3", "--stack-sites", "3"]
    command = [sys.executable, str(ROOT / "benchmarks" / "federated.py"), *sizes, "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    measured = json.loads(out.read_text("utf-8"))
    assert measured["people"] == 18_000 and measured["largest_difference_of_coefficients"] < 1e-8
    assert measured["largest_difference_of_standard_errors"] < 1e-8 and measured["ratio_to_statsmodels"] > 0


def test_one_site_measures_every_analysis_it_can_run(program):
    """Data quality comes first: the others ask for what it found."""
    from shared_code.config import Study

    found = program("one_site").analyses(ROOT, "demo_dunmere")
    assert found[0] == "data_quality"
    site, study = Site.read("demo_dunmere", ROOT / "config" / "sites"), Study.read(ROOT / "config" / "study.yaml")
    assert sorted(found) == sorted(stem for stem, entry in study.analyses.items() if site.can_run(entry))
