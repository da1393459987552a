"""When diagnoses were written down: mostly at once, and after some admissions backdated, as if they had been known before.

A prediction that reads dates of diagnoses, and not of records, sees part of the admission it is to predict in these.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.synthetic.admissions import GP_CODES, OLD, YEAR
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import completed_years
from shared_code.synthetic.people import People

AT_ONCE, AFTERWARDS = 0.7, 0.4  # share written down on the day; geometric chance per day of the others (two and a half days)
BACKDATED, MOST = 0.6, 3  # share of older people admitted in the last year of whom deficits are backdated, and how many at most
BACK, WRITTEN = (20, 700), (7, 60)  # days by which they are dated before the admission; days after it when they are written down
TRANSFER, PLANNED = "2B", "11"


def with_recorded_days(diagnoses: dict[str, np.ndarray], people: People, spells: pd.DataFrame, seed: int, end: int
                       ) -> tuple[dict[str, np.ndarray], int]:  # fmt: skip
    """Give every diagnosis the day on which it was written down (`recorded`), and add backdated ones; tells how many.

    Backdated are deficits of older people admitted as an emergency in the last year before `end`: found there, entered
    afterwards by general practice, and dated before. All that is added is written down in that year, so nothing before changes.
    """
    rng = stream(seed, "recorded dates")
    count = len(diagnoses["row"])
    late = np.where(rng.random(count) < AT_ONCE, 0, rng.geometric(AFTERWARDS, count))
    own = diagnoses | {"recorded": np.minimum(diagnoses["day"] + late, np.maximum(end - 1, diagnoses["day"]))}
    urgent = spells[~spells["admimeth"].isin([TRANSFER, PLANNED]) & (spells["admi_date"] >= end - YEAR)]
    first = urgent.groupby("row")["admi_date"].min()
    row, day = first.index.to_numpy(), first.to_numpy()
    chosen = (completed_years(people.birth[row], np.full(len(row), end - YEAR)) >= OLD) & (rng.random(len(row)) < BACKDATED)
    again = np.repeat(np.flatnonzero(chosen), rng.integers(1, MOST + 1, int(chosen.sum())))
    row, day = row[again], day[again]
    dated = np.maximum(day - rng.integers(*BACK, len(row)), people.birth[row])
    written = np.minimum(np.minimum(day + rng.integers(*WRITTEN, len(row)), people.death[row]), end) - 1
    added = {"row": row, "code": np.array(GP_CODES, dtype=object)[rng.integers(0, len(GP_CODES), len(row))],
             "icd10": np.zeros(len(row), dtype=bool), "day": dated, "source": np.zeros(len(row), dtype=np.int64),
             "status": np.zeros(len(row), dtype=np.int64), "recorded": np.maximum(written, day)}  # fmt: skip
    return {name: np.concatenate([values, added[name]]) for name, values in own.items()}, len(row)
