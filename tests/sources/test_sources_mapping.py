"""Mapping: what a site file makes of the codes of an extract."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_code.sources.prepare import prepare

slow = settings(deadline=None, database=None, derandomize=True, max_examples=8,
                suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


def by_age(extract, ages: list, column: dict) -> list:
    """Prepare people whose month of birth comes from an age; give the months in the order of the ages."""
    extract.people(*[f"{n},{age},1" for n, age in enumerate(ages)], header="id,age,sex",
                   columns={"birth_month": {"from": "age", **column}, "person_id": {"from": "hexid"}})  # fmt: skip
    text = "hexid,age,sex\n" + "".join(f"{n:064x},{age},1\n" for n, age in enumerate(ages))
    extract.write("people.csv", text)
    return extract.prepare()["person"]["birth_month"].tolist()


def months_later(start: dt.date, months: int) -> dt.date:
    """Walk month by month."""
    year, month = start.year, start.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month in (0, 13):
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    return dt.date(year, month, 1)


def dates(values: list) -> list:
    return [None if pd.isna(v) else pd.Timestamp(v).date() for v in values]


@slow
@given(start=st.dates(dt.date(2000, 1, 1), dt.date(2030, 12, 31)), ages=st.lists(st.integers(0, 1500), min_size=1, max_size=40))
def test_months_before(tmp_path_factory, start, ages):
    found = by_age(_fresh(tmp_path_factory), ages, {"months_before": start.isoformat()})
    assert dates(found) == [months_later(start, -age) for age in ages]


@slow
@given(start=st.dates(dt.date(2000, 1, 1), dt.date(2030, 12, 31)), ages=st.lists(st.integers(0, 120), min_size=1, max_size=40))
def test_years_before_assumes_half_a_year(tmp_path_factory, start, ages):
    found = by_age(_fresh(tmp_path_factory), ages, {"years_before": start.isoformat()})
    assert dates(found) == [months_later(start, -12 * age - 6) for age in ages]


@slow
@given(start=st.dates(dt.date(2000, 1, 1), dt.date(2030, 12, 31)), ages=st.lists(st.integers(0, 400), min_size=1, max_size=40))
def test_months_after(tmp_path_factory, start, ages):
    found = by_age(_fresh(tmp_path_factory), ages, {"months_after": start.isoformat()})
    assert dates(found) == [months_later(start, age) for age in ages]


def _fresh(factory):
    from types import SimpleNamespace  # the class Extract lies in conftest, which tests cannot import

    folder = factory.mktemp("site")
    extract = SimpleNamespace(folder=folder, tables={})

    def people(*rows, header, columns):
        sex = {"from": "sex", "values": {"1": "M"}}
        extract.tables["person"] = {"file": "people.csv", "columns": {"sex": sex, **columns}}

    def prepared():
        from shared_code.config import Site

        site = Site.model_validate({"site": "x", "title": "x", "controller": "x", "studies": [],
                                    "extract_date": "2024-01-01", "tables": extract.tables})  # fmt: skip
        prepare(site, folder, folder.parent / f"{folder.name}-prepared")
        return {"person": pd.read_parquet(folder.parent / f"{folder.name}-prepared" / "person.parquet")}

    extract.people, extract.prepare = people, prepared
    extract.write = lambda name, text: (folder / name).write_text(text)
    return extract


@pytest.mark.parametrize("age", ["999", "-1", "abc", "1e300", "131", "nan"])
def test_an_age_nobody_reaches_is_a_problem_not_a_date(extract, message_of, age):
    extract.people(f"1,{age},1", columns={"birth_month": {"from": "dob", "years_before": "2004-01-01"}})
    assert f"dob holds '{age}' (1 rows), which is not a date" in message_of(extract.prepare)


def test_codes_of_every_type_mean_the_same(extract, tmp_path):
    """1.0 in a statistical file, 1 in a database and "1" in a text file are one code."""
    frame = pd.DataFrame({"id": ["a", "b"], "dob": ["1980-01-01"] * 2, "sex": [1.0, 2.0]})
    pyreadstat.write_sav(frame, extract.folder / "people.sav")
    frame.astype({"sex": "int64"}).to_parquet(extract.folder / "people.parquet")
    frame.assign(sex=["1 ", " 2"]).to_csv(extract.folder / "people.csv", index=False)
    prepared = []
    for name in ("people.sav", "people.parquet", "people.csv"):
        extract.people()
        frame.assign(sex=["1 ", " 2"]).to_csv(extract.folder / "people.csv", index=False)
        extract.tables["person"]["file"] = name
        prepared.append(extract.prepare()["person"])
    for other in prepared[1:]:
        pd.testing.assert_frame_equal(prepared[0], other)


def test_missing_codes(extract):
    """Codes an SPSS file declares as missing become empty unless the site file explains them."""
    frame = pd.DataFrame({"id": list("abcd"), "dob": ["1980-01-01"] * 4, "sex": [1.0, 2.0, 9.0, 9.0],
                          "home": [1.0, -1.0, -9.0, 0.0], "group": ["A", "NK", "A", "XX"]})  # fmt: skip
    missing = {"sex": [9], "home": [{"lo": -9, "hi": -1}], "group": ["NK"]}
    pyreadstat.write_sav(frame, extract.folder / "people.sav", missing_ranges=missing)
    extract.people(columns={
        "sex": {"from": "sex", "values": {1: "M", 2: "F", 9: "U"}},
        "carehome_flag": {"from": "home", "values": {1: True, 0: False}},
        "ethnicity16": {"from": "group", "values": {"A": "A"}, "missing": ["XX"]},
    })  # fmt: skip
    extract.tables["person"]["file"] = "people.sav"
    person = extract.prepare()["person"].set_index("person_id")
    assert sorted(person["sex"]) == ["F", "M", "U", "U"]
    assert person["carehome_flag"].isna().sum() == 2
    assert person["ethnicity16"].dropna().tolist() == ["A", "A"]


def test_yes_and_no_are_codes(extract):
    extract.people("a,1980-01-01,1,Yes", "b,1980-01-01,1,No", header="id,dob,sex,home",
                   columns={"carehome_flag": {"from": "home", "values": {"Yes": True, "No": False}}})  # fmt: skip
    assert sorted(extract.prepare()["person"]["carehome_flag"]) == [False, True]


ICD10 = [("f32.3", "F323"), (" I10 ", "I10"), ("A17.0†", "A170"), ("G01*", "G01"), ("I25.9+", "I259"), ("E11.-", "E11")]


def test_icd10_codes_are_tidied(extract):
    extract.people("a,1980-01-01,1")
    extract.write("events.csv", "id,code\n" + "".join(f"a,{written}\n" for written, _ in ICD10))
    extract.tables["condition_event"] = events(code={"from": "code", "icd10": True})
    assert sorted(extract.prepare()["condition_event"]["code"]) == sorted(tidy for _, tidy in ICD10)


def events(**columns) -> dict:
    return {
        "file": "events.csv", "number": "event_id",
        "columns": {"person_id": {"from": "id", "pseudonymise": True}, "code_system": {"constant": "ICD10"},
                    "event_date": {"constant": "2020-01-01"}, "source": {"constant": "GP"}, **columns},
    }  # fmt: skip


def test_a_code_mangled_by_a_spreadsheet_or_left_untidy_is_refused(extract, message_of):
    extract.people("a,1980-01-01,1")
    extract.write("events.csv", "id,code\na,2.48611E+14\na,F32.3\na,I10\n")
    extract.tables["condition_event"] = events(code={"from": "code"})
    message = message_of(extract.prepare)
    assert "condition_event.columns.code: 2 rows do not have the form of the column (2.48611E+14, F32.3)" in message


def test_numbers_are_whole_where_they_must_be(extract, message_of):
    """3.7 is not silently 4, and text such as "nan" is no number."""
    extract.write("areas.csv", "area,age,n\n" + "".join(f"E01000001,{a},{n}\n" for a, n in [("3.0", "1e2"), ("4", "2.5")]))
    columns = {"area_cd": {"from": "area"}, "year": {"constant": 2020}, "sex": {"constant": "F"},
               "age": {"from": "age"}, "population": {"from": "n"}}  # fmt: skip
    extract.tables["area_population"] = {"file": "areas.csv", "columns": columns}
    population = extract.prepare()["area_population"]
    assert population["age"].tolist() == [3, 4]
    assert population["population"].tolist() == [100.0, 2.5]
    for age, number, words in (("3.7", "1", "'3.7' (1 rows), which is not a integer"), ("3", "nan", "'nan' (1 rows)"),
                               ("3", "inf", "'inf'"), ("3", "1,5", "fields"), ("1e300", "1", "'1e300'")):  # fmt: skip
        extract.write("areas.csv", f"area,age,n\nE01000001,{age},{number}\n")
        assert words in message_of(extract.prepare)


DATES = [
    ("1980-02-29", "", "1980-02-01"), ("1980-2-9", "", "1980-02-01"), ("1980-02-09 23:59:00", "", "1980-02-01"),
    ("1980-02-09T10:00:00Z", "", "1980-02-01"), ("09/02/1980", "%d/%m/%Y", "1980-02-01"), ("19800209", "%Y%m%d", "1980-02-01"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "form", "month"), DATES)
def test_dates(extract, written, form, month):
    """Only the month of birth is kept, whether or not the site file says so."""
    extract.people(f"a,{written},1", columns={"birth_month": {"from": "dob", "date": form}})
    assert str(extract.prepare()["person"]["birth_month"].iloc[0])[:10] == month


BAD_DATES = [("1981-02-29", ""), ("02/09/1980", ""), ("1980-02-290", ""), ("31/02/1980", "%d/%m/%Y"), ("1980", "%Y%m%d")]


@pytest.mark.parametrize(("written", "form"), BAD_DATES)
def test_bad_dates_are_problems(extract, message_of, written, form):
    extract.people(f"a,{written},1", "b,,1", columns={"birth_month": {"from": "dob", "date": form, "missing": [""]}})
    message = message_of(extract.prepare)
    assert f"dob holds {written!r} (1 rows), which is not a date" in message


def test_true_dates_need_no_format(extract):
    frame = pd.DataFrame({"id": ["a", "b"], "dob": [dt.date(1980, 2, 9), dt.date(9999, 12, 31)], "sex": ["1", "1"]})
    frame.to_parquet(extract.folder / "people.parquet")
    extract.people(columns={"birth_month": {"from": "dob", "missing": ["9999-12-31"]}})
    extract.tables["person"] |= {"file": "people.parquet", "where": {"id": "a"}}
    assert extract.prepare()["person"]["birth_month"].astype(str).tolist() == ["1980-02-01"]


def test_where_and_present_choose_rows(extract):
    extract.people("a,1980-01-01,1,", "b,1980-01-01,1,x", "c,1980-01-01,2,x", header="id,dob,sex,mark", present=["mark"])
    assert len(extract.prepare()["person"]) == 2
    extract.tables["person"]["where"] = {"sex": [2.0, "3"]}
    assert extract.prepare()["person"]["sex"].tolist() == ["F"]


def test_wide_rows_may_differ_in_their_columns(extract):
    """A column that only some kinds of row have is empty in the others; identifiers are replaced in all of them."""
    extract.people("a,1980-01-01,1")
    extract.write("events.csv", "id,asthma,stroke\na,1,1\n")
    table = events()
    pseudonymised = table["columns"].pop("person_id")
    table["rows"] = [
        {"where": {"asthma": 1}, "columns": {"person_id": pseudonymised, "code": {"constant": "J45"}}},
        {"where": {"stroke": 1},
         "columns": {"person_id": pseudonymised, "code": {"constant": "I64"}, "status": {"constant": "active"}}},
    ]  # fmt: skip
    extract.tables["condition_event"] = table
    found = extract.prepare()["condition_event"].sort_values("code")
    assert found["code"].tolist() == ["I64", "J45"]
    assert found["status"].fillna("").tolist() == ["active", ""]
    assert found["person_id"].str.fullmatch("[0-9a-f]{64}").all()


def test_prefix(extract):
    extract.people("a,1980-01-01,1")
    extract.write("events.csv", "id,nr\na,7\n")
    extract.tables["condition_event"] = events(code={"constant": "J45"}, event_id={"from": "nr", "prefix": "N-"})
    del extract.tables["condition_event"]["number"]
    assert extract.prepare()["condition_event"]["event_id"].tolist() == ["N-7"]


def test_nan_in_a_parquet_file_is_missing(extract):
    frame = pd.DataFrame({"id": [1.0, 2.0], "dob": ["1980-01-01"] * 2, "sex": [1, 1], "home": [np.nan, 1.0]})
    frame.to_parquet(extract.folder / "people.parquet")
    extract.people(columns={"carehome_flag": {"from": "home", "values": {1: True}}})
    extract.tables["person"]["file"] = "people.parquet"
    assert extract.prepare()["person"]["carehome_flag"].isna().sum() == 1
