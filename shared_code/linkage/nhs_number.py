"""NHS numbers: valid, or rejected for one named reason; issue ranges are flagged, not judged.

Reference: methods specification, section 12.2; NHS Data Dictionary (modulus 11). The issue ranges were written from
memory and are not verified against an official list: they are a setting, and by default they only flag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

VALID = "valid"
MISSING, NOT_DIGITS, WRONG_LENGTH = "missing", "not_digits", "wrong_length"
REPEATED, NO_CHECK_DIGIT, WRONG_CHECK_DIGIT = "repeated_digit", "no_check_digit", "wrong_check_digit"
TEST_RANGE, UNISSUED = "test_range", "unissued"
REASONS = {  # code -> words, in the order in which they are looked for
    MISSING: "no number is given",
    NOT_DIGITS: "it holds something else than digits, spaces and hyphens",
    WRONG_LENGTH: "it does not have exactly 10 digits",
    REPEATED: "one digit is repeated ten times (all of these pass the check digit)",
    NO_CHECK_DIGIT: "its first nine digits have no valid check digit, so it was never issued",
    WRONG_CHECK_DIGIT: "its check digit is wrong: a digit was mistyped",
    TEST_RANGE: "it begins with 999, which is kept for tests",
    UNISSUED: "it lies outside every issue range",
}
LENGTH = 10
WEIGHTS = range(LENGTH, 1, -1)  # of the first nine digits
SEPARATORS = r"[\s\x{A0}\x{2010}-\x{2015}-]"  # RE2: spaces, no-break spaces, hyphens and dashes
_SEPARATORS = re.compile("[ \t\n\r\f\v\u00a0\u2010-\u2015-]")
RANGES = {  # first nine digits, first and last; from memory, verify before rejecting anything on them
    "england_wales_iom": ((400_000_000, 499_999_999), (600_000_000, 799_999_999)),
    "scotland_chi": ((10_101_000, 311_299_999),),
    "northern_ireland": ((320_000_001, 399_999_999),),
}
ELSEWHERE = "none"  # flag of a number in no range


@dataclass(frozen=True)
class Rules:
    """Say what a number is checked against.

    made_up          the 999 range counts as valid: for made-up people only
    ranges           name -> pairs of first and last nine digits; the name becomes the number's flag
    reject_unissued  a number in no range is rejected instead of flagged
    """

    made_up: bool = False
    ranges: Mapping[str, tuple[tuple[int, int], ...]] = None  # type: ignore[assignment]
    reject_unissued: bool = False

    def __post_init__(self) -> None:
        if self.ranges is None:
            object.__setattr__(self, "ranges", RANGES)


def check_digit(first_nine: str) -> int | None:
    """Compute the tenth digit; None where there is no valid one.

    >>> check_digit("943476591"), check_digit("999123456")
    (9, None)
    """
    check = 11 - sum(weight * int(digit) for weight, digit in zip(WEIGHTS, first_nine)) % 11
    return {11: 0, 10: None}.get(check, check)


def reason(text: str | None, rules: Rules = Rules()) -> str:
    """Say "valid", or the code of the first reason to reject a number.

    >>> reason("943 476 5919"), reason("943-476-5918"), reason("2222222222")
    ('valid', 'wrong_check_digit', 'repeated_digit')
    """
    digits = _SEPARATORS.sub("", text or "")
    if not digits:
        return MISSING
    if not re.fullmatch("[0-9]+", digits):
        return NOT_DIGITS
    if len(digits) != LENGTH:
        return WRONG_LENGTH
    if len(set(digits)) == 1:
        return REPEATED
    check = check_digit(digits[:9])
    if check is None:
        return NO_CHECK_DIGIT
    if check != int(digits[9]):
        return WRONG_CHECK_DIGIT
    if digits.startswith("999") and not rules.made_up:
        return TEST_RANGE
    return UNISSUED if rules.reject_unissued and issue_range(digits, rules) == ELSEWHERE else VALID


def issue_range(digits: str, rules: Rules = Rules()) -> str:
    """Name the issue range of ten digits, or "none".

    >>> issue_range("4010232137"), issue_range("9434765919")
    ('england_wales_iom', 'none')
    """
    first_nine = int(digits[:9])
    for name, pairs in rules.ranges.items():
        if any(low <= first_nine <= high for low, high in pairs):
            return name
    return ELSEWHERE


def digits_of(number: ir.StringValue) -> ir.StringValue:
    """Strip spaces and hyphens; a text without anything else becomes null."""
    return number.re_replace(SEPARATORS, "").nullif("")


def reason_of(number: ir.StringValue, rules: Rules = Rules()) -> ir.StringValue:
    """Do what `reason` does for a whole column, inside the engine."""
    digits = digits_of(number)
    plain = digits.re_search("^[0-9]{10}$")
    safe = ibis.ifelse(plain, digits, "0" * LENGTH)  # engines may compute every branch
    figures = [safe.substr(at, 1).cast("int64") for at in range(LENGTH)]
    total = figures[0] * WEIGHTS[0]
    for weight, figure in zip(WEIGHTS[1:], figures[1:9]):
        total = total + figure * weight
    check = 11 - total % 11
    branches = [
        (digits.isnull(), MISSING),
        (~digits.re_search("^[0-9]+$"), NOT_DIGITS),
        (digits.length() != LENGTH, WRONG_LENGTH),
        (safe == safe.substr(0, 1).repeat(LENGTH), REPEATED),
        (check == 10, NO_CHECK_DIGIT),
        (check % 11 != figures[9], WRONG_CHECK_DIGIT),
    ]
    if not rules.made_up:
        branches.append((safe.startswith("999"), TEST_RANGE))
    if rules.reject_unissued:
        branches.append((range_of(safe, rules) == ELSEWHERE, UNISSUED))
    return ibis.cases(*branches, else_=VALID)


def range_of(digits: ir.StringValue, rules: Rules = Rules()) -> ir.StringValue:
    """Do what `issue_range` does for a column of ten digits; null where there are not ten digits."""
    first_nine = ibis.ifelse(digits.re_search("^[0-9]{10}$"), digits.substr(0, 9), ibis.null("string")).cast("int64")
    branches = [(first_nine.isnull(), ibis.null("string"))]
    branches += [(first_nine.between(low, high), name) for name, pairs in rules.ranges.items() for low, high in pairs]
    return ibis.cases(*branches, else_=ELSEWHERE)


def report(rows: ir.Table, column: str = "nhs_number", rules: Rules = Rules()) -> ir.Table:
    """Count the numbers of a table by reason and issue range: columns reason, issue_range, rows. No number is shown."""
    number = rows[column]
    checked = rows.select(reason=reason_of(number, rules), issue_range=range_of(digits_of(number), rules))
    flagged = checked.mutate(issue_range=ibis.ifelse(checked.reason == VALID, checked.issue_range, ELSEWHERE))
    return flagged.group_by("reason", "issue_range").agg(rows=lambda t: t.count()).order_by("reason", "issue_range")
