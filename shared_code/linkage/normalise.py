"""Identifiers in one form, so that what means the same is written the same."""

from __future__ import annotations

import datetime as dt

import ibis
import ibis.expr.types as ir
import pandas as pd

from shared_code.linkage import nhs_number
from shared_code.linkage.settings import Settings

IDENTIFIERS = ("nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode")
POSTCODE = "^[A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2}$"
NO_ADDRESS = "^(ZZ99|NF1)"  # pseudo-postcodes: no fixed abode, not known
_SOUNDEX = {letter: digit for digit, letters in
            {"1": "BFPV", "2": "CGJKQSXZ", "3": "DT", "4": "L", "5": "MN", "6": "R"}.items() for letter in letters}  # fmt: skip


@ibis.udf.scalar.builtin
def strip_accents(text: str) -> str:  # the engine has it
    raise NotImplementedError


def normalise(rows: ir.Table, row: str, settings: Settings) -> ir.Table:
    """Give columns of one form; what cannot be used becomes null, which counts neither for nor against a match.

    row     name of the whole-number column that identifies a row; it is kept
    Adds number_reason, and `typed_number`: ten digits whose check digit is wrong still tell something.
    """
    number = rows.nhs_number.cast("string")
    digits, reason = nhs_number.digits_of(number), nhs_number.reason_of(number, settings.rules)
    surname, forename = _letters(rows.surname), _letters(rows.forename)
    birth = rows.date_of_birth.cast("date")
    birth = ibis.ifelse(birth.isin([dt.date.fromisoformat(d) for d in settings.placeholder_dates]), ibis.null("date"), birth)
    sex = rows.sex.cast("string").strip().upper().substr(0, 1)
    sex = sex.cases(("1", "M"), ("2", "F"), else_=sex)
    postcode = rows.postcode.cast("string").upper().re_replace("[^0-9A-Z]", "")
    postcode = ibis.ifelse(postcode.re_search(POSTCODE) & ~postcode.re_search(NO_ADDRESS), postcode, ibis.null("string"))
    return rows.select(
        row,
        number_reason=reason,
        nhs_number=ibis.ifelse(reason == nhs_number.VALID, digits, ibis.null("string")),
        typed_number=ibis.ifelse(reason.isin([nhs_number.VALID, nhs_number.WRONG_CHECK_DIGIT, nhs_number.NO_CHECK_DIGIT]),
                                 digits, ibis.null("string")),
        surname=surname, forename=forename, birth=birth,
        sex=ibis.ifelse(sex.isin(["F", "M"]), sex, ibis.null("string")),
        postcode=postcode,
    )  # fmt: skip


def with_blocks(rows: ir.Table, codes: ir.Table) -> ir.Table:
    """Add what records are compared within, and the parts of a date that vetoes look at.

    codes  surname and its sound, as `soundex_of` gives them
    """
    rows = rows.left_join(codes, "surname").drop("surname_right")
    return rows.mutate(
        last_four=rows.typed_number.substr(6, 4), birth_year=rows.birth.year(), birth_text=rows.birth.strftime("%Y%m%d"),
        initial=rows.forename.substr(0, 1), sector=rows.postcode.substr(0, rows.postcode.length() - 2),
    )  # fmt: skip


def soundex_of(surnames: pd.Series) -> pd.DataFrame:
    """Give the sound of every surname once."""
    found = surnames.dropna().drop_duplicates().sort_values()
    return pd.DataFrame({"surname": found.astype(object), "sound": [soundex(name) for name in found]}, dtype=object)


def soundex(name: str) -> str:
    """Code how a name sounds (American Soundex: vowels part equal codes, H and W do not).

    >>> soundex("ROBERT"), soundex("RUPERT"), soundex("ASHCRAFT"), soundex("TYMCZAK")
    ('R163', 'R163', 'A261', 'T522')
    """
    code, last = name[0], _SOUNDEX.get(name[0], "")
    for letter in name[1:]:
        digit = _SOUNDEX.get(letter, "")
        if digit and digit != last:
            code += digit
            if len(code) == 4:
                break
        if letter not in "HW":
            last = digit
    return code.ljust(4, "0")


def _letters(text: ir.StringValue) -> ir.StringValue:
    """Keep capital letters only: O'Brien-Ó, OBRIENO."""
    return strip_accents(text.cast("string")).upper().re_replace("[^A-Z]", "").nullif("")
