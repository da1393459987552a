"""Codes that carry their own check: SNOMED CT identifiers, and the forms of ICD-10, LSOA and ODS codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# The form of a code that is right in itself, whatever it stands for (RE2, as a whole).
ICD10 = "[A-Z][0-9]{2}([0-9X][0-9]?)?"  # three or four characters; a fifth as in the UK edition (site, open fracture)
LSOA = "[EW]01[0-9]{6}"
PRACTICE = "[A-Z][0-9]{5}"
ORGANISATION = "[A-Z0-9]{3}([A-Z0-9]{2})?"  # a trust, or one of its sites

# Verhoeff (1969): multiplication in the dihedral group of ten elements, and the permutation of each position.
_TIMES = np.array([
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
])  # fmt: skip
_FIRST = np.array([1, 5, 7, 6, 2, 8, 3, 0, 9, 4])
_POWERS = [np.arange(10)]
for _ in range(7):
    _POWERS.append(_FIRST[_POWERS[-1]])
_PERMUTED = np.array(_POWERS)
SHORTEST, LONGEST = 6, 18  # digits of a SNOMED CT identifier


def snomed_valid(codes: Sequence[str]) -> np.ndarray:
    """Say for each code whether it is a SNOMED CT identifier: 6 to 18 digits that pass the Verhoeff check.

    Returns booleans, shape (codes,). Reference: SNOMED CT release file specification, appendix C; J. Verhoeff, Error
    detecting decimal codes (1969). One wrong digit and two swapped neighbours are always found.

    >>> snomed_valid(["73211009", "73211008", "22298006", "00000", "7321100E9"]).tolist()
    [True, False, True, False, False]
    """
    text = np.asarray(codes, dtype=object)
    formed = np.array([isinstance(c, str) and c.isascii() and c.isdigit() and SHORTEST <= len(c) <= LONGEST for c in text])
    valid = np.zeros(len(text), dtype=bool)
    if not formed.any():
        return valid
    wide = np.array([c[::-1].ljust(LONGEST) for c in text[formed]]).astype(f"U{LONGEST}")
    letters = wide.view("U1").reshape(len(wide), LONGEST)
    there = letters != " "
    digits = np.where(there, letters, "0").astype(np.int64)
    check = np.zeros(len(wide), dtype=np.int64)
    for position in range(LONGEST):
        following = _TIMES[check, _PERMUTED[position % 8, digits[:, position]]]
        check = np.where(there[:, position], following, check)
    valid[formed] = check == 0
    return valid
