"""Make-believe geography: small areas of about 1,250 people, wards of two or more, localities, deprivation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_code.config import Site
from shared_code.synthetic import planted
from shared_code.synthetic.chance import stream

PEOPLE_PER_AREA = 1250
FEWEST_AREAS = 4
MOST_AREAS = 990
MOST_WARDS = 170
WARD_VINTAGE = "2024-05"
IMD_VERSION = "IoD2025"
SMALL = 0.5  # weight of the one area that is a ward too small for a life table
DIRECTIONS = ("North", "East", "South", "West")
ELSEWHERE = np.array([f"E01899{number:03d}" for number in range(1, 41)])  # small areas outside every made-up site


@dataclass(frozen=True)
class Places:
    """Hold the small areas of a site (arrays over areas) and its wards (arrays over wards)."""

    lsoa21: np.ndarray
    ward: np.ndarray
    imd10: np.ndarray
    weight: np.ndarray
    ward_cd: np.ndarray
    ward_name: np.ndarray
    ward_locality: np.ndarray
    ward_factor: np.ndarray

    @property
    def hazard_ratio(self) -> np.ndarray:
        """Give each area's planted hazard ratio: its decile's times its ward's."""
        return planted.imd_hazard_ratios()[self.imd10 - 1] * self.ward_factor[self.ward]


def make_places(site: Site, people: int) -> Places:
    """Lay out a site's areas; deprived areas lie together, and every decile that fits occurs.

    Codes come from a block of a thousand per seed (its last two digits), so sites with other seeds share no area.
    """
    settings = site.demonstration
    assert settings is not None
    rng = stream(settings.seed, "places")
    areas = int(np.clip(round(people / PEOPLE_PER_AREA), FEWEST_AREAS, MOST_AREAS))
    deciles = _stratified(np.array(settings.deprivation, dtype=float), areas)
    deciles = deciles[np.argsort(deciles + rng.normal(0, 1.2, areas), kind="stable")]
    wards = min(MOST_WARDS, 1 + max(1, (areas - 1) // 2))
    middle = areas // 2
    groups = np.array_split(np.delete(np.arange(areas), middle), wards - 1)
    groups.append(np.array([middle]))
    order = rng.permutation(wards)  # ward codes say nothing about deprivation
    imd10 = np.concatenate([deciles[groups[i]] for i in order])
    ward = np.repeat(np.arange(wards), [len(groups[i]) for i in order])
    small = int(np.flatnonzero(order == wards - 1)[0])
    weight = np.where(ward == small, SMALL, rng.uniform(0.92, 1.08, areas))
    low, high = np.log(planted.WARD_FACTORS)
    factor = np.exp(np.linspace(low, high, wards))[rng.permutation(wards)]
    block = 900_000 + settings.seed % 100 * 1000
    place = site.site.removeprefix("demo_").replace("_", " ").title()
    localities = [f"{direction} {place}" for direction in DIRECTIONS[: 4 if wards >= 8 else 3]]
    names = [_numbered(settings.wards, number) for number in range(wards)]
    return Places(
        lsoa21=np.array([f"E01{block + number + 1:06d}" for number in range(areas)]),
        ward=ward, imd10=imd10, weight=weight / weight.sum(),
        ward_cd=np.array([f"E05{block + number + 1:06d}" for number in range(wards)]),
        ward_name=np.array(names, dtype=object),
        ward_locality=np.array([localities[n * len(localities) // wards] for n in range(wards)], dtype=object),
        ward_factor=factor,
    )  # fmt: skip


def _stratified(weights: np.ndarray, areas: int) -> np.ndarray:
    """Share areas out to deciles 1 to 10 in proportion, every decile at least once where there are enough areas."""
    wanted = weights / weights.sum() * areas
    least = (weights > 0).astype(int) if areas >= np.count_nonzero(weights) else np.zeros(10, dtype=int)
    if not least.any():  # too few areas: evenly spaced along the cumulative weights
        return np.minimum(1 + np.searchsorted(np.cumsum(wanted), np.arange(areas) + 0.5), 10)
    given = np.maximum(np.floor(wanted).astype(int), least)
    while given.sum() < areas:
        given[np.argmax(wanted - given)] += 1
    while given.sum() > areas:
        given[np.argmax(np.where(given > least, given - wanted, -np.inf))] -= 1
    return np.repeat(np.arange(1, 11), given)


def _numbered(names: list[str], number: int) -> str:
    """Name ward `number`: the site's own names first, then the same names numbered.

    >>> [_numbered(["Mill End", "Coldwell"], n) for n in range(3)]
    ['Mill End', 'Coldwell', 'Mill End 2']
    """
    name, again = names[number % len(names)], number // len(names)
    return name if not again else f"{name} {again + 1}"
