"""What the shapes share: recoding, dates as text, and diagnosis codes as people type them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from shared_code.synthetic.chance import pick, stream
from shared_code.synthetic.days import NEVER

SAS_EPOCH = 3653  # days from 1960-01-01 (SAS and Stata) to 1970-01-01
SPSS_EPOCH = 141_428  # days from 1582-10-14 to 1970-01-01
SECONDS_A_DAY = 86_400


Styles = Mapping[Callable[[str], str], float]  # a way of writing a code -> share of records written so


def coded(column: pd.Series, codes: Mapping[str, Any], missing: Any = None, kind: type = object) -> np.ndarray:
    """Replace the names of a categorical column by a site's codes.

    >>> coded(pd.Series(["F", "M", None], dtype="category"), {"F": 2, "M": 1}, 9, int).tolist()
    [2, 1, 9]
    """
    table: np.ndarray = np.array([*(codes[name] for name in column.cat.categories), missing], dtype=kind)
    return table[column.cat.codes.to_numpy()]


def mixed(rng: np.random.Generator, column: pd.Series, codes: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Replace names by one of several spellings each, chosen at random."""
    most = max(map(len, codes.values()))
    names = column.cat.categories
    table = np.array([[codes[name][k % len(codes[name])] for k in range(most)] for name in names], dtype=object)
    return table[column.cat.codes.to_numpy(), rng.integers(0, most, len(column))]


def text_dates(days: pd.Series, form: str, missing: Any) -> np.ndarray:
    """Write days in a strftime format; a day that never comes becomes `missing`.

    >>> text_dates(pd.Series([0, NEVER]), "%d/%m/%Y", "NULL").tolist()
    ['01/01/1970', 'NULL']
    """
    different, which = np.unique(days.to_numpy(), return_inverse=True)
    dates = pd.to_datetime(np.where(different == NEVER, 0, different), unit="D").strftime(form)
    written = np.array(dates, dtype=object)
    written[different == NEVER] = missing
    return written[which]


def number_dates(days: pd.Series, epoch: int, unit: int = 1) -> np.ndarray:
    """Write days as a statistics package counts them: (days since its epoch) times unit, NaN where missing."""
    values = days.to_numpy()
    return np.where(values == NEVER, np.nan, (values + float(epoch)) * unit)


def first_of_month(days: pd.Series) -> pd.Series:
    """Move days to the first of their month."""
    months = days.to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    return pd.Series(months.astype("datetime64[D]").astype(np.int64))


def plain(code: str) -> str:
    return code


def dotted(code: str) -> str:
    """Write the dot of an ICD-10 code.

    >>> dotted("E119"), dotted("I10")
    ('E11.9', 'I10')
    """
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def filled(code: str) -> str:
    """Fill an ICD-10 code of three characters with X, as hospital systems do."""
    return code if len(code) > 3 else code + "X"


def typed(seed: int, step: str, codes: pd.Series, icd10: np.ndarray, styles: Styles
          ) -> np.ndarray:  # fmt: skip
    """Write ICD-10 codes in several styles (style -> share); other codes stay as they are."""
    which, different = pd.factorize(codes)
    table = np.array([[style(code) for code in different] for style in styles], dtype=object)
    style = pick(stream(seed, f"styles of {step}"), np.array(list(styles.values())), len(codes))
    return np.where(icd10, table[style, which], codes.to_numpy())
