"""Made-up people with identifiers, and records of them with planted errors: what linkage is measured against.

Names are invented syllables, postcodes begin with a letter no postcode begins with, and NHS numbers come from the test
range 999 (beyond its 909,090 valid numbers, from 998, which no issue range holds). Nothing here is measured; the shares
in `Errors` are chosen. Every table is made column by column, a million rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from shared_code.model import ETHNICITY5
from shared_code.synthetic.chance import draw, pick, stream
from shared_code.synthetic.misspelling import other_date, swapped_day_and_month, typed_wrong
from shared_code.synthetic.names import forenames, surnames
from shared_code.synthetic.planted import AGE_STRUCTURE

GROUPS = tuple(ETHNICITY5)
GROUP_SHARES = (0.80, 0.03, 0.10, 0.05, 0.02)
AS_OF = np.datetime64("2025-04-01")
AGE_BANDS = ((0, "0-17"), (18, "18-39"), (40, "40-64"), (65, "65-79"), (80, "80+"))
PEOPLE_A_POSTCODE = 40
HOUSEHOLD = (0.30, 0.34, 0.16, 0.13, 0.07)  # shares of households of 1 to 5 people
SAME_SURNAME = 0.85  # of the others of a household
TWINS = 0.015  # share of people who are the younger twin of the one before them in the household
FIRST_RANGE, NEXT_RANGE, RANGE = 999_000_000, 998_000_000, 1_000_000  # first nine digits


@dataclass(frozen=True)
class Errors:
    """Say which share of records has which error; a record may have several.

    More of them fall on deprived and minority people where `unequal` is above 1: the share is multiplied by it for the
    most deprived fifth and for every group but White.
    """

    number_missing: float = 0.08
    number_mistyped: float = 0.010  # one digit or two neighbours: the check digit catches it
    number_of_another: float = 0.002  # a stranger's
    number_of_household: float = 0.001  # a twin's or another member's
    surname_mistyped: float = 0.02
    surname_changed: float = 0.01
    forename_mistyped: float = 0.02
    forename_initial: float = 0.01
    forename_other: float = 0.01  # known by another name
    names_swapped: float = 0.005
    birth_mistyped: float = 0.01
    birth_day_month_swapped: float = 0.002
    birth_missing: float = 0.005
    sex_wrong: float = 0.002
    moved: float = 0.10  # the record holds another address
    postcode_mistyped: float = 0.01
    postcode_missing: float = 0.02
    not_in_index: float = 0.04  # people the index does not know
    unequal: float = 1.5


@dataclass(frozen=True)
class MadeUp:
    """Hold an index of people, records of them, and the truth that no linkage may see.

    people   nhs_number, surname, forename, date_of_birth, sex, postcode
    records  record_id, source, and the same identifiers as typed
    truth    record_id, source, nhs_number of the person meant (missing: not in the index), age_band, sex, eth5, imd5,
             and one true/false column per field of Errors
    """

    people: pd.DataFrame
    records: pd.DataFrame
    truth: pd.DataFrame


def make(people: int, records: int, seed: int = 1, errors: Errors = Errors(), source: str = "APC") -> MadeUp:
    """Make an index of `people` and one source's `records`, at most one of a person."""
    strangers = round(records * errors.not_in_index)
    if not 0 < records <= people + strangers:
        raise ValueError("make: a source holds at most one record of a person: ask for fewer records")
    everyone = _people(people + strangers, seed)
    rng = stream(seed, f"records {source}")
    known = rng.choice(people, records - strangers, replace=False)
    who = rng.permutation(np.concatenate([known, np.arange(people, people + strangers)]))
    typed, planted = _typed(everyone, who, people, rng, errors)
    typed.insert(0, "record_id", np.arange(records).astype(str))
    typed.insert(1, "source", source)
    meant = everyone.iloc[who].reset_index(drop=True)
    truth = pd.DataFrame({
        "record_id": typed["record_id"], "source": source,
        "nhs_number": meant["nhs_number"].where(who < people), "age_band": meant["age_band"], "sex": meant["sex"],
        "eth5": meant["eth5"], "imd5": meant["imd5"], **planted, "not_in_index": who >= people,
    })  # fmt: skip
    index = everyone.iloc[:people][["nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode"]]
    return MadeUp(index, typed, truth)


