"""Saving: a results table that does not fit its declaration is refused, with every problem."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pandas as pd
import pytest

from shared_code.config.plan import Plan
from shared_code.config.study import Study
from shared_code.measures import check_results, save_results
from shared_code.model import ALL

STUDY = Study.model_validate({
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {},
    "analyses": {"illness": {
        "title": "t", "question": "q", "pooled": [],
        "results": {
            "ill": {"title": "t", "layout": "counts", "sets": [[], ["area"]], "dimensions": {
                "area": {"values": {"1": "a", "2": "b"}, "total": True}, "sex": {"values": {"F": "f", "M": "m"}},
                "place": {"local": True}}},
            "deaths": {"title": "t", "layout": "events", "once": True, "dimensions": {"sex": {"values": {"F": "f", "M": "m"}}}},
            "wards": {"title": "t", "layout": "estimates", "dimensions": {"ward": {"local": True}}},
        },
    }},
})  # fmt: skip
PLAN = Plan(STUDY, "illness")


def good() -> dict[str, pd.DataFrame]:
    cells = itertools.product(["1", "2", ALL], ["F", "M"], ["Mill"])
    ill = pd.DataFrame(cells, columns=["area", "sex", "place"]).assign(people=10, cases=4)
    deaths = pd.DataFrame({"sex": ["F", "M"], "people": [3, 0], "events": [3, 0], "person_days": [9.5, 0.0],
                           "events_squared": [3, 0]})  # fmt: skip
    wards = pd.DataFrame({"ward": ["A", "B"], "estimate": [80.5, np.nan], "se": [0.2, np.nan], "people": [50, 1],
                          "person_days": [9e5, 20.0]})  # fmt: skip
    return {"ill": ill, "deaths": deaths, "wards": wards}


def spoil(name: str, column: str, value: object, row: int = 0) -> pd.DataFrame:
    table = good()[name].astype({column: object})
    table.loc[row, column] = value
    return table.infer_objects()


def test_good_tables_are_saved_in_order_and_for_their_owner_only(tmp_path):
    tables = good()
    save_results(PLAN, tmp_path / "results", **{n: t.sample(frac=1, random_state=1)[t.columns[::-1]] for n, t in tables.items()})
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["deaths.parquet", "ill.parquet", "wards.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results" / "ill.parquet"), tables["ill"])
    if os.name == "posix":
        assert {p.stat().st_mode & 0o777 for p in (tmp_path / "results").iterdir()} == {0o600}


FAULTS = [
    ("ill", good()["ill"].rename(columns={"cases": "case"}), "missing columns: cases; columns nobody declared: case"),
    ("ill", spoil("ill", "sex", "X"), "sex holds X. Allowed: F, M"),
    ("ill", spoil("ill", "area", "3"), "area holds 3. Allowed: 1, 2, all"),
    ("deaths", spoil("deaths", "sex", ALL), "sex holds all. Allowed: F, M"),
    ("ill", spoil("ill", "sex", None), "sex is empty in some rows"),
    ("ill", spoil("ill", "place", None), "place is empty in some rows"),
    ("ill", pd.concat([good()["ill"]] * 2), "6 cells occur twice. Allowed: One row per cell"),
    ("ill", spoil("ill", "cases", 11), "cases exceeds people in some cells. Count the same people in both"),
    ("ill", spoil("ill", "cases", 1.5), "cases holds fractions"),
    ("ill", spoil("ill", "cases", -1), "cases is negative"),
    ("ill", spoil("ill", "people", "ten"), "people holds something else than numbers"),
    ("ill", spoil("ill", "people", np.inf), "people is infinite in some cells"),
    ("ill", spoil("ill", "cases", np.nan), "cases is empty in some cells. Allowed: distinct people in the cell with"),
    ("deaths", spoil("deaths", "person_days", -1.0), "person_days is negative"),
    ("deaths", spoil("deaths", "people", 4), "people exceeds events in some cells"),
    ("deaths", spoil("deaths", "events_squared", 1), "events exceeds events_squared in some cells"),
    ("deaths", spoil("deaths", "people", 2), "people and events differ although an event happens once to a person"),
    ("wards", spoil("wards", "se", -0.1), "se is negative"),
    ("wards", spoil("wards", "people", np.nan), "people is empty in some cells"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "table", "words"), FAULTS)
def test_each_fault_is_named_and_nothing_is_written(tmp_path, message_of, name, table, words):
    message = message_of(save_results, PLAN, tmp_path / "results", **{**good(), name: table})
    assert message.startswith(f"illness.{name}: ")
    assert words.split(". Allowed")[0] in message
    assert not (tmp_path / "results").exists()


def test_cells_broken_out_together_must_be_declared(message_of, tmp_path):
    declared = STUDY.model_copy(update={"analyses": {"illness": STUDY.analyses["illness"].model_copy(update={
        "results": {"ill": STUDY.analyses["illness"].results["ill"].model_copy(update={"sets": [[]]})}})}})  # fmt: skip
    message = message_of(save_results, Plan(declared, "illness"), tmp_path, ill=good()["ill"])
    assert "rows are broken out by area together, which sets does not declare. Allowed: [[]]" in message


def test_a_site_may_lack_a_set_and_an_optional_statistic():
    tables = good()
    assert check_results(PLAN, "ill", tables["ill"][tables["ill"]["area"] == ALL], complete=True) == []
    assert check_results(PLAN, "deaths", tables["deaths"].assign(events_squared=np.nan), complete=True) == []


def test_published_tables_may_have_gaps():
    assert check_results(PLAN, "ill", spoil("ill", "cases", np.nan)) == []


def test_every_declared_table_and_no_other_is_saved(problems_of, tmp_path):
    tables = good()
    tables["death"] = tables.pop("deaths")
    text = "\n".join(map(str, problems_of(save_results, PLAN, tmp_path / "results", **tables)))
    assert "illness: the results table death was not declared" in text
    assert "illness: the results table deaths was not saved" in text


def test_problems_of_all_tables_are_shown_together(problems_of, tmp_path):
    tables = {"ill": spoil("ill", "cases", -1), "deaths": spoil("deaths", "sex", "X"), "wards": spoil("wards", "se", -1.0)}
    assert len(problems_of(save_results, PLAN, tmp_path, **tables)) == 3
