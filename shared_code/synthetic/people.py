"""Make-believe people: sex, birth, ethnic group, where they live and whether they moved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from shared_code.config import Site
from shared_code.model import ETHNICITY5
from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic import planted
from shared_code.synthetic.chance import draw, pick, stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.places import ELSEWHERE, Places

SEXES = ("F", "M", "I", "U")  # of whom only the first two are simulated; the others are recorded so
SEX_NOT_KNOWN = 0.003
NOT_RECORDED = "missing"  # key of a site's ethnicity weights: nothing recorded at all
MOVED = 0.10  # share of people with an earlier address
FROM_ELSEWHERE = 0.2  # share of those who came from outside the site
YEARS_OF_MOVES = 12
SURVIVAL_YEARS = 105
CARE_HOME = {75: 0.03, 85: 0.12, 90: 0.22}  # share living in a care home from this age on
TWINS = 0.012  # share of people who are a twin of the one before, at sites that deliver names
NOWHERE = -1  # no earlier address
OUTSIDE = -2  # an earlier address outside the site


@dataclass
class People:
    """Hold the people of a site as arrays of one length; days are numbers since 1970-01-01.

    sex       0 female, 1 male (what hazards depend on); recorded_sex indexes SEXES
    ethnicity letter, "" where nothing is recorded; group indexes planted.ETHNIC_GROUPS
    area      small area now (or last); earlier: the one before, NOWHERE or OUTSIDE; moved: first day in `area`
    entry     first day of the period lived in the site; death: day of death or NEVER
    twin      whether the person before is a twin: same birthday, area and ethnic group (only where names are delivered)
    """

    sex: np.ndarray
    recorded_sex: np.ndarray
    birth: np.ndarray
    ethnicity: np.ndarray
    group: np.ndarray
    area: np.ndarray
    earlier: np.ndarray
    elsewhere: np.ndarray
    moved: np.ndarray
    settled: np.ndarray
    entry: np.ndarray
    death: np.ndarray
    care_home: np.ndarray
    twin: np.ndarray

    def __len__(self) -> int:
        return len(self.birth)

    def area_on(self, day: int) -> np.ndarray:
        """Give the small area of residence on a day; negative before somebody came."""
        return np.where(self.moved <= day, self.area, np.where(self.earlier == NOWHERE, self.area, self.earlier))

    def residents_on(self, day: int) -> np.ndarray:
        """Tell who is born, alive and living in the site on a day."""
        return (self.entry <= day) & (self.death > day)


def make_people(site: Site, places: Places, people: int, start: int, end: int) -> People:
    """Draw people who live in the site at some time in [start, end); nobody has died yet."""
    settings = site.demonstration
    assert settings is not None
    rng = stream(settings.seed, "people")
    area = pick(rng, places.weight, people)
    imd = places.imd10[area] - 1
    letters, group_of, weights = _ethnicity(settings.ethnicity)
    letter = draw(rng, weights, imd)
    twin = _twins(settings.seed, people) if settings.hospital else np.zeros(people, dtype=bool)
    for one in (area, imd, letter):
        one[twin] = one[np.flatnonzero(twin) - 1]
    group = group_of[letter]
    sex = (rng.random(people) >= 0.505).astype(np.int64)
    birth = _births(rng, sex, imd, group, start, end)
    birth[twin] = birth[np.flatnonzero(twin) - 1]
    recorded = np.where(rng.random(people) < SEX_NOT_KNOWN, rng.integers(2, 4, people), sex)
    moves = _moves(stream(settings.seed, "addresses"), places, area, birth, start, end)
    entry = np.maximum(np.maximum(birth, start), np.where(moves["earlier"] == OUTSIDE, moves["moved"], start))
    age = completed_years(birth, end)
    share = np.zeros(people)
    for youngest, chance in CARE_HOME.items():
        share[age >= youngest] = chance
    return People(
        sex=sex, recorded_sex=recorded, birth=birth, ethnicity=letters[letter], group=group, area=area, entry=entry,
        death=np.full(people, NEVER, dtype=np.int64), care_home=rng.random(people) < share, twin=twin, **moves,
    )  # fmt: skip


def _twins(seed: int, people: int) -> np.ndarray:
    """Choose who is the twin of the person before; nobody is a triplet."""
    chosen = stream(seed, "twins").random(people) < TWINS
    chosen[0] = False
    return chosen & ~np.concatenate([[False], chosen[:-1]])


def _ethnicity(weights: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the letters, the group of each, and weights per decile: minorities are commoner in deprived areas."""
    letters = list(weights)
    groups = {letter: name for name, members in ETHNICITY5.items() for letter in members}
    names = [groups.get(letter, "Unknown") for letter in letters]
    rise = np.array([planted.MORE_DEPRIVED[name] for name in names])
    per_decile = np.array(list(weights.values())) * np.exp(rise * (5.5 - np.arange(1, 11)[:, None]))
    recorded = np.array(["" if letter == NOT_RECORDED else letter for letter in letters], dtype=object)
    return recorded, np.array([planted.ETHNIC_GROUPS.index(name) for name in names]), per_decile


