"""Several sites with their own people, their releases in an inbox, and what pooling makes of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from picking import only

from shared_code.config import Policy, Site, Study
from shared_code.pooling.pool import pool
from shared_code.pooling.receiving import take_in
from shared_code.releases.release import release

AGES = ["0-39", "40-64", "65+"]
ITEMS = ["asthma", "stroke"]
AREAS = ["1", "2", "3", "4", "5"]
BANDS = [0, 40, 65]
SEX = {"label": "Sex", "values": {"F": "Female", "M": "Male"}}
AGE = {"label": "Age", "bands": BANDS}

PROTOCOL = {
    "study": "tiny", "title": "A small study", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 1, "rounding": 1},
    "analyses": {
        "illness": {
            "title": "Illness", "question": "Who is ill?",
            "results": {"ill": {
                "title": "t", "layout": "counts", "sets": [[], ["area"], ["town"]], "dimensions": {
                    "item": {"values": dict.fromkeys(ITEMS, "")}, "sex": SEX, "age": AGE,
                    "area": {"values": dict.fromkeys([*AREAS, "Unknown"], ""), "total": True},
                    "town": {"local": True, "total": True}},
            }},
            "pooled": [{"method": "prevalence", "table": "ill", "item": "item", "standardise": ["sex", "age"],
                        "groups": {"area": "5", "sex": "F"}, "local_groups": ["town"], "slope": "area"}],
        },
        "life": {
            "title": "Life", "question": "How long?",
            "results": {
                "deciles": {"title": "t", "layout": "events", "once": True, "dimensions": {
                    "decile": {"values": dict.fromkeys("123", "")}, "sex": SEX, "age": AGE}},
                "wards": {"title": "t", "layout": "estimates", "dimensions": {
                    "ward": {"local": True}, "sex": SEX, "term": {"values": {"e0": "at birth"}}}},
            },
            "pooled": [
                {"method": "life_expectancy", "table": "deciles", "group": "decile", "by": ["sex"], "age": "age",
                 "ages": [0, 65]},
                {"method": "gather", "table": "wards", "item": "term", "unit": "years"},
            ],
        },
    },
}  # fmt: skip


def make_study(analyses: list[str], **rules: int) -> Study:
    """The protocol with some of its analyses, and other disclosure rules."""
    chosen = {stem: entry for stem, entry in PROTOCOL["analyses"].items() if stem in analyses}
    return Study.model_validate({**PROTOCOL, "analyses": chosen, "disclosure": {**PROTOCOL["disclosure"], **rules}})


def count(people: pd.DataFrame, areas: bool = True) -> pd.DataFrame:
    """Count people and cases by hand: every declared cell, zeros included. `people` has a column per item."""
    sets = [[], *([["area"], ["town"]] if areas else [])]
    parts = []
    for group in sets:
        levels = {"area": [*AREAS, "Unknown"], "town": sorted(people["town"].unique())}
        by = ["sex", "age", *group]
        grid = pd.MultiIndex.from_product([["F", "M"], AGES, *(levels[name] for name in group)], names=by)
        for item in ITEMS:
            sums = people.groupby(by)[item].agg(["size", "sum"]).reindex(grid, fill_value=0).reset_index()
            sums = sums.rename(columns={"size": "people", "sum": "cases"}).assign(item=item)
            parts.append(sums.assign(**{name: "all" for name in ("area", "town") if name not in group}))
    return pd.concat(parts, ignore_index=True).astype({"people": "int64", "cases": "int64"})


class Network:
    """A study, its inbox, and its pooled results."""

    def __init__(self, folder: Path, signing: Any, analyses: list[str], **rules: int) -> None:
        self.signing = signing
        self.study, self.folder = make_study(analyses, **rules), folder
        self.inbox, self.target = folder / "inbox", folder / "pooled"
        self.expected: dict[str, Site] = {}

    def site(self, name: str) -> Site:
        """Give the settings of a site."""
        return Site.model_validate({"site": name, "title": name.title(), "controller": "x", "studies": ["tiny"],
                                    "extract_date": "2024-02-01", **self.signing.settings(name)})  # fmt: skip

    def send(self, name: str, **tables: pd.DataFrame) -> Path:
        """Release the results tables of a site, approve and send them, and take the package in."""
        for table, frame in tables.items():
            stem = next(s for s, entry in self.study.analyses.items() if table in entry.results)
            (self.folder / name / stem).mkdir(parents=True, exist_ok=True)
            frame.to_parquet(self.folder / name / stem / f"{table}.parquet")
        site = self.site(name)
        self.expected.setdefault(name, site)
        draft = self.folder / name / "draft" / f"{name}.zip"
        release(site, self.study, self.folder / name, draft)
        sent = self.folder / "outbox" / f"{name}.zip"
        self.signing.send(site, self.study, draft, sent)
        self.take_in(sent)
        return self.inbox / f"{name}.zip"

    def take_in(self, package: Path) -> Any:
        """Receive one package, as the coordinating team does."""
        return take_in(package, self.study, self.expected, self.inbox, self.folder / "quarantine", dt.date.today())

    def pool(self) -> pd.DataFrame:
        pool(self.study, self.inbox, self.target, self.expected)
        return self.read("results.csv")

    def read(self, name: str) -> pd.DataFrame:
        numbers = ["estimate", "lower", "upper", "se", "people", "events", "person_years", "bound_lower", "bound_upper",
                   "withheld_share"]  # fmt: skip
        frame = pd.read_csv(self.target / name, keep_default_na=False)
        return frame.assign(**{n: pd.to_numeric(frame[n]) for n in numbers if n in frame})


@pytest.fixture
def network(tmp_path: Path, signing: Any) -> Callable[..., Network]:
    """Make a network with an inbox of its own."""
    made: list[Network] = []

    def make(*analyses: str, **rules: int) -> Network:
        made.append(Network(tmp_path / f"network{len(made)}", signing, list(analyses or ["illness"]), **rules))
        return made[-1]

    return make


@pytest.fixture(scope="session")
def network_of(signing: Any) -> Callable[..., Network]:
    """Make a network in a folder that a whole file of tests shares."""
    return lambda folder, *analyses, **rules: Network(folder, signing, list(analyses or ["illness"]), **rules)


@pytest.fixture(scope="session")
def counted() -> Callable[..., pd.DataFrame]:
    return count


@pytest.fixture(scope="session")
def draw_people() -> Callable[..., pd.DataFrame]:
    """Draw people over some sites, so that every age, sex and area has people and cases at the first site."""

    def draw(seed: int, sites: int, number: int = 900, empty: int | None = None) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        every = pd.DataFrame(list(product("FM", AGES, AREAS)) * 4, columns=["sex", "age", "area"]).assign(site=0)
        chosen = [s for s in range(sites) if s != empty]
        people = pd.DataFrame({
            "sex": rng.choice(["F", "M"], number), "age": rng.choice(AGES, number, p=[0.5, 0.3, 0.2]),
            "area": rng.choice([*AREAS, "Unknown"], number), "site": rng.choice(chosen, number),
        })  # fmt: skip
        people = pd.concat([every, people], ignore_index=True)
        risk = 0.1 + 0.2 * (people["age"] == "65+") + 0.04 * (people["area"] == "1")
        people["asthma"] = rng.random(len(people)) < risk
        people["stroke"] = rng.random(len(people)) < risk / 2
        people.loc[: len(every) - 1 : 4, ["asthma", "stroke"]] = True
        people["town"] = "Town " + (people["site"] * 2 + rng.integers(0, 2, len(people))).astype(str)
        return people.astype({"asthma": "int64", "stroke": "int64"})

    return draw


@pytest.fixture(scope="session")
def policy() -> type[Policy]:
    return Policy


@pytest.fixture(scope="session")
def one() -> Callable[..., Any]:
    """Pick the one result that fits."""
    return only
