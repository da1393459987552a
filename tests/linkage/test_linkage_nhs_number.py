"""NHS numbers: every reason to reject one, alone and in a column, and what is only flagged."""

from __future__ import annotations

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.linkage import nhs_number
from shared_code.linkage.nhs_number import REASONS, VALID, Rules, check_digit, issue_range, reason
from shared_code.synthetic.identifiers import nhs_numbers

# number as typed               reason
CASES = [
    ("9434765919",              "valid"),
    ("943 476 5919",            "valid"),
    ("943-476-5919",            "valid"),
    (" 943\u00a0476\u20115919 ", "valid"),
    (None,                      "missing"),
    ("",                        "missing"),
    (" - ",                     "missing"),
    ("ABCDEFGHIJ",              "not_digits"),
    ("9434765919.0",            "not_digits"),
    ("\u0669434765919",         "not_digits"),
    ("943476591",               "wrong_length"),
    ("94347659190",             "wrong_length"),
    ("4444444444",              "repeated_digit"),
    ("9999999999",              "repeated_digit"),
    ("9991234560",              "no_check_digit"),
    ("9434765918",              "wrong_check_digit"),
    ("9990000018",              "test_range"),
]  # fmt: skip


def in_column(numbers: list[str | None], rules: Rules) -> list[str]:
    schema = ibis.schema({"n": "int64", "number": "string"})
    rows = ibis.memtable({"n": list(range(len(numbers))), "number": numbers}, schema=schema)
    return rows.select("n", code=nhs_number.reason_of(rows.number, rules)).order_by("n").execute()["code"].tolist()


@pytest.mark.parametrize(("number", "expected"), CASES)
def test_one_number(number, expected):
    assert reason(number) == expected


def test_a_column_gives_the_same_reasons():
    assert in_column([n for n, _ in CASES], Rules()) == [r for _, r in CASES]


def test_every_reason_is_met_and_has_words():
    strict = reason("9434765919", Rules(reject_unissued=True))
    assert {r for _, r in CASES} | {strict} == {*REASONS, VALID}


def test_known_answers(known):
    """T12.2: which numbers pass the check digit."""
    answer = known("T12.2")
    for number in answer["inputs"]["valid"]:
        assert reason(number, Rules(made_up=True)) == VALID
    for number in answer["inputs"]["invalid"]:
        assert reason(number) != VALID
    for number in answer["inputs"]["passes_mod11_but_reject"]:
        assert check_digit(number[:9]) == int(number[9])
        assert reason(number, Rules(made_up=True)) == "repeated_digit"
    assert check_digit("943476591") == answer["expected"]["check_of_943476591"]
    assert check_digit("999123456") is answer["expected"]["check_of_999123456"]


@pytest.mark.parametrize(("number", "name"), [
    ("4010232137", "england_wales_iom"), ("0101010000", "scotland_chi"), ("3200000010", "northern_ireland"),
    ("9434765919", "none"), ("5000000000", "none"),
])  # fmt: skip
def test_issue_ranges_flag(number, name):
    assert issue_range(number) == name
    rows = ibis.memtable({"number": [number, "x"]})
    assert rows.select(flag=nhs_number.range_of(rows.number)).execute()["flag"].tolist() == [name, None]


def test_issue_ranges_reject_only_when_asked():
    assert in_column(["9434765919", "4010232137"], Rules(reject_unissued=True)) == ["unissued", VALID]
    assert reason("4010232137", Rules(ranges={"other": ((1, 2),)}, reject_unissued=True)) == "unissued"


def test_test_numbers_are_valid_for_made_up_people_only():
    number = nhs_numbers(1)[0]
    assert (reason(number), reason(number, Rules(made_up=True))) == ("test_range", VALID)


def test_the_report_counts_and_shows_no_number():
    rows = ibis.memtable({"nhs_number": [n for n, _ in CASES]}, schema=ibis.schema({"nhs_number": "string"}))
    found = nhs_number.report(rows).execute()
    assert found["rows"].sum() == len(CASES)
    assert set(found["reason"]) == {r for _, r in CASES}
    assert "943476" not in found.to_csv()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.from_regex(r"[0-9 \-]{8,12}", fullmatch=True), st.text(max_size=12)),
                min_size=1, max_size=20), st.booleans(), st.booleans())  # fmt: skip
def test_alone_and_in_a_column_agree(numbers, made_up, strict):
    numbers = [n if n is None else n.replace("\x00", "") for n in numbers]
    rules = Rules(made_up=made_up, reject_unissued=strict)
    assert in_column(numbers, rules) == [reason(n, rules) for n in numbers]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9 - 1), st.integers(0, 9), st.integers(1, 9), st.integers(0, 8))
def test_the_check_digit_finds_every_single_error(prefix, at, step, first):
    """One digit changed, or two different neighbours exchanged, never leaves a valid number."""
    nine = f"{prefix:09d}"
    check = check_digit(nine)
    if check is None:
        return
    number = f"{nine}{check}"
    changed = number[:at] + str((int(number[at]) + step) % 10) + number[at + 1 :]
    assert check_digit(changed[:9]) != int(changed[9])
    exchanged = number[:first] + number[first + 1] + number[first] + number[first + 2 :]
    assert exchanged == number or check_digit(exchanged[:9]) != int(exchanged[9])
