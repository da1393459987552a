"""A team fills a workbook by hand: the empty form names every cell, and what is filled comes back as it was written."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import yaml

from shared_code.config import Site, Study
from shared_code.config.plan import Plan
from shared_code.model import Refused
from shared_code.sources.published import read_published
from shared_code.sources.template import empty_table, fillable, published_entries, sheet_names, write_template

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def protocol() -> Study:
    """The demonstration with one table kept, at a threshold of 10."""
    study = Study.read(ROOT / "config" / "study.yaml")
    kept = study.analyses["life_expectancy"]
    kept = kept.model_copy(update={"results": {"deciles": kept.results["deciles"]}})
    return study.model_copy(update={"analyses": {"life_expectancy": kept}})


@pytest.fixture
def form(protocol: Study, tmp_path: Path) -> Path:
    write_template(protocol, tmp_path / "form.xlsx")
    return tmp_path / "form.xlsx"


def site_of(protocol: Study, folder: Path) -> Site:
    entries = published_entries(protocol, "form.xlsx", sheet_names(list(fillable(protocol))))
    content = {"site": "by_hand", "title": "By hand", "controller": "Council", "studies": [protocol.study],
               "folder": str(folder), "extract_date": "2026-05-01", "published": entries}  # fmt: skip
    return Site.model_validate(yaml.safe_load(yaml.safe_dump(content)))


def numbers(row_of_interest: int, statistic_of_interest: str, value):
    """Fill in plausible numbers, and something else in one cell."""
    usual = lambda statistic: 10_000 if statistic == "person_days" else 40
    return lambda row, statistic: value if (row, statistic) == (row_of_interest, statistic_of_interest) else usual(statistic)


def fill(path: Path, value) -> dict[tuple, list]:
    """Fill every yellow cell with value(row number, statistic); gives what was written per cell."""
    book = openpyxl.load_workbook(path)
    sheet = book["life_expectancy.deciles"]
    names = [cell.value for cell in sheet[1]]
    statistics = ["people", "events", "person_days", "events_squared"]
    written = {}
    for number, row in enumerate(sheet.iter_rows(min_row=2), 2):
        cells = dict(zip(names, row))
        for statistic in statistics:
            cells[statistic].value = value(number, statistic)
        key = tuple(cells[d].value for d in ("decile", "sex", "age"))
        written[key] = [cells[s].value for s in statistics]
    book.save(path)
    return written


def test_the_form_has_every_declared_cell_once(protocol, form):
    rows = pd.read_excel(form, sheet_name="life_expectancy.deciles", dtype=str)
    keys = rows[["decile", "sex", "age"]]
    assert len(keys) == 10 * 2 * 11 and not keys.duplicated().any()
    assert set(rows["decile in words"]) >= {"1 (most deprived)", "10 (least deprived)"}


def test_what_is_filled_in_comes_back(protocol, form):
    written = fill(form, lambda row, statistic: 10 * row if statistic == "person_days" else row)
    found = read_published(site_of(protocol, form.parent), protocol)["life_expectancy", "deciles"]
    assert found.withheld.empty
    for row in found.table.itertuples():
        assert [row.people, row.events, row.person_days, row.events_squared] == written[row.decile, row.sex, row.age]


def test_a_small_number_is_marked_and_keeps_its_range(protocol, form):
    fill(form, numbers(5, "people", "<10"))
    found = read_published(site_of(protocol, form.parent), protocol)["life_expectancy", "deciles"]
    assert found.withheld[["statistic", "lower", "upper"]].to_numpy().tolist() == [["people", 1, 9]]


WRONG = [(None, "holds ''"), ("twelve", "'twelve'"), (-3, "is negative"), (2.5, "whole number")]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_badly_filled_cell_is_named(protocol, form, wrong, said):
    fill(form, numbers(7, "events", wrong))
    with pytest.raises(Refused) as refused:
        read_published(site_of(protocol, form.parent), protocol)
    assert said in str(refused.value) and "events" in str(refused.value)


def test_places_of_the_site_are_added_by_hand():
    plan = Plan(Study.read(ROOT / "config" / "study.yaml"), "long_term_conditions")
    rows = empty_table(plan, "conditions")
    assert set(rows.locality) == {"all"}  # nobody can list a site's own localities
    assert len(rows) == len(rows.drop_duplicates(["condition", "deprivation", "ethnicity", "sex", "age"]))
    levels = {d: plan.levels("conditions", d) for d in ("condition", "deprivation", "ethnicity", "sex", "age")}
    a_set = len(levels["condition"]) * len(levels["sex"]) * len(levels["age"])
    groups = len(levels["deprivation"]) + len(levels["ethnicity"])
    totals = len(levels["condition"]) * (groups + len(levels["sex"]) + 1)  # over all ages
    assert len(rows) == a_set * (1 + groups) + totals


def test_a_table_that_needs_more_than_its_numbers_is_no_form(protocol):
    """The largest contribution behind a sum must be known where it is judged, so sums of a quantity need the code."""
    entry = protocol.analyses["life_expectancy"]
    table = entry.results["deciles"].model_copy(update={"layout": "moments"})
    study = protocol.model_copy(update={"analyses": {"x": entry.model_copy(update={"results": {"sums": table}})}})
    assert fillable(study) == {}
    with pytest.raises(Refused, match="none of its results tables"):
        write_template(study, Path("never.xlsx"))
    assert not Path("never.xlsx").exists()


def test_the_command_writes_form_and_site_file(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from shared_code.cli import app

    (tmp_path / "config" / "sites").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    run = lambda: CliRunner().invoke(app, ["template", "by_hand", "--study", str(ROOT / "config" / "study_published.yaml")])
    said = run()
    assert said.exit_code == 0, said.output
    site = Site.read("by_hand")
    assert site.published and (Path(site.folder) / site.published[0].file).is_file()
    again = run()
    assert again.exit_code and "never overwritten" in str(again.exception)
