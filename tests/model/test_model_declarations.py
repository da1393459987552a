"""The declared data model: complete, consistent, and the same in every form it is given in."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from shared_code.model import TABLES
from shared_code.model.columns import SENSITIVITIES, TYPES
from shared_code.model.dictionary import dictionary_page, site_template
from shared_code.model.layouts import point_labels
from shared_code.model.schema import data_package

ROOT = Path(__file__).parents[2]
# The tables of the methods specification, section 0.2, with the columns of their keys.
SPECIFIED = {
    "person": ["person_id"], "person_address": ["person_id", "start"],
    "gp_registration": ["person_id", "practice_code", "reg_start"], "condition_event": ["event_id"],
    "admission": ["spell_id"], "ed_attendance": ["att_id"], "outpatient": ["appt_id"], "gp_encounter": ["enc_id"],
    "mh_contact": ["contact_id"], "asc_event": ["event_id"], "death": ["person_id"], "measurement": ["meas_id"],
    "programme": ["person_id", "programme_id"], "list_flag": ["person_id", "list", "added"],
    "area_lookup": ["lsoa21", "ward_vintage"], "area_population": ["area_cd", "year", "sex", "age"],
    "ward_indicator": ["ward_cd", "ward_vintage", "indicator_id", "period_end"],
    "source_receipt": ["source", "month"], "unit_cost": ["service", "year"], "reference_rate": ["rate_id", "sex", "age"],
}  # fmt: skip
COLUMNS = [(table, column) for table in TABLES.values() for column in table.columns]
NAMES = [f"{table.name}.{column.name}" for table, column in COLUMNS]


def test_every_specified_table_is_declared_with_its_key():
    assert {name: table.key for name, table in TABLES.items()} == SPECIFIED


@pytest.mark.parametrize("table, column", COLUMNS, ids=NAMES)
def test_a_column_is_declared_well(table, column):
    assert column.type in TYPES and column.sensitivity in SENSITIVITIES
    assert column.meaning and not column.meaning.endswith(".")
    if column.pattern:
        re.compile(column.pattern)
        assert all(re.fullmatch(column.pattern, code) for code in column.values)
    if column.lowest is not None and column.highest is not None:
        assert column.lowest < column.highest


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_references_lead_to_a_key(table):
    assert len({c.name for c in table.columns}) == len(table.columns)
    for column, other in table.refers_to.items():
        assert column in table.column_names and column in TABLES[other].key


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_about_people_refers_to_person_by_an_identifier(table):
    if "person_id" in table.column_names:
        assert table.column("person_id").private
        assert table.name == "person" or table.refers_to.get("person_id") == "person"
    else:
        assert all(c.sensitivity == "reference" for c in table.columns), "a table about places holds nothing about people"


def test_the_dictionary_names_every_column_and_code():
    page = dictionary_page()
    for table, column in COLUMNS:
        assert f"## {table.name}\n" in page and f"`{column.name}`" in page
        assert all(f"`{code}`" in page for code in column.values)


def test_the_schema_says_what_the_declarations_say():
    stored = json.loads((ROOT / "docs" / "data-model.json").read_text("utf-8"))
    assert stored == json.loads(json.dumps(data_package()))
    by_name = {r["name"]: r["schema"] for r in stored["resources"]}
    for table, column in COLUMNS:
        field = next(f for f in by_name[table.name]["fields"] if f["name"] == column.name)
        constraints = field.get("constraints", {})
        assert constraints.get("required", False) == column.never_missing
        assert constraints.get("enum", []) == list(column.values)
        assert field["sensitivity"] == column.sensitivity
    assert {name: schema["primaryKey"] for name, schema in by_name.items()} == SPECIFIED


def test_the_template_becomes_valid_settings_when_it_is_filled_in():
    import yaml

    from shared_code.config import Site

    settings = yaml.safe_load(site_template().replace("site: NAME", "site: somewhere"))
    assert set(settings["tables"]) == set(TABLES)
    Site.model_validate(settings)


def test_points_of_a_profile_are_their_own_numbers():
    labels = point_labels(-5.2983, 2.9957, 16)
    values = [float(label) for label in labels]
    assert len(set(labels)) == 16 and [values[0], values[-1]] == [-5.2983, 2.9957]
    assert max(abs(b - a - 8.294 / 15) for a, b in pairwise(values)) < 2e-4
