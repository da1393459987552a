"""Invented names from syllables: unequal in how common they are, and less varied in smaller groups."""

from __future__ import annotations

from functools import cache

import numpy as np

from shared_code.synthetic.chance import draw, stream

SURNAMES_A_GROUP = (6000, 3000, 400, 1200, 800)  # White, Mixed, Asian, Black, Other
FORENAMES_A_GROUP = (400, 300, 150, 200, 150)  # of each sex
SURNAME_FALL, FORENAME_FALL = 0.75, 0.85  # Zipf: the n-th commonest has a share in proportion to n^-fall
LISTS = 7  # seed of the lists themselves, so that every made-up site has the same names
LONGEST = 14
_ONSET = tuple("B BR C CL D DR F G GR H J K L M N P PR R S SH ST T TH TR V W".split())  # noqa: SIM905
_VOWEL = ("A", "E", "I", "O", "U", "AI", "EA", "OO")
_CODA = tuple("CK D L LL M N ND NG R RD S SS T TT X".split())  # noqa: SIM905
_ENDS = (("A", "E", "IA", "ELLE", "INE"), ("AN", "O", "ER", "US", "ICK"))  # forenames of women, of men


def surnames(rng: np.random.Generator, group: np.ndarray) -> np.ndarray:
    """Draw a surname for everyone, by the number of the group."""
    names, weights = _surname_lists()
    return names[group, draw(rng, weights, group)]


def forenames(rng: np.random.Generator, group: np.ndarray, sex: np.ndarray) -> np.ndarray:
    """Draw a forename for everyone, by the number of the group and by sex (F, M)."""
    names, weights = _forename_lists()
    row = group * 2 + (sex == "M")
    return names[row, draw(rng, weights, row)]


@cache
def _surname_lists() -> tuple[np.ndarray, np.ndarray]:
    rng = stream(LISTS, "surnames")
    return _lists([_words(rng, n, [""]) for n in SURNAMES_A_GROUP], SURNAME_FALL)


@cache
def _forename_lists() -> tuple[np.ndarray, np.ndarray]:
    rng = stream(LISTS, "forenames")
    return _lists([_words(rng, n, list(ends)) for n in FORENAMES_A_GROUP for ends in _ENDS], FORENAME_FALL)


def _lists(words: list[list[str]], fall: float) -> tuple[np.ndarray, np.ndarray]:
    """Pad lists to one length; a name that is not there has weight 0."""
    width = max(map(len, words))
    names = np.full((len(words), width), "", dtype=object)
    weights = np.zeros((len(words), width))
    for row, listed in enumerate(words):
        names[row, : len(listed)] = listed
        weights[row, : len(listed)] = np.arange(1, len(listed) + 1) ** -fall
    return names, weights


def _words(rng: np.random.Generator, count: int, ends: list[str]) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        parts = [rng.choice(_ONSET), rng.choice(_VOWEL), rng.choice(_CODA)]
        if rng.random() < 0.6:
            parts += [rng.choice(_ONSET), rng.choice(_VOWEL)] + ([] if ends[0] else [rng.choice(_CODA)])
        found["".join([*parts, rng.choice(ends)])[:LONGEST]] = None
    return list(found)
