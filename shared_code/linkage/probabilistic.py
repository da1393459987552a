"""Step P: weights of record-person pairs by Splink (Fellegi and Sunter), on DuckDB.

u comes from random pairs that no number links; m from expectation maximisation over two blocks; the share of matches is
found again for the records at hand. A model is numbers only: no identifier is in it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import duckdb

from shared_code.linkage.comparisons import (
    BLOCKS,
    SMALLEST,
    TRAINING_BLOCKS,
    VETOES,
    Comparison,
    case_sql,
    comparisons,
    splink_comparison,
)  # fmt: skip
from shared_code.linkage.settings import Settings
from shared_code.linkage.weights import prior_weight
from shared_code.model import Problem, Refused

COLUMNS = ("typed_number", "surname", "forename", "birth", "birth_text", "sex", "postcode", "sector", "sound",
           "last_four", "birth_year", "initial")  # fmt: skip
LOWEST_WEIGHT = -3.0  # bits, the prior included: pairs below cannot reach any threshold of interest
NUMBER = "nhs_number"
RECORDS_PAIRED = 100_000  # at most, in the random pairs
Values = dict[str, dict[str, tuple[float, float]]]  # comparison -> level -> (m, u)


@dataclass(frozen=True)
class Model:
    """Hold the trained parameters, and how they came about: "trained" or "published"."""

    values: Values
    origin: str


def published(settings: Settings) -> Model:
    """Give the model of the methods specification, for few records."""
    found = {c.name: {v.name: (v.m, v.u) for v in c.levels} for c in comparisons(settings.swap_is_one_error)}
    return Model(found, "published")


def train(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Model:
    """Learn m and u from the tables `r` (records) and `p` (people); both are normalised, with blocks.

    With fewer rows than settings.fewest_to_train the published parameters are returned.
    """
    records, people = (_count(connection, name) for name in ("r", "p"))
    start = published(settings)
    if min(records, people) < settings.fewest_to_train:
        return start
    compared = comparisons(settings.swap_is_one_error)
    shares = _u_from_random_pairs(connection, compared, settings, records, people)
    values = {c.name: {v.name: (v.m, shares[c.name][v.name]) for v in c.levels} for c in compared}
    connection.execute(f"""CREATE OR REPLACE TABLE learn_a_records AS SELECT rid AS unique_id, {', '.join(COLUMNS)} FROM r
        ORDER BY hash(rid + {settings.seed}), rid LIMIT {settings.training_rows}""")
    connection.execute(f"CREATE OR REPLACE TABLE learn_b_people AS SELECT pid AS unique_id, {', '.join(COLUMNS)} FROM p")
    linker = _linker(connection, "learn_a_records", "learn_b_people", compared, values, 0.5 / people)
    for block in TRAINING_BLOCKS:
        linker.training.estimate_parameters_using_expectation_maximisation(
            _same(block), estimate_without_term_frequencies=True)  # fmt: skip
    learnt = _read(linker, compared)
    connection.execute("DROP TABLE learn_a_records; DROP TABLE learn_b_people")
    return Model(learnt, "trained")


def score(connection: duckdb.DuckDBPyConnection, left: str, settings: Settings, model: Model) -> dict[str, int]:
    """Score the pairs of table `left` with `p` into table `pairs` (rid, pid, weight): bits without the prior.

    Pairs that a veto rejects are dropped; returns how many each veto rejected among those worth looking at.
    """
    people = _count(connection, "p")
    compared = comparisons(settings.swap_is_one_error)
    connection.execute(f"CREATE OR REPLACE TABLE score_a_records AS SELECT rid AS unique_id, {', '.join(COLUMNS)} FROM {left}")
    connection.execute(f"CREATE OR REPLACE TABLE score_b_people AS SELECT pid AS unique_id, {', '.join(COLUMNS)} FROM p")
    share = min(1.0 / people, 0.5)
    linker = _linker(connection, "score_a_records", "score_b_people", compared, model.values, share)
    pairs = linker.inference.predict(threshold_match_weight=LOWEST_WEIGHT, warning_mode="never")
    counts = [f"count(*) FILTER ({condition})" for condition in VETOES.values()]
    rejected = connection.execute(f"SELECT {', '.join(counts)} FROM {pairs.physical_name}").fetchone() or ()
    vetoed = " OR ".join(f"({condition})" for condition in VETOES.values())
    connection.execute(f"""CREATE OR REPLACE TABLE pairs AS
        SELECT unique_id_l AS rid, unique_id_r AS pid, round(match_weight - ({prior_weight(share)!r}), 6) AS weight
        FROM {pairs.physical_name} WHERE NOT ({vetoed}) ORDER BY rid, pid""")
    pairs.drop_table_from_database_and_remove_from_cache()
    connection.execute("DROP TABLE score_a_records; DROP TABLE score_b_people")
    return dict(zip(VETOES, map(int, rejected)))


def _u_from_random_pairs(connection: duckdb.DuckDBPyConnection, compared: list[Comparison], settings: Settings,
                         records: int, people: int) -> dict[str, dict[str, float]]:  # fmt: skip
    """Measure how often non-matching pairs reach each level; pairs with the same number are left out.

    Every record meets the people at `shifts` fixed distances in a shuffled order, so the same tables give the same pairs.
    How often two numbers agree by chance cannot be measured on so few pairs; it keeps its published value.
    """
    rows = min(records, RECORDS_PAIRED)
    shifts = max(1, settings.random_pairs // rows)
    measured = [c for c in compared if c.name != NUMBER]
    cases = ", ".join(f"{case_sql(c)} AS {c.name}" for c in measured)
    left = ", ".join(f"l.{c} AS {c}_l" for c in COLUMNS)
    right = ", ".join(f"r.{c} AS {c}_r" for c in COLUMNS)
    connection.execute(f"""CREATE OR REPLACE TEMP TABLE some_r AS SELECT row_number() OVER (ORDER BY
        hash(rid + {settings.seed}), rid) AS place, * FROM r QUALIFY place <= {rows}""")
    connection.execute(f"""CREATE OR REPLACE TEMP TABLE some_p AS SELECT row_number() OVER (ORDER BY
        hash(pid + {settings.seed + 1}), pid) - 1 AS place, * FROM p""")
    connection.execute(f"""CREATE OR REPLACE TEMP TABLE levels AS SELECT {cases} FROM (
        SELECT {left}, {right} FROM (SELECT *, unnest(range({shifts})) AS shift FROM some_r) l
        JOIN some_p r ON r.place = (l.place + l.shift * {max(people // shifts, 1)}) % {people}
        WHERE coalesce(l.typed_number <> r.typed_number, true))""")
    found = {c.name: {level.name: level.u for level in c.levels} for c in compared if c.name == NUMBER}
    for comparison in measured:
        counted = dict(connection.execute(f"SELECT {comparison.name}, count(*) FROM levels GROUP BY 1").fetchall())
        known = sum(n for level, n in counted.items() if level >= 0)
        best = len(comparison.levels) - 1
        raw = {level.name: (counted.get(best - at, 0) + 0.5) / (known + 1) for at, level in enumerate(comparison.levels)}
        total = sum(raw.values())
        found[comparison.name] = {name: max(value / total, SMALLEST) for name, value in raw.items()}
    connection.execute("DROP TABLE some_r; DROP TABLE some_p; DROP TABLE levels")
    return found


def _linker(connection: duckdb.DuckDBPyConnection, left: str, right: str, compared: list[Comparison], values: Values,
            share: float) -> Any:  # fmt: skip
    """Set up Splink without its messages: they are not ours to vouch for."""
    try:
        import splink  # only step P needs it
    except ImportError:
        raise Refused("The linkage", [Problem("splink", "it is not installed, and step P needs it", "version 5.0",
                                              "Install the packages of requirements.lock")]) from None  # fmt: skip
    logging.getLogger("splink").setLevel(logging.CRITICAL)
    api = splink.DuckDBAPI(connection)
    settings = {
        "link_type": "link_only", "unique_id_column_name": "unique_id", "probability_two_random_records_match": share,
        "comparisons": [splink_comparison(c, values[c.name]) for c in compared],
        "blocking_rules_to_generate_predictions": [_same(block) for block in BLOCKS],
        "retain_matching_columns": True, "retain_intermediate_calculation_columns": False,  # else no levels
        "em_convergence": 1e-5, "max_iterations": 100, "linker_uid": "cohortium",
    }  # fmt: skip
    tables = [api.register(name, dataset_display_name=name) for name in (left, right)]
    return splink.Linker(tables, settings, log_level=None, validate_settings=False)


def _same(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"l.{column} = r.{column}" for column in columns)


def _read(linker: Any, compared: list[Comparison]) -> Values:
    """Read m back; a level that never occurred keeps a small m instead of none."""
    written = {c["output_column_name"]: c["comparison_levels"] for c in linker.misc.save_model_to_json()["comparisons"]}
    found: Values = {}
    for comparison in compared:
        levels = {v["label_for_charts"]: v for v in written[comparison.name] if not v.get("is_null_level")}
        m = {name: _number(v.get("m_probability"), SMALLEST) for name, v in levels.items()}
        total = sum(m.values())
        found[comparison.name] = {name: (_rounded(m[name] / total), float(v["u_probability"])) for name, v in levels.items()}
    return found


def _rounded(value: float) -> float:
    """Drop the digits that the order of threads decides, so that the same tables give the same model."""
    return float(f"{value:.6g}")


def _number(value: Any, smallest: float) -> float:
    return max(float(value), smallest) if isinstance(value, int | float) else smallest


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[index]
