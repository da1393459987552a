"""Real published tables as a test of the detector: weaknesses are counted; no number that follows from them is ever told."""

from __future__ import annotations

import pandas as pd

from shared_code.disclosure.attacks import Known
from shared_code.disclosure.attacks.find import too_narrow

LEVELS = {"age": ["0-29", "30-49", "50-69", "70+"], "imd": ["1", "2", "3", "4", "5"], "sex": ["F", "M"]}
THRESHOLD = 10


def weaknesses(table: pd.DataFrame) -> tuple[int, int]:
    """Count the numbers a publisher left out, and those of them that the others give away."""
    known = Known(THRESHOLD)
    for (region, month, place), rows in table.groupby(["region", "year_month", "location"]):
        shown = {(r.breakdown, r.breakdown_level): r.number_patients for r in rows.itertuples()}
        everybody = shown.get(("overall", "overall"))
        for breakdown, levels in LEVELS.items():
            there = [level for level in levels if (breakdown, level) in shown]
            if everybody is None or not there or len(there) == len(levels):
                continue
            parts = []
            for level in levels:
                value = shown.get((breakdown, level))
                cell = (f"{breakdown} {region}", "people", (month, place, level))
                low, high = (0, float("inf")) if value is None else (value, value)
                parts.append(known.add(cell, low, high, value is None))
            if sum(shown[breakdown, level] for level in there) <= everybody:
                known.equal(dict.fromkeys(parts, 1.0), everybody, everybody)
    known.narrow()
    hidden = [i for i, withheld in enumerate(known.withheld) if withheld]
    return len(hidden), sum(too_narrow(known.lower[i], known.upper[i], THRESHOLD, True) for i in hidden)


def test_the_detector_on_published_tables(shared):
    table = pd.read_csv(shared / "data" / "ndl" / "ndl3_all_cause_mortality.csv", dtype={"breakdown_level": str})
    left_out, weak = weaknesses(table)
    print(f"{left_out} numbers left out of published tables; the totals beside them are too narrow for {weak}")
    assert 0 < weak <= left_out


def test_the_same_tables_with_their_totals_left_out_give_nothing_away(shared):
    table = pd.read_csv(shared / "data" / "ndl" / "ndl3_all_cause_mortality.csv", dtype={"breakdown_level": str})
    assert weaknesses(table[table["breakdown"] != "overall"]) == (0, 0)
