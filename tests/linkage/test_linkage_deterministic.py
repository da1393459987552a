"""Steps D1, D2, D3, drawn as tables: what is in the index, what was recorded, and what becomes of it."""

from __future__ import annotations

import pandas as pd
import pytest

from shared_code.linkage.run import link
from shared_code.linkage.settings import Settings

INDEX = """
4010232137 Smith Anna 1980-05-17 F ZE10AA
9434765919 Jones Bert 1955-01-02 M ZE10AB
9876543210 Jones Bert 1955-01-02 M ZE10AC
6000000006 Unique Cora 1990-12-30 F ZE10AD
"""

# number surname forename birth sex postcode            becomes
CASES = [
    ("4010232137 Other Name 1980-09-09 F LE11AA",       "D1"),  # birth year agrees
    ("4010232137 SMITH Anna 1971-05-17 F LE11AA",       "D1"),  # surname, and day and month
    ("4010232137 smith Anna - F ze10aa",                "D1"),  # surname and postcode
    ("4010232137 Other Anna 1971-05-17 F ZE10AA",       "D1"),  # day and month, and postcode
    ("4010232137 Smith Anna 1971-06-18 F LE11AA",       "U"),   # surname alone: a wrong number
    ("4010232137 Other Name - F LE11AA",                "U"),
    ("- Smith Anna 1980-05-17 F ZE10AA",                "D2"),
    ("4010232138 Smith Anna 1980-05-17 F ZE10AA",       "D2"),  # a rejected number is no number
    ("- Smith Anna 1980-05-17 F LE11AA",                "D3"),
    ("- Smith Anna 1980-05-17 F -",                     "D3"),
    ("- Jones Bert 1955-01-02 M ZE10AB",                "D2"),
    ("- Jones Bert 1955-01-02 M LE11AA",                "U"),   # two people of the index are alike
    ("- Smith Anna 1980-05-18 M LE11AA",                "U"),
]  # fmt: skip


@pytest.fixture(scope="module")
def found(records, table, tmp_path_factory) -> pd.DataFrame:
    """Link every line of the table on its own: each is the only record of its source."""
    rows = records("\n".join(line for line, _ in CASES))
    rows["source"] = [f"S{n}" for n in range(len(rows))]
    links = link(rows, table(INDEX), Settings(tmp_path_factory.mktemp("private"), made_up=True)).links
    return links.set_index("source")


@pytest.mark.parametrize("at", range(len(CASES)), ids=[f"{line} {method}" for line, method in CASES])
def test_steps(found, at):
    expected = CASES[at][1]
    got = found.loc[f"S{at}"]
    assert got["link_method"] == expected
    assert pd.isna(got["person_id"]) == (expected == "U")
    assert got["weight_band"] == {"U": "none"}.get(expected, "deterministic")


def test_a_superseded_number_leads_to_the_person_it_was_merged_into(records, table, settings):
    rows = records("9434765870 Smith Anna 1980-05-17 F ZE10AA\n4010232137 a a 1980-01-01 F -")
    merged = pd.DataFrame({"superseded": ["943 476 5870"], "current": ["4010232137"]})
    links = link(rows, table(INDEX), settings, superseded=merged).links
    assert links["link_method"].tolist() == ["D1", "D1"]
    assert links["person_id"].nunique() == 1


def test_a_number_that_two_people_share_links_nobody(records, table, settings):
    index = table(f"{INDEX}\n4010232137 Brown Eva 1980-01-01 F ZE10AZ")
    found = link(records("4010232137 Smith Zoe 1980-05-17 F LE11AA"), index, settings)
    assert found.links.iloc[0]["link_method"] != "D1"
    assert found.report["people_sharing_a_number"] == 1


def test_what_is_written_differently_is_the_same(records, table, settings):
    index = table("4010232137 O'Brien-Ó Zoë 1980-05-17 2 ze1.0aa")
    assert link(records("- OBRIENO ZOE 1980-05-17 female ZE10AA"), index, settings).links.iloc[0]["link_method"] == "D2"


def test_placeholders_count_as_missing(records, table, settings):
    """A birthday of 1900-01-01 or the postcode of nobody's home agrees with nothing."""
    index = table("4010232137 Smith Anna 1900-01-01 F ZZ993VZ")
    found = link(records("- Smith Anna 1900-01-01 F ZZ993VZ"), index, settings)
    assert found.links.iloc[0]["link_method"] == "U"
