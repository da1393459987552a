"""Levels of agreement and hard vetoes, drawn as tables of two people; then the same through the whole linkage."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from shared_code.linkage.comparisons import VETOES, case_sql, comparisons
from shared_code.linkage.run import link
from shared_code.linkage.weights import PRIOR, pair_weight, posterior

# detail         one         the other   level
LEVELS = [
    ("nhs_number",    "4010232137", "4010232137", 2),
    ("nhs_number",    "4010232137", "4010232173", 1),   # transposition
    ("nhs_number",    "4010232137", "4090232137", 1),   # one digit
    ("nhs_number",    "4010232137", "4090232173", 0),
    ("nhs_number",    "4010232137", None,         -1),
    ("surname",       "SMITH",      "SMITH",      4),
    ("surname",       "JOHNSTONE",  "JOHNSTON",   2),   # Jaro-Winkler 0.98
    ("surname",       "DIXON",      "DICKSON",    0),   # 0.83
    ("surname",       "JONES",      "JOHNSON",    0),   # 0.83
    ("surname",       "SMITH",      "SMYTH",      1),   # 0.89
    ("forename",      "ANNA",       "ANNA",       3),
    ("forename",      "ANNA",       "ANA",        2),   # 0.93
    ("forename",      "ANNA",       "A",          -1),  # an initial says nothing if it agrees
    ("forename",      "ANNA",       "B",          0),
    ("forename",      "ANNA",       "BERTA",      0),
    ("date_of_birth", "1980-05-17", "1980-05-17", 3),
    ("date_of_birth", "1980-05-17", "1980-05-18", 2),   # one digit
    ("date_of_birth", "1980-05-17", "1908-05-17", 2),   # transposition
    ("date_of_birth", "1980-05-17", "1980-12-17", 1),   # two digits of one part
    ("date_of_birth", "1980-05-17", "1981-06-17", 0),   # two parts
    ("date_of_birth", "1980-05-06", "1980-06-05", 0),   # day and month exchanged: two parts
    ("postcode",      "ZE10AA",     "ZE10AA",     2),
    ("postcode",      "ZE10AA",     "ZE10BB",     1),
    ("postcode",      "ZE10AA",     "ZE11AA",     0),
    ("sex",           "F",          "M",          0),
    ("sex",           "F",          None,         -1),
]  # fmt: skip
COLUMN = {"nhs_number": "typed_number", "date_of_birth": "birth"}


def level(name: str, swap_is_one_error: bool = False, **values) -> int:
    """Compute one comparison; values: column_l and column_r."""
    comparison = next(c for c in comparisons(swap_is_one_error) if c.name == name)
    row = {f"{c}_{s}": None for c in ("typed_number", "surname", "forename", "birth", "postcode", "sex") for s in "lr"} | values
    cells = ", ".join(f"CAST($value_{k} AS {'DATE' if k.startswith('birth') else 'VARCHAR'}) AS {k}" for k in row)
    more = ", ".join(f"strftime(birth_{s}, '%Y%m%d') AS birth_text_{s}, "
                     f"left(postcode_{s}, length(postcode_{s}) - 2) AS sector_{s}" for s in "lr")  # fmt: skip
    query = f"SELECT {case_sql(comparison)} FROM (SELECT *, {more} FROM (SELECT {cells}))"
    return duckdb.execute(query, {f"value_{k}": v for k, v in row.items()}).fetchone()[0]


@pytest.mark.parametrize(("name", "one", "other", "expected"), LEVELS)
def test_levels(name, one, other, expected):
    column = COLUMN.get(name, name)
    assert level(name, **{f"{column}_l": one, f"{column}_r": other}) == expected
    assert level(name, **{f"{column}_l": other, f"{column}_r": one}) == expected, "the same both ways"


def test_exchanged_names_are_found_once():
    names = {"surname_l": "ANNA", "forename_l": "SMITH", "surname_r": "SMITH", "forename_r": "ANNA"}
    assert (level("surname", **names), level("forename", **names)) == (3, -1)


def test_day_and_month_exchanged_can_count_as_one_error():
    assert level("date_of_birth", True, birth_l="1980-05-06", birth_r="1980-06-05") == 2


# A model of few records has the published parameters, so these weights are known.
PERSON = "4010232137 Smith Anna 1980-05-17 F ZE10AA"
#  number surname forename birth sex postcode        becomes  because
CASES = [
    ("- Smith Ana 1980-05-17 F ZE10AA",               "P",     "a spelling of the forename"),
    ("- Smyth Anna 1980-05-17 F ZE10AA",              "P",     "a spelling of the surname"),
    ("- Smith Anna 1980-05-18 F ZE10AA",              "P",     "one digit of the birthday"),
    ("- Anna Smith 1980-05-17 F ZE10AA",              "P",     "names exchanged"),
    ("- Smith A 1980-05-17 F ZE10AA",                 "P",     "an initial"),
    ("4010232173 Smyth Anna 1980-05-17 F LE11AA",     "P",     "number mistyped, moved, surname misspelt"),
    ("- Smith Berta 1980-05-17 F ZE10AA",             "U",     "a twin sister"),
    ("- Smith Bert 1980-05-17 M ZE10AA",              "U",     "a twin brother"),
    ("- Smith Bert 1980-05-17 M LE11AA",              "U",     "opposite sex and another forename"),
    ("- Smith Anna 1980-06-18 F ZE10AA",              "U",     "two parts of the birthday: another person"),
    ("4010232137 Smith Anna 1991-06-18 F -",          "U",     "the same, though the number agrees"),
    ("- Brown Berta 1980-05-17 F ZE10AA",             "U",     "scores 0.9988 alone: same home and birthday"),
]  # fmt: skip


@pytest.fixture(scope="module")
def found(records, table, tmp_path_factory):
    from shared_code.linkage.settings import Settings

    rows = records("\n".join(line for line, _, _ in CASES))
    rows["source"] = [f"S{n}" for n in range(len(rows))]
    others = "\n".join(f"{n} Other{chr(65 + i)} Name{chr(65 + i)} 19{40 + i}-01-0{i + 1} M LE1{i}AA" for i, n in
                       enumerate(["6000000006", "9434765919", "9876543210"]))  # fmt: skip
    return link(rows, table(f"{PERSON}\n{others}"), Settings(tmp_path_factory.mktemp("private"), made_up=True))


@pytest.mark.parametrize("at", range(len(CASES)), ids=[case[2] for case in CASES])
def test_vetoes_in_the_whole_linkage(found, at):
    got = found.links.set_index("source").loc[f"S{at}"]
    assert got["link_method"] == CASES[at][1]
    assert pd.isna(got["person_id"]) == (CASES[at][1] == "U")


def test_the_report_says_which_vetoes_struck(found):
    assert set(found.report["vetoed"]) == set(VETOES)
    assert min(found.report["vetoed"].values()) >= 1


def test_twins_would_be_accepted_without_the_veto():
    twins = {"date_of_birth": True, "postcode": True, "surname": True, "sex": True, "forename": False}
    assert posterior(pair_weight(twins, PRIOR)) > 0.999
