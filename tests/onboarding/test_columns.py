"""Every word that makes a column: drawn values, what they become, and the edges."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import ibis
import pandas as pd
import pytest

from shared_code.sources import transformations

# the column of the data model | how it is made | the extract (a None is an empty field) | what it becomes
CASES = [
    ("person.birth_month", {"from": "age", "age_on": "on"},
     {"age": ["0", "40", "40.0", "130"], "on": ["2024-03-20", "2024-03-20", "2024-09-01", "2024-01-01"]},
     ["2023-09-01", "1983-09-01", "1984-03-01", "1893-07-01"]),
    ("person.birth_month", {"from": "y", "month": "m"},
     {"y": ["1980", "1980", "2001"], "m": ["1", None, "12"]}, ["1980-01-01", "1980-07-01", "2001-12-01"]),
    ("person.birth_month", {"from": "a", "or_from": ["b", "c"]},
     {"a": ["1980-01-09", None, None], "b": ["1970-01-01", "1990-02-03", None], "c": ["1970-01-01", "1970-01-01", "1960-12-31"]},
     ["1980-01-01", "1990-02-01", "1960-12-01"]),
    ("person.birth_month", {"from": "a", "date": "%m%Y", "missing": ["011801"]}, {"a": ["092001", "121907"]},
     ["2001-09-01", "1907-12-01"]),
    ("person.sex", {"from": "s", "values": {"male": "M", "Female": "F"}, "any_case": True},
     {"s": ["MALE", "male", "FeMale"]}, ["M", "M", "F"]),
    ("person.sex", {"from": "s", "values": {"1": "M", "2": "F"}, "missing": ["9"], "default": "U"},
     {"s": ["1", None, "9"]}, ["M", "U", "U"]),
    ("person.ethnicity16", {"from": "e", "first_characters": 1}, {"e": ["A1", "Z", None]}, ["A", "Z", None]),
    ("person.ethnicity16", {"from": "e", "upper": True}, {"e": ["a", "b", "99"]}, ["A", "B", "99"]),
    ("admission.los_days", {"from": "a", "days_until": "b", "date": "%d/%m/%Y"},
     {"a": ["01/02/2024", "28/02/2024", "01/01/2024"], "b": ["01/02/2024", "01/03/2024", None]}, [0, 2, None]),
    ("admission.discharge_dest", {"from": "d", "without": " -."}, {"d": ["1 9", "5-4", "..", "19"]}, ["19", "54", None, "19"]),
    ("admission.provider", {"from": "p", "strip_leading_zeros": True}, {"p": ["00RAX", "0123", "RAX01"]},
     ["RAX", "123", "RAX01"]),
    ("area_lookup.imd10", {"from": "rank", "imd_decile": "IoD2019"}, {"rank": ["1", "3284", "3285", "6568", "6569", "32844"]},
     [1, 1, 2, 2, 3, 10]),
    ("gp_registration.reg_end", {"from": "d", "plus_days": 1}, {"d": ["2024-02-28", "2023-12-31", None]},
     ["2024-02-29", "2024-01-01", None]),
    ("ed_attendance.arrival", {"from": "d", "time": "t"},
     {"d": ["2024-01-31"] * 8, "t": ["0000", "2359", "930", "5", "09:30", "9:30", "23:59:59", "093015"]},
     ["2024-01-31 00:00:00", "2024-01-31 23:59:00", "2024-01-31 09:30:00", "2024-01-31 00:05:00", "2024-01-31 09:30:00",
      "2024-01-31 09:30:00", "2024-01-31 23:59:00", "2024-01-31 09:30:00"]),
    ("ed_attendance.departure", {"from": "d", "time": "t", "plus_minutes": "m", "date": "%d/%m/%Y", "missing": ["4000"]},
     {"d": ["31/12/2023", "31/12/2023", "31/12/2023", None], "t": ["2350", "4000", "0100", "0100"], "m": ["15", "5", None, "5"]},
     ["2024-01-01 00:05:00", None, None, None]),
    ("ed_attendance.departure", {"from": "d", "plus_minutes": "m"}, {"d": ["2024-01-01 10:00"], "m": ["0"]},
     ["2024-01-01 10:00:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "how", "extract", "becomes"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_values_become(values_of, column, how, extract, becomes):
    extract = {name: values[: len(becomes)] for name, values in extract.items()}
    found = values_of(column, how, **extract)
    if column.split(".")[0] in ("person", "gp_registration"):
        found = [v and v.removesuffix(" 00:00:00") for v in found]
    assert found == becomes


# how | the extract | words of the message: what cannot be used is named, and nothing is guessed
FAULTS = [
    ("person.birth_month", {"from": "a", "age_on": "on"}, {"a": ["131"], "on": ["2024-01-01"]}, "a holds '131 and 2024-01-01'"),
    ("person.birth_month", {"from": "a", "age_on": "on"}, {"a": ["-1"], "on": ["2024-01-01"]}, "'-1 and 2024-01-01'"),
    ("person.birth_month", {"from": "y", "month": "m"}, {"y": ["1980"], "m": ["13"]}, "y holds '1980 and 13'"),
    ("person.birth_month", {"from": "y", "month": "m"}, {"y": ["80"], "m": ["1"]}, "'80 and 1'"),
    ("ed_attendance.arrival", {"from": "d", "time": "t"}, {"d": ["2024-01-01"], "t": ["2400"]}, "'2024-01-01 2400'"),
    ("ed_attendance.arrival", {"from": "d", "time": "t"}, {"d": ["2024-01-01"], "t": ["4000"]}, "'2024-01-01 4000'"),
    ("ed_attendance.arrival", {"from": "d", "time": "t"}, {"d": ["2024-01-01"], "t": ["9.30"]}, "'2024-01-01 9.30'"),
    ("ed_attendance.departure", {"from": "d", "plus_minutes": "m"}, {"d": ["2024-01-01"], "m": ["-5"]}, "+ -5'"),
    ("area_lookup.imd10", {"from": "r", "imd_decile": "IoD2019"}, {"r": ["32845"]}, "r holds '32845'"),
    ("area_lookup.imd10", {"from": "r", "imd_decile": "IoD2025"}, {"r": ["0"]}, "r holds '0'"),
    ("person.sex", {"from": "s", "values": {"m": "M"}, "any_case": True}, {"s": ["X"]}, "s holds 'X' (1 rows), not explained"),
    ("person.sex", {"from": "s", "or_from": ["sx"]}, {"s": ["F"]}, "no column 'sx' (did you mean s?)"),
    ("ed_attendance.arrival", {"from": "d", "time": "tim"}, {"d": ["2024-01-01"], "time": ["0900"]}, "did you mean time?"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "how", "extract", "words"), FAULTS)
def test_what_cannot_be_used_is_named(values_of, message_of, column, how, extract, words):
    assert words in message_of(values_of, column, how, **extract)


# settings that do not go together are refused when the site file is read
NOT_TOGETHER = [
    ({"from": "s", "any_case": True}, "any_case needs values"),
    ({"from": "s", "any_case": True, "values": {"m": "M", "M": "F"}}, "two meanings, which any_case cannot tell apart"),
    ({"from": "s", "values": {"m": "M"}, "icd10": True}, "values and icd10 cannot be used together"),
    ({"from": "s", "age_on": "d", "first_of_month": True}, "first_of_month and age_on cannot be used together"),
    ({"constant": "F", "upper": True}, "a constant is taken as it is; remove upper"),
    ({"from": "s", "default": "woman"}, "sex cannot be 'woman'"),
    ({"from": "s", "imd_decile": "IMD"}, "'IMD' is not allowed"),
    ({"from": "s", "sql": "1"}, "the key 'sql' is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "words"), NOT_TOGETHER)
def test_settings_that_do_not_go_together(tmp_path: Path, message_of, how, words):
    import yaml

    from shared_code.config import Site

    site = {"site": "north", "title": "t", "controller": "c", "studies": [], "extract_date": "2024-01-01",
            "tables": {"person": {"file": "a.csv", "columns": {"sex": how}}}}  # fmt: skip
    path = tmp_path / "north.yaml"
    path.write_text(yaml.safe_dump(site))
    assert words in message_of(Site.read, path)


def test_a_native_date_and_time_work_like_text(values_of):
    """Parquet, SPSS and databases hold dates as dates."""
    days = [dt.datetime(2024, 1, 31), dt.datetime(2024, 2, 29)]
    found = values_of("ed_attendance.arrival", {"from": "d", "time": "t"}, parquet=True, d=days, t=[930, 5])
    assert found == ["2024-01-31 09:30:00", "2024-02-29 00:05:00"]
    assert values_of("admission.los_days", {"from": "d", "days_until": "e"}, parquet=True, d=days, e=[days[1]] * 2) == [29, 0]


def test_a_stay_that_ends_before_it_begins_is_outside_the_limits(values_of, message_of):
    message = message_of(values_of, "admission.los_days", {"from": "a", "days_until": "b"}, a=["2024-01-02"], b=["2024-01-01"])
    assert "1 rows lie outside the limits (-1)" in message


def test_deciles_of_ranks_are_those_published(shared: Path):
    """Every one of the 32,844 small areas: the published decile is the one computed from the published rank."""
    areas = pd.read_csv(shared / "data" / "deprivation" / "imd2019_england_lsoa11_ranks_deciles.csv.gz")
    assert len(areas) == transformations.AREAS["IoD2019"]
    table = ibis.memtable(pd.DataFrame({"rank": areas["IMD_rank"].astype(str), "decile": areas["IMD_decile"]}))
    wrong = table.filter(transformations.imd_decile(table["rank"], "IoD2019") != table.decile)
    assert ibis.duckdb.connect().execute(wrong.count()) == 0


def test_no_word_takes_code():
    """A mapping is data: the words are listed, and none of them holds an expression."""
    from shared_code.config.columns import ColumnMap, TableMap
    from shared_code.config.table_steps import TableStep

    page = (Path(__file__).parents[2] / "docs" / "site.md").read_text("utf-8")
    for name in [*ColumnMap.model_fields, *TableMap.model_fields, *TableStep.model_fields]:
        assert f"`{name.rstrip('_')}`" in page, f"docs/site.md does not explain {name}"
    assert not {"sql", "expression", "python", "eval"} & {*ColumnMap.model_fields, *TableMap.model_fields}


