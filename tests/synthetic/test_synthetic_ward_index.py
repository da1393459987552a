"""The notebook of the ward index on made-up people: the same shares as counted by hand, and in the order that was planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from shared_code.config import Site
from shared_code.config.plan import open_plan
from shared_code.execution import run_notebook
from shared_code.methods import standard_weights
from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract, planted

ROOT = Path(__file__).parents[2]
STEM = "social_progress_index"


@pytest.fixture(scope="module")
def room(tmp_path_factory, request) -> Path:
    """Make one site of 4,000 people, prepare its tables, and run the notebook."""
    folder = tmp_path_factory.mktemp("index")
    site = Site.read("demo_dunmere", ROOT / "config" / "sites")
    make_extract(site, 4000, folder / "extract")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
        prepare(site, folder / "extract", folder / "prepared")
    parameters = {"study": "config/study.yaml", "prepared": str(folder / "prepared"), "results": str(folder / "results")}
    run_notebook(ROOT / "notebooks" / f"{STEM}.ipynb", folder / "ran.ipynb", parameters, ROOT)
    return folder


@pytest.fixture(scope="module")
def wards(room: Path) -> pd.DataFrame:
    return pd.read_parquet(room / "results" / "wards.parquet")


def test_every_ward_has_every_indicator_of_one_edition(room: Path, wards: pd.DataFrame):
    lookup = pd.read_parquet(room / "prepared" / "area_lookup.parquet")
    assert len(wards) == 3 * lookup["ward_cd"].nunique()
    assert set(wards["edition"]) == {"2024-05"} and set(lookup["ward_vintage"]) == {"2024-05"}
    assert wards["ward"].str.match(r".+ E05\d{6}$").all()


def test_standardised_shares_are_those_counted_by_hand(room: Path, wards: pd.DataFrame):
    """Depression over 18 in the largest ward, from the prepared tables, without any of our measures."""
    read = {name: pd.read_parquet(room / "prepared" / f"{name}.parquet") for name in
            ("person", "gp_registration", "person_address", "area_lookup", "death", "condition_event")}  # fmt: skip
    on = pd.Timestamp("2026-04-01")
    spells = read["gp_registration"]
    start, end = (pd.to_datetime(spells[c]) for c in ("reg_start", "reg_end"))
    listed = set(spells.loc[(spells["reg_type"] == "GMS") & (start <= on) & (end.isna() | (end > on)), "person_id"])
    dead = set(read["death"].loc[pd.to_datetime(read["death"]["death_date"]) <= on, "person_id"])
    people = read["person"][read["person"]["person_id"].isin(listed - dead) & read["person"]["sex"].isin(["F", "M"])].copy()
    moved = read["person_address"].assign(start=lambda t: pd.to_datetime(t["start"]))
    last = moved[moved["start"] <= on].sort_values("start").groupby("person_id")["lsoa21"].last()
    ward = last.map(read["area_lookup"].set_index("lsoa21")["ward_cd"])
    born = pd.to_datetime(people["birth_month"])
    people["age"] = (on.year * 12 + on.month - 1 - (born.dt.year * 12 + born.dt.month)) // 12  # the 1st is before the 15th
    people["ward"] = people["person_id"].map(ward)
    codes = open_plan(ROOT / "config" / "study.yaml", STEM).codelist()
    events = read["condition_event"]
    pairs = sorted(set(zip(events["code_system"], events["code"])))
    mine = {(system, code) for system, code, condition in codes.matches(pairs) if condition == "depression"}
    dated = pd.to_datetime(events["event_date"]) <= on
    meant = pd.Series([pair in mine for pair in zip(events["code_system"], events["code"])], index=events.index)
    ill = set(events.loc[dated & meant & (events["status"] != "family"), "person_id"])
    people["ill"] = people["person_id"].isin(ill)
    largest = people["ward"].value_counts().index[0]
    adults = people[(people["ward"] == largest) & (people["age"] >= 18)]
    edges = [18, 40, 55, 65, 75, 85]
    band = np.searchsorted(edges, adults["age"], side="right") - 1
    share = adults.assign(band=band).groupby(["sex", "band"])["ill"].mean().unstack()
    expected = 100 * (share.mean(axis=0) * standard_weights(edges, normalised=True)).sum()
    row = wards[wards["ward"].str.endswith(largest) & (wards["term"] == "depression")].iloc[0]
    assert row["estimate"] == pytest.approx(expected, rel=1e-9)
    assert row["people"] == adults["ill"].sum()


def test_wards_are_worse_where_deprivation_was_planted(room: Path, wards: pd.DataFrame):
    """Illness rises with planted deprivation, so the indicators of wards follow the mean decile of their people."""
    lookup = pd.read_parquet(room / "prepared" / "area_lookup.parquet")
    decile = lookup.groupby("ward_cd")["imd10"].mean()
    known = wards.dropna(subset=["estimate"]).assign(code=lambda t: t["ward"].str[-9:])
    mean = known.pivot(index="code", columns="term", values="estimate")
    z = ((mean - mean.mean()) / mean.std()).mean(axis=1)
    assert planted.CONDITIONS["depression"].deprivation > 1.3
    shared = z.index.intersection(decile.index)
    assert spearmanr(z[shared], decile[shared]).statistic < 0
    truth = json.loads((room / "extract" / "truth.json").read_text("utf-8"))
    rows = pd.DataFrame(truth["conditions"]["rows"], columns=truth["conditions"]["columns"])
    rows = rows[(rows["condition"] == "two_or_more") & (rows["dimension"] == "everyone") & rows["age"].isin(
        ["18-19", "20-24", "25-29", "30-34", "35-39", "40-44", "45-49", "50-54", "55-59", "60-64"])]  # fmt: skip
    crude = 100 * rows["expected"].sum() / rows["people"].sum()
    ours = wards[wards["term"] == "working_age"]["estimate"].mean()
    assert crude - 6 < ours < crude + 6
