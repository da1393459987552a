"""Every message of a faulty site file, and codes that stay as a person wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from shared_code.config import Site, sites_of
from shared_code.config.reading import read_yaml

COLUMNS = "tables.person.columns"

# keys | new value (None: the key is removed) | words of the message
FAULTS: list[tuple[str, Any, list[str]]] = [
    ("contact", "me", ["'contact' is not known"]),
    ("controller", None, ["controller: this key is missing"]),
    ("extract_date", "yesterday", ["extract_date: 'yesterday'"]),
    ("disclosure", {"treshold": 15}, ["disclosure.treshold", "did you mean threshold?"]),
    ("tables.persn", {"file": "a.csv", "columns": {}}, ["'persn' is not a table of the data model", "did you mean person?"]),
    ("tables.person.fil", "a.csv", ["tables.person.fil: the key 'fil' is not known (did you mean file?)"]),
    ("tables.person.file", None, ["tables.person.file: this key is missing"]),
    ("tables.person.join", [{"file": "b.csv"}], ["tables.person.join.0.by: this key is missing"]),
    ("tables.person.fixed_width", {"ID": {"first": 9, "last": 2}}, ["the column ends (2) before it starts (9)"]),
    ("tables.person.number", "sequence", ["tables.person.number: 'sequence' is not a text column of person"]),
    ("tables.person.number", "sex", ["sex is made from a column and numbered as well"]),
    (f"{COLUMNS}.gender", {"from": "G"}, [f"{COLUMNS}: 'gender' is not a column of person", "birth_month"]),
    (f"{COLUMNS}.ethnicity", {"from": "G"}, ["did you mean ethnicity16?"]),
    ("tables.person.rows", [{"columns": {"ethnicty16": {"from": "E"}}}], ["rows.0.columns: 'ethnicty16'", "ethnicity16?"]),
    (f"{COLUMNS}.sex.vaules", {}, [f"{COLUMNS}.sex.vaules", "did you mean values?"]),
    (f"{COLUMNS}.sex.form", "SEX", ["'form' is not known (did you mean from?)"]),
    (f"{COLUMNS}.sex.constant", "F", [f"{COLUMNS}.sex: give exactly one of from or constant"]),
    (f"{COLUMNS}.sex", {"values": {1: "F"}}, [f"{COLUMNS}.sex: give exactly one of from or constant"]),
    (f"{COLUMNS}.sex", {"constant": "F", "prefix": "x"}, ["a constant is taken as it is; remove prefix"]),
    (f"{COLUMNS}.sex", {"from": "S", "icd10": True, "prefix": "x"}, ["icd10 and prefix cannot be used together"]),
    (f"{COLUMNS}.sex.values", {1: "male", 2: "F"}, ["sex.values.1: sex cannot be 'male'", "Allowed: F, M, I, U"]),
    (f"{COLUMNS}.sex.values", {1: "M", 9: None}, ["values.9: the code leads to nothing", "missing"]),
    (f"{COLUMNS}.sex.values", {1: "M", "1": "F"}, ["values lists the code '1' twice"]),
    (f"{COLUMNS}.sex", {"constant": "X"}, ["sex.constant: sex cannot be 'X'"]),
    (f"{COLUMNS}.birth_month", {"constant": "long ago"}, ["birth_month.constant: 'long ago' is not a date"]),
    (f"{COLUMNS}.carehome_flag", {"from": "C", "values": {1: "yes"}}, ["values.1: 'yes' is not a boolean"]),
    ("site", "North", ["site: 'North'"]),
]


def test_the_unspoilt_site_is_accepted(site):
    read = Site.read(site.write())
    assert read.tables["person"].columns["sex"].values == {"1": "M", "2": "F"}
    assert not read.made_up


@pytest.mark.parametrize(("keys", "value", "words"), FAULTS)
def test_each_fault_is_named_where_it_stands(site, message_of, keys, value, words):
    message = message_of(Site.read, site.change(keys, value).write())
    for word in words:
        assert word in message
    assert message.startswith(str(site.path))


def test_made_up_data_need_a_name_that_says_so(site, message_of):
    made_up = {"seed": 1, "shape": "csv", "deprivation": [0.1] * 10, "ethnicity": {"A": 1}, "wards": ["W"]}
    message = message_of(Site.read, site.change("demonstration", made_up).write())
    assert "only a site whose name begins with demo_ may hold made-up data" in message


def test_the_file_is_named_after_the_site(site, message_of):
    message = message_of(Site.read, site.change("site", "south").write())
    assert "the file is named north but says site: south" in message
    assert "Use the same name for both" in message


def test_all_problems_are_shown_at_once(site, problems_of):
    for keys, value in (
        ("contact", "me"),
        ("controller", None),
        ("tables.deth", {"file": "d.csv", "columns": {}}),
        (f"{COLUMNS}.gender", {"from": "G"}),
        (f"{COLUMNS}.sex.values", {1: "male"}),
        (f"{COLUMNS}.birth_month.constant", "2020-01-01"),
    ):
        site.change(keys, value)
    text = "\n".join(map(str, problems_of(Site.read, site.write())))
    for word in ("contact", "controller", "deth", "gender", "'male'", "exactly one of from or constant"):
        assert word in text


def test_faulty_files_of_several_sites_are_shown_together(site, problems_of):
    """A half-written site file stops only the studies it names."""
    site.change("contact", "me").write()
    site.path.with_name("south.yaml").write_text("site: south\nstudies: [tiny]\n", encoding="utf-8")
    site.path.with_name("west.yaml").write_text("site: west\nstudies: [other]\n", encoding="utf-8")
    site.path.with_name("_template.yaml").write_text("not: read\n", encoding="utf-8")
    text = "\n".join(map(str, problems_of(sites_of, "tiny", site.path.parent)))
    assert "north.yaml, contact" in text
    assert "south.yaml, title: this key is missing" in text
    assert "west.yaml" not in text
    assert "_template" not in text


def test_sites_take_part_in_the_studies_they_name(site):
    site.write()
    assert [found.site for found in sites_of("tiny", site.path.parent)] == ["north"]
    assert sites_of("other", site.path.parent) == []


def test_a_site_is_found_by_its_name_with_a_suggestion(site, message_of):
    site.write()
    assert Site.read("north", site.path.parent).title == "The north"
    assert "there is no such file (did you mean north.yaml?)" in message_of(Site.read, "norht", site.path.parent)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        # plain YAML would read these as False, True, 8, 750, 1000 and 1.0
        ("No", "No"), ("yes", "yes"), ("010", "010"), ("01", "01"), ("12:30", "12:30"), ("1_000", "1_000"), ("1.0", "1"),
        ("-1", "-1"), ("true", "true"), ("1", "1"), ("'1'", "1"), ("2004-01-02", "2004-01-02"), ("N", "N"), ("0x1F", "0x1F"),
    ],
)  # fmt: skip
def test_codes_in_a_site_file_are_the_codes_of_the_extract(site, written, code):
    path = site.replace("values: {1: M, 2: F}", f"values: {{{written}: M}}").write()
    assert Site.read(path).tables["person"].columns["sex"].values == {code: "M"}


def test_numbers_and_truth_values_keep_their_types(tmp_path):
    path = tmp_path / "types.yaml"
    path.write_text("a: 1\nb: 2.5\nc: true\nd: -3\ne: 1.5e-3\nf: 0\ng: null\n", encoding="utf-8")
    assert read_yaml(path) == {"a": 1, "b": 2.5, "c": True, "d": -3, "e": 0.0015, "f": 0, "g": None}
