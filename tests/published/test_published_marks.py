"""Numbers that a publisher withheld stay withheld, with the range the site file states; on small made-up tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Site, Study
from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.model import Refused
from shared_code.pooling.margins import incomplete_margins
from shared_code.pooling.pool import pool
from shared_code.pooling.receiving import take_in
from shared_code.releases import package
from shared_code.releases.cells import from_csv
from shared_code.releases.published import release_published

TABLE = {
    "title": "Visits", "layout": "events",
    "dimensions": {
        "service": {"values": {"visit": "Visits"}},
        "month": {"months": ["2024-01", "2024-02"]},
        "sex": {"values": {"F": "Female", "M": "Male"}, "total": True},
    },
    "sets": [[], ["sex"]],
}  # fmt: skip
COLUMNS = ["by", "group", "kind", "when", "patients", "visits", "listed"]
ROWS = [
    ["everyone", "", "visit", "Jan 2024", "30", "40", "100"], ["everyone", "", "visit", "Feb 2024", "20", "25", "100"],
    ["gender", "Women", "visit", "Jan 2024", "27", "36", "60"],
    ["gender", "Women", "visit", "Feb 2024", "12", "15", "60"],
    ["gender", "Men", "visit", "Jan 2024", "3", "4", "40"], ["gender", "Men", "visit", "Feb 2024", "8", "10", "40"],
]  # fmt: skip
ENTRY = {
    "file": "visits.csv", "analysis": "visits", "results": "monthly",
    "breakdown": {"from": "by", "values": {"everyone": "all", "gender": "sex"}},
    "dimensions": {"service": {"from": "kind"}, "month": {"from": "when", "date": "%b %Y"},
                   "sex": {"from": "group", "values": {"Women": "F", "Men": "M"}}},
    "statistics": {"people": "patients", "events": "visits"}, "list_size": "listed",
}  # fmt: skip
Write = Callable[..., Path]


@pytest.fixture
def small(signing: Any) -> Study:
    step = {"method": "change", "table": "monthly", "item": "service", "along": "month",
            "at": "2024-02", "against": "2024-01"}  # fmt: skip
    return Study.model_validate({
        "study": "small", "title": "", "summary": "", "coordinator": "", "index_date": "2024-03-01",
        "people": {"tess": {"roles": ["typist"], "key": signing.public("tess")}},
        "period": {"start": "2024-01-01", "end": "2024-03-01"}, "disclosure": {"threshold": 1, "rounding": 1},
        "analyses": {"visits": {"title": "Visits", "question": "", "tables_only": True, "results": {"monthly": TABLE},
                                "pooled": [step]}},
    })  # fmt: skip


@pytest.fixture
def together(small: Study, tmp_path: Path, signing: Any) -> Callable[..., pd.DataFrame]:
    """Send what lies in the inbox as drafts, take it in, pool it, and give the results for everybody."""

    def pooled(*names: str) -> pd.DataFrame:
        published = {"studies": ["small"], "extract_date": "2024-04-01", "published": [ENTRY]}
        sites = {n: Site.model_validate({"site": n, "title": n, "controller": "", **published}) for n in names}
        for name, site in sites.items():
            signing.send(site, small, tmp_path / "inbox" / f"{name}.zip", tmp_path / "outbox" / f"{name}.zip")
            take_in(tmp_path / "outbox" / f"{name}.zip", small, sites, tmp_path / "in", tmp_path / "quarantine", dt.date.today())
        pool(small, tmp_path / "in", tmp_path / "pooled", sites)
        return pd.read_csv(tmp_path / "pooled" / "results.csv", keep_default_na=False).query("stratum == ''")

    return pooled


@pytest.fixture
def write(small: Study, tmp_path: Path) -> Write:
    """Write the package of a site whose table was changed: {(row, column): text}."""

    def package_of(name: str = "place", changes: dict[tuple[int, str], str] | None = None, **settings: Any) -> Path:
        table = pd.DataFrame(ROWS, columns=COLUMNS)
        for (row, column), text in (changes or {}).items():
            table.loc[row, column] = text
        (tmp_path / name).mkdir(exist_ok=True)
        table.to_csv(tmp_path / name / "visits.csv", index=False)
        site = Site.model_validate({
            "site": name, "title": name, "controller": "", "studies": ["small"], "folder": str(tmp_path / name),
            "extract_date": "2024-04-01", "disclosure": settings.pop("disclosure", None),
            "published": [{**ENTRY, **settings}],
        })  # fmt: skip
        release_published(site, small, tmp_path / "inbox" / f"{name}.zip")
        return tmp_path / "inbox" / f"{name}.zip"

    return package_of


def cell(path: Path, statistic: str, month: str, sex: str = "all") -> tuple[str, list[float]]:
    """Give status and value, lower, upper of one released cell."""
    _, files, _ = package.read(path)
    cells = from_csv(files["tables/visits.monthly.csv"])
    (found,) = cells.query("statistic == @statistic and month == @month and sex == @sex").to_dict("records")
    return found["status"], [found[side] for side in ("value", "lower", "upper")]


def test_months_and_codes_are_recoded(write: Write) -> None:
    path = write()
    assert cell(path, "events", "2024-01", "F") == ("ok", [36, 36, 36])
    assert cell(path, "person_days", "2024-02") == ("ok", [2900, 2900, 2900])


@pytest.mark.parametrize(
    ("marks", "lower", "upper"), [({"<5": [1, 4]}, 1, 4), ({"<5": [0, 4]}, 0, 4), ({"<5": [1, None]}, 1, np.inf)]
)
def test_a_declared_mark_is_withheld_with_its_range(marks: dict, lower: float, upper: float, write: Write) -> None:
    path = write(changes={(4, "patients"): "<5", (4, "visits"): "<5"}, withheld=marks)
    for statistic in ("people", "events"):
        status, (value, low, high) = cell(path, statistic, "2024-01", "M")
        assert status == "withheld"
        assert np.isnan(value)
        assert (low, high) == (lower, upper)
    assert cell(path, "events", "2024-01", "F") == ("ok", [36, 36, 36])
    assert cell(path, "person_days", "2024-01", "M") == ("ok", [1240, 1240, 1240])


def test_a_withheld_list_size_gives_a_range_of_person_days(write: Write) -> None:
    path = write(changes={(4, "listed"): "<50"}, withheld={"<50": [10, 49]})
    status, (value, lower, upper) = cell(path, "person_days", "2024-01", "M")
    assert (status, lower, upper) == ("withheld", 310, 49 * 31)
    assert np.isnan(value)


def test_a_number_that_stands_for_a_withheld_one_is_a_mark(write: Write) -> None:
    path = write(changes={(4, "patients"): "0", (4, "visits"): "0"}, withheld={"0": [0, 4]})
    status, (value, lower, upper) = cell(path, "events", "2024-01", "M")
    assert (status, lower, upper) == ("withheld", 0, 4)
    assert np.isnan(value)


def test_a_mark_nobody_declared_is_a_problem(write: Write, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        write(changes={(4, "visits"): "<5", (5, "visits"): "*"}, withheld={"*": [1, 9]})
    assert "events holds '<5' in 1 cell (service visit, month 2024-01, sex M)" in str(refused.value)
    assert 'withheld: {"<5": [1, 4]}' in str(refused.value)
    assert "'*'" not in str(refused.value)
    assert not (tmp_path / "inbox" / "place.zip").exists()


def test_a_range_that_cannot_be_is_a_problem(write: Write) -> None:
    with pytest.raises(Refused, match=r"people exceeds events in 1 cell .*: 8 and <5"):
        write(changes={(5, "visits"): "<5"}, withheld={"<5": [1, 4]})


def test_a_withheld_month_leaves_the_site_out_of_that_month_only(write: Write, together: Callable[..., pd.DataFrame]) -> None:
    for name in ("first", "second", "third"):
        write(name)
    write("third", changes={(1, "visits"): "*", (1, "patients"): "*"}, withheld={"*": [1, None]})
    results = together("first", "second", "third")
    monthly = results.query("measure == 'monthly rate' and scope == 'pooled'").set_index("level")
    assert monthly["sites"].to_dict() == {"2024-01": "first; second; third", "2024-02": "first; second"}
    assert monthly["sites_without"].to_dict() == {"2024-01": "", "2024-02": "third"}
    (change,) = results.query("measure == 'change' and scope == 'pooled'").to_dict("records")
    assert change["sites"] == "first; second"
    np.testing.assert_allclose(float(change["estimate"]), 100 * (25 / 29 / (40 / 31) - 1), rtol=1e-9)


def test_a_site_without_events_in_one_month_stays_in_the_sum(write: Write, together: Callable[..., pd.DataFrame]) -> None:
    none = {(row, column): "0" for row in (1, 3, 5) for column in ("patients", "visits")}
    for name in ("first", "second", "third"):
        write(name, changes=none if name == "third" else {})
    results = together("first", "second", "third")
    rows = results[results["scope"] == "pooled"].set_index("measure")
    np.testing.assert_allclose(float(rows.loc["change", "estimate"]), 100 * (50 / 29 / (120 / 31) - 1), rtol=1e-9)
    assert rows.loc["change", "sites"] == "first; second; third"
    assert rows.loc["average change", "sites"] == "first; second"
    assert rows.loc["average change", "sites_without"] == "third"
    (alone,) = results.query("measure == 'change' and scope == 'site:third'").to_dict("records")
    assert (alone["estimate"], alone["reason"]) == ("", "no events in one of the two months")


def test_a_site_may_be_stricter_than_the_publisher(write: Write) -> None:
    path = write(changes={(4, "patients"): "<5", (4, "visits"): "<5"}, withheld={"<5": [1, 4]},
                 disclosure={"threshold": 10, "rounding": 5})  # fmt: skip
    assert cell(path, "people", "2024-02", "M")[0] == "withheld"  # 8 people: shown by the publisher, not by this site
    assert cell(path, "events", "2024-02", "M")[0] == "withheld"
    assert cell(path, "events", "2024-01", "M")[0] == "withheld"
    assert cell(path, "events_squared", "2024-02", "M")[0] == "not_collected"


@pytest.mark.parametrize(("people", "days"), [([0, 1, 5, 30], [0, 1, 10, 99]), ([1, 1, 1, 1], [1, 1, 1, 1])])
def test_a_threshold_of_one_hides_nothing(people: list[int], days: list[int]) -> None:
    table = pd.DataFrame({"service": "visit", "month": ["2024-01", "2024-02"] * 2, "sex": ["F", "F", "M", "M"],
                          "people": people, "events": [2 * p for p in people], "person_days": days,
                          "events_squared": np.nan})  # fmt: skip
    declared = ResultsTable.model_validate(TABLE)
    cells = protect({"visits": (declared, table)}, [], Policy(threshold=1, rounding=1)).tables["visits"]
    squares = cells["statistic"] == "events_squared"
    assert set(cells.loc[~squares, "status"]) == {"ok"}
    assert (cells.loc[~squares, "value"] == cells.loc[~squares, "lower"]).all()
    assert set(cells.loc[squares, "status"]) == {"not_collected"}
    assert cells.loc[squares, ["value", "lower", "upper"]].isna().all(axis=None)


def test_events_of_an_unknown_number_of_people_are_not_shown() -> None:
    table = pd.DataFrame({"service": ["visit"], "month": ["2024-01"], "sex": ["all"], "people": [np.nan],
                          "events": [50], "person_days": [1e6], "events_squared": [np.nan]})  # fmt: skip
    cells = protect({"visits": (ResultsTable.model_validate(TABLE), table)}, [], Policy(threshold=10)).tables["visits"]
    status = cells.set_index("statistic")["status"]
    assert status.to_dict() == {"events": "withheld", "events_squared": "not_collected", "people": "not_collected",
                                "person_days": "rounded"}  # fmt: skip


def test_parts_are_compared_with_the_totals_of_the_same_cells() -> None:
    """A site that breaks out one month only is not short of the other; a part without a range may be anything."""
    columns = ["site", "service", "month", "sex", "statistic", "lower", "upper"]
    rows = [("a", "visit", "2024-01", "all", 100, 100), ("a", "visit", "2024-02", "all", 100, 100),
            ("a", "visit", "2024-01", "F", 60, 60), ("a", "visit", "2024-01", "M", 40, 40),
            ("b", "visit", "2024-01", "all", 100, 100), ("b", "visit", "2024-01", "F", 60, 60),
            ("b", "visit", "2024-01", "M", np.nan, np.nan),
            ("c", "visit", "2024-01", "all", 100, 100), ("c", "visit", "2024-01", "F", 60, 60),
            ("c", "visit", "2024-01", "M", 10, 20)]  # fmt: skip
    cells = pd.DataFrame([(*r[:4], "person_days", *r[4:]) for r in rows], columns=columns)
    (found,) = incomplete_margins(cells, ResultsTable.model_validate(TABLE))
    assert (found["site"], found["dimension"]) == ("c", "sex")
    np.testing.assert_allclose(found["share_missing"], 0.25)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"analysis": "visit"}, "published.0.analysis: 'visit' is not declared by the study (did you mean visits?)"),
        ({"results": "weekly"}, "published.0.results: 'weekly' is not declared by the study"),
        ({"statistics": {"people": "patients"}}, "published.0.statistics: events is missing (events)"),
        ({"list_size": ""}, "published.0.statistics: person_days is missing"),
        ({"statistics": {"peopel": "patients"}}, "'peopel' is not declared by the study (did you mean people?)"),
        ({"not_collected": {"service": {"vist": "no"}}}, "not_collected.service: 'vist' is not declared"),
        ({"dimensions": {"month": {"from": "when"}}}, "published.0.dimensions: service is missing"),
    ],
)
def test_a_site_file_that_does_not_fit_the_study(settings: dict, message: str, write: Write) -> None:
    with pytest.raises(Refused) as refused:
        write(**settings)
    assert message in str(refused.value)


def test_a_setting_that_published_tables_do_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="service uses prefix; published tables know from, constant, values and date"):
        Site.model_validate({
            "site": "place", "title": "", "controller": "", "studies": [], "extract_date": "2024-04-01",
            "published": [{**ENTRY, "dimensions": {"service": {"from": "kind", "prefix": "x"}}}],
        })  # fmt: skip


def test_a_mark_with_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="the range 5 to 4 holds no count"):
        Site.model_validate({
            "site": "place", "title": "", "controller": "", "studies": [], "extract_date": "2024-04-01",
            "published": [{**ENTRY, "withheld": {"<5": [5, 4]}}],
        })  # fmt: skip
