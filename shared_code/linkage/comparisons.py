"""What is compared, in which levels, within which blocks, and which pairs are impossible whatever their weight.

Fellegi and Sunter's model (methods specification, section 12.5). Conditions are DuckDB SQL over columns with the suffix
_l (record) and _r (person). Levels are listed from the best down; the last, "else", is 0; null is -1 and weighs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

NEAR, LESS_NEAR = 0.92, 0.88  # Jaro-Winkler similarity of names
SMALLEST = 1e-7  # no level is thought rarer than this, however few pairs were seen
SWAPPED = "surname_l = forename_r AND forename_l = surname_r AND surname_l <> forename_l"
INITIAL = "(length(forename_l) = 1 OR length(forename_r) = 1) AND forename_l[1] = forename_r[1]"
HALVES = "(left(typed_number_l, 4) = left(typed_number_r, 4) OR right(typed_number_l, 4) = right(typed_number_r, 4))"
NEAR_NUMBER = f"{HALVES} AND damerau_levenshtein(typed_number_l, typed_number_r) <= 1"  # the first part is quick
_PARTS = ("year", "month", "day")
ONE_PART = "(" + " + ".join(f"({part}(birth_l) <> {part}(birth_r))::INT" for part in _PARTS) + ") <= 1"
DAY_MONTH_SWAP = ("year(birth_l) = year(birth_r) AND month(birth_l) = day(birth_r) AND day(birth_l) = month(birth_r)")


@dataclass(frozen=True)
class Level:
    """Hold one level: what it is called, its condition, and P(level | match), P(level | non-match) to start from."""

    name: str
    condition: str
    m: float
    u: float


@dataclass(frozen=True)
class Comparison:
    """Hold one compared detail; `frequency` names the column whose common values weigh less."""

    name: str
    missing: str
    levels: tuple[Level, ...]  # from the best to "else"
    frequency: str = ""


def comparisons(swap_is_one_error: bool = False) -> list[Comparison]:
    """List the comparisons; the starting values agree with `weights.M` and `weights.U` at the exact levels."""
    near_date = f"{ONE_PART} AND damerau_levenshtein(birth_text_l, birth_text_r) <= 1"
    if swap_is_one_error:
        near_date = f"({near_date}) OR ({DAY_MONTH_SWAP})"
    return [
        Comparison("nhs_number", "typed_number_l IS NULL OR typed_number_r IS NULL", (
            Level("exact", "typed_number_l = typed_number_r", 0.98, 1e-7),
            Level("one digit or transposition", NEAR_NUMBER, 0.012, 1e-6),
            Level("else", "ELSE", 0.008, 1 - 1.1e-6),
        )),
        Comparison("surname", "surname_l IS NULL OR surname_r IS NULL", (
            Level("exact", "surname_l = surname_r", 0.93, 0.003),
            Level("exchanged with the forename", SWAPPED, 0.003, 1e-6),
            Level("very similar", f"jaro_winkler_similarity(surname_l, surname_r) >= {NEAR}", 0.035, 0.001),
            Level("similar", f"jaro_winkler_similarity(surname_l, surname_r) >= {LESS_NEAR}", 0.007, 0.003),
            Level("else", "ELSE", 0.025, 0.993),
        ), "surname"),
        Comparison("forename", f"forename_l IS NULL OR forename_r IS NULL OR ({INITIAL}) OR ({SWAPPED})", (
            Level("exact", "forename_l = forename_r", 0.90, 0.008),
            Level("very similar", f"jaro_winkler_similarity(forename_l, forename_r) >= {NEAR}", 0.045, 0.001),
            Level("similar", f"jaro_winkler_similarity(forename_l, forename_r) >= {LESS_NEAR}", 0.015, 0.003),
            Level("else", "ELSE", 0.04, 0.988),
        )),
        Comparison("date_of_birth", "birth_l IS NULL OR birth_r IS NULL", (
            Level("exact", "birth_l = birth_r", 0.97, 1 / 30_000),
            Level("one digit or transposition", near_date, 0.02, 0.0008),
            Level("one part differs", ONE_PART, 0.005, 0.003),
            Level("else", "ELSE", 0.005, 0.9961667),
        )),
        Comparison("postcode", "postcode_l IS NULL OR postcode_r IS NULL", (
            Level("full", "postcode_l = postcode_r", 0.80, 2e-5),
            Level("sector", "sector_l = sector_r", 0.05, 0.0005),
            Level("else", "ELSE", 0.15, 0.99948),
        )),
        Comparison("sex", "sex_l IS NULL OR sex_r IS NULL", (
            Level("exact", "sex_l = sex_r", 0.995, 0.5), Level("else", "ELSE", 0.005, 0.5))),
    ]  # fmt: skip


BLOCKS = (  # pairs are compared where all columns of one line agree
    ("last_four", "birth_year"), ("sound", "birth"), ("postcode", "birth_year"), ("birth", "sex", "initial"),
)  # fmt: skip
TRAINING_BLOCKS = (("birth",), ("surname", "forename"))  # each teaches the comparisons it does not hold fixed

# Hard vetoes over levels. A forename differs when it is neither similar nor an initial nor exchanged with the surname.
VETOES = {
    "opposite sex and another forename": "gamma_sex = 0 AND gamma_forename = 0",
    "dates of birth differ in more than one part": "gamma_date_of_birth = 0",
    "same home and birthday, another forename (twins)":
        "gamma_date_of_birth = 3 AND gamma_postcode = 2 AND gamma_forename = 0 AND gamma_nhs_number <> 2",
}


# A link by number that looks like another person of the same home: it stays, and is listed for review.
OTHER_FORENAME = (f"jaro_winkler_similarity(forename_l, forename_r) < {LESS_NEAR} AND NOT ({INITIAL}) AND NOT ({SWAPPED})")
DOUBTFUL_NUMBER = f"{OTHER_FORENAME} AND (birth_l <> birth_r OR sex_l <> sex_r)"


def case_sql(comparison: Comparison) -> str:
    """Write a comparison as one SQL expression giving the level's number (tests and random pairs use it)."""
    best = len(comparison.levels) - 1
    lines = [f"WHEN {comparison.missing} THEN -1"]
    lines += [f"WHEN {level.condition} THEN {best - at}" for at, level in enumerate(comparison.levels[:-1])]
    return f"CASE {' '.join(lines)} ELSE 0 END"


def splink_comparison(comparison: Comparison, values: dict[str, tuple[float, float]]) -> dict:
    """Write a comparison as Splink takes it. values: level name -> (m, u)."""
    levels = [{"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}]
    for level in comparison.levels:
        m, u = values[level.name]
        written = {"sql_condition": level.condition, "label_for_charts": level.name,
                   "m_probability": m, "u_probability": u, "fix_u_probability": True}  # fmt: skip
        if level.name == "exact" and comparison.frequency:
            written |= {"tf_adjustment_column": comparison.frequency, "tf_adjustment_weight": 1.0}
        levels.append(written)
    return {"output_column_name": comparison.name, "comparison_description": comparison.name, "comparison_levels": levels}
