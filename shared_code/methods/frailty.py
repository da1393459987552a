"""Frailty scores: points of hospital diagnoses, and the share of deficits that somebody has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_code.methods.checks import Floats, require, require_not_negative

# Points of three-character ICD-10 codes in the Hospital Frailty Risk Score (Gilbert et al. 2018, Lancet 391: 1775-1782).
_POINTS = """
7.1 F00; 4.4 G81; 4 G30; 3.7 I69; 3.6 R29; 3.2 N39 F05 W19 S00; 3 R31; 2.9 B96; 2.7 R41; 2.6 R26 I67 R56; 2.5 R40; 2.4 T83 S06;
2.3 S42 E87 M25 E86; 2.2 R54; 2.1 Z50 F03 W18; 2 Z75 F01 S80 L03; 1.9 H54 E53; 1.8 Z60 G20 R55 S22 K59 N17; 1.7 L89 Z22 B95;
1.6 L97 R44 K26 I95 N19 A41; 1.5 Z87 J96 X59 M19 G40; 1.4 M81 S72 S32 E16 R94 N18; 1.3 R33 R69 N28; 1.2 R32 G31 Y95 S09 R45 G45;
1.1 Z74 M79 W06 S01 A04 A09 J18; 1 J69 R47 E55 Z93 R02; 0.9 R63 H91 W10 W01 E05 M41; 0.8 R13 Z99 U80 M80 K92 I63;
0.7 N20 F10 Y84 R00 J22; 0.6 Z73 R79; 0.5 Z91 S51 F32 M48; 0.4 E83 M15 D64 L08; 0.3 R11 K52; 0.1 R50
"""
HOSPITAL_FRAILTY_POINTS: dict[str, float] = {
    code: float(line.split()[0]) for line in _POINTS.replace("\n", " ").split(";") for code in line.split()[1:]
}
HOSPITAL_BANDS = ("low", "intermediate", "high")  # below 5, 5 to 15, above 15
DEFICITS, DEFICITS_WITHOUT_MEDICINES = 36, 35  # of the electronic frailty index; polypharmacy needs medicines
INDEX_BANDS = ("fit", "mild", "moderate", "severe")  # up to 0.12, 0.24, 0.36, and above


def hospital_frailty(codes: Iterable[str]) -> float:
    """Add up the points of a person's hospital diagnoses: Hospital Frailty Risk Score.

    codes: ICD-10 codes of the admissions of the look-back (24 months; never of the admission that is predicted), of any
    length, with or without the dot. Each three-character code counts once, however often it was recorded.
    Below 5 low, 5 to 15 intermediate, above 15 high risk (`hospital_frailty_band`). Developed for people of 75 and over.
    Method: Gilbert et al. 2018; METHODS 6, Appendix B.

    >>> score = hospital_frailty(["F00", "W19.0", "N390", "N39", "I10"])
    >>> score, hospital_frailty_band([score]).tolist()
    (13.5, ['intermediate'])
    """
    distinct = {str(code).strip().upper()[:3] for code in codes}
    return round(sum(sorted(HOSPITAL_FRAILTY_POINTS.get(code, 0.0) for code in distinct)), 1)


def hospital_frailty_band(scores: ArrayLike) -> NDArray[np.str_]:
    """Name the band of Hospital Frailty Risk Scores: low (below 5), intermediate (5 to 15), high (above 15).

    >>> hospital_frailty_band([0, 4.9, 5, 15, 15.1]).tolist()
    ['low', 'low', 'intermediate', 'intermediate', 'high']
    """
    score: Floats = np.asarray(scores, dtype=float)
    require_not_negative("hospital_frailty_band", scores=score)
    return np.array(HOSPITAL_BANDS)[(score >= 5).astype(int) + (score > 15)]


def frailty_index(deficits: ArrayLike, medicines_held: bool) -> Floats:
    """Give the electronic frailty index: the share of its deficits that each person has.

    deficits: number of different deficits, shape (...). medicines_held: whether polypharmacy (five or more medicines) could be
    counted; where it could not, the index is of 35, never of 36 with a zero in it, and is to be called efi35.
    Method: Clegg et al. 2016; METHODS 6, Appendix C. Raises ValueError for more deficits than there are.

    >>> frailty_index([0, 7], medicines_held=False).tolist()
    [0.0, 0.2]
    """
    number: Floats = np.asarray(deficits, dtype=float)
    whole = DEFICITS if medicines_held else DEFICITS_WITHOUT_MEDICINES
    require_not_negative("frailty_index", deficits=number)
    require(number <= whole, "frailty_index", f"somebody has more than {whole} deficits", f"0 to {whole} different deficits",
            "Count each deficit once, and polypharmacy only where medicines are held")  # fmt: skip
    return number / whole


def frailty_band(index: ArrayLike) -> NDArray[np.str_]:
    """Name the band of electronic frailty indices: fit (up to 0.12), mild (to 0.24), moderate (to 0.36), severe.

    >>> frailty_band([0.12, 0.13, 0.24, 0.36, 0.37]).tolist()
    ['fit', 'mild', 'mild', 'moderate', 'severe']
    """
    value: Floats = np.asarray(index, dtype=float)
    require_not_negative("frailty_band", index=value)
    return np.array(INDEX_BANDS)[(value > 0.12).astype(int) + (value > 0.24) + (value > 0.36)]