def no_errors() -> Errors:
    """Give shares that are all zero, to plant one error at a time with dataclasses.replace."""
    return replace(Errors(), **{f.name: 0.0 for f in fields(Errors)} | {"unequal": 1.0})


def nhs_numbers(count: int) -> np.ndarray:
    """Give the first `count` valid numbers of the test range, in order.

    >>> nhs_numbers(2).tolist()
    ['9990000018', '9990000026']
    """
    first = np.concatenate([np.arange(FIRST_RANGE, FIRST_RANGE + RANGE), np.arange(NEXT_RANGE, NEXT_RANGE + RANGE)])
    figures = first[:, None] // 10 ** np.arange(8, -1, -1) % 10
    check = (11 - figures @ np.arange(10, 1, -1) % 11) % 11
    numbers = (first * 10 + check)[check < 10]
    if count > len(numbers):
        raise ValueError(f"nhs_numbers: there are {len(numbers)} made-up numbers")
    return numbers[:count].astype(str).astype(object)


def _people(count: int, seed: int) -> pd.DataFrame:
    """Draw people in households: they share a postcode, mostly a surname, and some are twins."""
    rng = stream(seed, "identifiers")
    sizes = 1 + pick(rng, np.array(HOUSEHOLD), count)
    home = np.repeat(np.arange(count), sizes)[:count]
    first = np.concatenate([[True], home[1:] != home[:-1]])
    head = np.maximum.accumulate(np.where(first, np.arange(count), 0))
    group = pick(rng, np.array(GROUP_SHARES), count)[head]
    sex = np.where(rng.random(count) < 0.5, "F", "M")
    band = pick(rng, np.array(AGE_STRUCTURE, dtype=float), count)
    birth = AS_OF - (band * 1826 + rng.integers(0, 1826, count)).astype("timedelta64[D]")
    twin = ~first & (rng.random(count) < TWINS / (1 - first.mean()))
    birth[twin] = birth[np.flatnonzero(twin) - 1]
    own = surnames(rng, group)
    surname = np.where(first | twin | (rng.random(count) < SAME_SURNAME), own[head], own)
    surname[twin] = surname[np.flatnonzero(twin) - 1]
    codes = max(count // PEOPLE_A_POSTCODE, 20)
    poor = draw(rng, np.array([[1, 1, 1, 1, 1.0], [2, 1.5, 1, 0.7, 0.5]]), (group > 0).astype(np.int64))[head]
    code = poor * (codes // 5) + rng.integers(0, codes // 5, count)[head]
    age = ((AS_OF - birth).astype(int) / 365.25).astype(int)
    return pd.DataFrame({
        "nhs_number": rng.permutation(nhs_numbers(count)), "surname": surname, "forename": forenames(rng, group, sex),
        "date_of_birth": birth.astype("datetime64[s]"), "sex": sex, "postcode": postcodes(code), "household": home,
        "age_band": np.array([b for _, b in AGE_BANDS], dtype=object)[
            np.searchsorted([a for a, _ in AGE_BANDS], age, side="right") - 1],
        "eth5": np.array(GROUPS, dtype=object)[group], "imd5": poor + 1,
    })  # fmt: skip


def postcodes(code: np.ndarray) -> np.ndarray:
    """Write numbers as postcodes of an area that does not exist; neighbours share a sector.

    >>> postcodes(np.array([0, 1, 450])).tolist()
    ['QA1 0AA', 'QA1 0AB', 'QA1 1DP']
    """
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))
    unit, rest = code % 400, code // 400
    sector, district = rest % 10, rest // 10
    area, district = letters[district // 99 % 20], (district % 99 + 1).astype(str)
    parts = ["Q", area, district, " ", sector.astype(str), letters[unit // 20], letters[unit % 20]]
    text = np.full(len(code), "", dtype="U8")
    for part in parts:
        text = np.char.add(text, part)
    return text.astype(object)


def _typed(people: pd.DataFrame, who: np.ndarray, known: int, rng: np.random.Generator, errors: Errors
           ) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:  # fmt: skip
    """Type what a source recorded of each person, errors included; the errors made are returned by name."""
    count = len(who)
    true = people.iloc[who].reset_index(drop=True)
    harder = np.where((true["imd5"] == 1) | (true["eth5"] != "White"), errors.unequal, 1.0)
    planted = {f.name: rng.random(count) < getattr(errors, f.name) * harder
               for f in fields(Errors) if f.name not in ("unequal", "not_in_index")}  # fmt: skip
    number, surname, forename = (true[c].to_numpy(dtype=object).copy() for c in ("nhs_number", "surname", "forename"))
    birth, sex, postcode = true["date_of_birth"].to_numpy().copy(), true["sex"].to_numpy(dtype=object).copy(), true[
        "postcode"].to_numpy(dtype=object).copy()  # fmt: skip
    female = sex == "F"

    rows = np.flatnonzero(planted["number_of_another"])
    number[rows] = people["nhs_number"].to_numpy()[rng.integers(0, known, len(rows))]
    neighbour = np.clip(np.where(people["household"].to_numpy()[who] == people["household"].to_numpy()[who - 1],
                                 who - 1, who + 1), 0, len(people) - 1)  # fmt: skip
    planted["number_of_household"] &= people["household"].to_numpy()[neighbour] == true["household"].to_numpy()
    rows = np.flatnonzero(planted["number_of_household"])
    number[rows] = people["nhs_number"].to_numpy()[neighbour[rows]]
    _change(number, planted["number_mistyped"], lambda old: typed_wrong(rng, old, digits=True))
    number[planted["number_missing"]] = None

    group = true["eth5"].map({g: i for i, g in enumerate(GROUPS)}).to_numpy()
    rows = np.flatnonzero(planted["surname_changed"])
    surname[rows] = surnames(rng, group[rows])
    rows = np.flatnonzero(planted["forename_other"])
    forename[rows] = forenames(rng, group[rows], np.where(female[rows], "F", "M"))
    _change(surname, planted["surname_mistyped"], lambda old: typed_wrong(rng, old))
    _change(forename, planted["forename_mistyped"], lambda old: typed_wrong(rng, old))
    _change(forename, planted["forename_initial"], lambda old: np.array([n[:1] for n in old], dtype=object))
    rows = np.flatnonzero(planted["names_swapped"])
    surname[rows], forename[rows] = forename[rows], surname[rows]

    _change(birth, planted["birth_mistyped"], lambda old: other_date(rng, old))
    _change(birth, planted["birth_day_month_swapped"], swapped_day_and_month)
    birth[planted["birth_missing"]] = np.datetime64("NaT")
    sex[planted["sex_wrong"]] = np.where(female[planted["sex_wrong"]], "M", "F")
    rows = np.flatnonzero(planted["moved"])
    postcode[rows] = people["postcode"].to_numpy()[rng.integers(0, len(people), len(rows))]
    _change(postcode, planted["postcode_mistyped"], lambda old: typed_wrong(rng, old))
    postcode[planted["postcode_missing"]] = None
    typed = pd.DataFrame({"nhs_number": number, "surname": surname, "forename": forename, "date_of_birth": birth,
                          "sex": sex, "postcode": postcode})  # fmt: skip
    return typed, planted


def _change(values: np.ndarray, where: np.ndarray, change) -> None:
    values[where] = change(values[where])