def _births(rng: np.random.Generator, sex: np.ndarray, imd: np.ndarray, group: np.ndarray, start: int, end: int
            ) -> np.ndarray:  # fmt: skip
    """Draw days of birth: ages at the start like England's, younger in minorities.

    The old are as rare as the planted death rates leave them, which makes deprived areas younger.
    """
    age = np.arange(SURVIVAL_YEARS)
    centres = np.arange(19) * 5 + 2.5
    shape = np.interp(age + 0.5, centres, np.array(planted.AGE_STRUCTURE, dtype=float))
    ratios = planted.imd_hazard_ratios()
    typical = [planted.survival(planted.death_rates(n) * planted.TYPICAL_RATIO)[:SURVIVAL_YEARS] for n in "FM"]
    old = shape / np.mean(typical, axis=0)
    old = np.where(age < 80, old, old[80])  # from 80 on only death thins people out
    weights = np.zeros((2, 10, len(planted.ETHNIC_GROUPS), SURVIVAL_YEARS + 1))
    for s, name in enumerate("FM"):
        alive = planted.survival(planted.death_rates(name))[:SURVIVAL_YEARS]
        for d in range(10):
            for g, label in enumerate(planted.ETHNIC_GROUPS):
                weights[s, d, g, 1:] = old * alive ** ratios[d] * np.exp(-planted.YOUNGER[label] * age)
    weights[..., 0] = weights[..., 1] * (end - start) / DAYS_A_YEAR  # those born during the period
    row = (sex * 10 + imd) * len(planted.ETHNIC_GROUPS) + group
    years = draw(rng, weights.reshape(-1, SURVIVAL_YEARS + 1), row) - 1
    within = rng.random(len(sex))
    before = start - 1 - np.floor((years + within) * DAYS_A_YEAR).astype(np.int64)
    return np.where(years < 0, start + np.floor(within * (end - start)).astype(np.int64), before)


def _moves(rng: np.random.Generator, places: Places, area: np.ndarray, birth: np.ndarray, start: int, end: int
           ) -> dict[str, np.ndarray]:  # fmt: skip
    """Draw earlier addresses: who moved, from where, and when."""
    people = len(area)
    earliest = np.maximum(birth + 30, end - int(YEARS_OF_MOVES * DAYS_A_YEAR))
    moving = (rng.random(people) < MOVED) & (earliest < end)
    when = earliest + np.floor(rng.random(people) * np.maximum(end - earliest, 0)).astype(np.int64)
    origin = pick(rng, places.weight, people)
    origin = np.where(rng.random(people) < FROM_ELSEWHERE, OUTSIDE, origin)
    earlier = np.where(moving & (origin != area), origin, NOWHERE)
    moved = np.where(earlier == NOWHERE, np.iinfo(np.int32).min, when)
    latest = np.where(earlier == NOWHERE, start, np.minimum(start, when - 1))  # the first address known
    settled = latest - np.floor(rng.random(people) * 15 * DAYS_A_YEAR).astype(np.int64)
    return {
        "earlier": earlier, "moved": moved, "settled": np.maximum(settled, birth),
        "elsewhere": ELSEWHERE[rng.integers(0, len(ELSEWHERE), people)],
    }  # fmt: skip


def pseudonyms(seed: int, people: int) -> np.ndarray:
    """Make a stand-in for the pseudonyms of a linkage service: 64 hexadecimal digits each."""
    stem = f"{seed}:"
    return np.array([hashlib.sha256(f"{stem}{n}".encode()).hexdigest() for n in range(people)], dtype=object)


def local_numbers(seed: int, people: int) -> np.ndarray:
    """Make a site's own patient numbers: whole numbers in no order."""
    return 1_000_003 + stream(seed, "local numbers").permutation(people).astype(np.int64)
