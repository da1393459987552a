"""Two published differences in differences that contradict each other: each as published, and what they give together."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from shared_code.config import Site, Study, sites_of
from shared_code.config.people import Person
from shared_code.figures import draw_figures
from shared_code.methods import bayesian_random_effects
from shared_code.pooling.pool import pool
from shared_code.pooling.receiving import take_in
from shared_code.releases.published import release_published
from shared_code.reporting import open_report
from shared_code.reporting.stage import stage

ROOT = Path(__file__).resolve().parents[2]
FILE = "ndl_topic5_did_estimates_two_sites.csv"
REGIONS = {"ndl_west_yorkshire": "West Yorkshire (Leeds)", "ndl_nw_london": "North West London"}
HIP = {"group": "procedure", "level": "hip_replacement"}


@pytest.fixture(scope="module")
def waiting(signing: Any) -> Study:
    read = Study.read(ROOT / "config" / "study_waiting.yaml")
    return read.model_copy(update={"people": {"tess": Person(roles=["typist"], key=signing.public("tess"))}})


@pytest.fixture(scope="module")
def teams(shared: Path) -> dict[str, Site]:
    if not (shared / "data" / "ndl" / FILE).is_file():
        pytest.skip("the published estimates lie outside the repository, in ../shared/data/ndl")
    found = sites_of("waiting_published", ROOT / "config" / "sites")
    return {site.site: site.model_copy(update={"folder": str(shared / "data" / "ndl")}) for site in found}


@pytest.fixture(scope="module")
def folder(waiting: Study, teams: dict[str, Site], signing: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("waiting")
    for name, site in teams.items():
        release_published(site, waiting, place / "drafts" / f"{name}.zip")
        signing.send(site, waiting, place / "drafts" / f"{name}.zip", place / "outbox" / f"{name}.zip")
        take_in(place / "outbox" / f"{name}.zip", waiting, teams, place / "inbox", place / "quarantine", dt.date.today())
    pool(waiting, place / "inbox", place / "pooled", teams)
    return place


@pytest.fixture(scope="module")
def estimates(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "pooled" / "results.csv", keep_default_na=False, na_values=[""]).fillna({"reason": ""})


@pytest.fixture(scope="module")
def as_published(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "ndl" / FILE)


def row(frame: pd.DataFrame, **where: str) -> pd.Series:
    found = frame[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(found) == 1, where
    return found.iloc[0]


def test_every_published_estimate_comes_out_as_it_was_published(estimates, as_published):
    own = estimates[estimates["scope"].str.startswith("site:")].set_index(["sites", "item", "level"])
    given = own[own["estimate"].notna()]
    assert len(given) == len(as_published) == 18
    for site, region in REGIONS.items():
        for line in as_published[as_published["site"] == region].itertuples():
            found = given.loc[site, line.outcome, line.procedure]
            half = 1.959963984540054 * line.se
            np.testing.assert_allclose(found[["estimate", "se", "lower", "upper", "events"]].astype(float),
                                       [line.estimate, line.se, line.estimate - half, line.estimate + half,
                                        line.n_control + line.n_long], rtol=0, atol=3e-6)  # fmt: skip


def test_gp_appointments_contradict_and_are_combined_with_their_difference(estimates, as_published):
    gp = as_published.query("outcome == 'gp_appointments' and procedure == 'hip_replacement'").set_index("site")
    y, se = (gp.loc[list(REGIONS.values()), name].to_numpy() for name in ("estimate", "se"))
    assert (np.round(y, 2) == [0.31, -1.10]).all()
    weights = se**-2
    mean = (weights @ y) / weights.sum()
    pooled = row(estimates, measure="pooled estimate", item="gp_appointments", scope="pooled", **HIP)
    half = 1.959963984540054 * weights.sum() ** -0.5
    np.testing.assert_allclose(pooled[["estimate", "lower", "upper"]].astype(float), [mean, mean - half, mean + half], rtol=1e-5)
    q = ((y[0] - y[1]) ** 2) / (se**2).sum()
    assert pooled["q"] == pytest.approx(q, rel=1e-5) and stats.chi2.sf(q, 1) < 0.001
    assert pooled["agreement"] == f"the sites contradict each other (Q {q:.1f}, p < 0.001)"
    assert np.isnan(pooled["tau2"]) and "limits that suppose one effect hold the truth far too seldom" in pooled["caution"]
    apart = row(estimates, measure="difference of the two sites", item="gp_appointments", scope="pooled", **HIP)
    wide = 1.959963984540054 * np.hypot(*se)
    order = [*REGIONS].index(apart["comparator"]) or -1  # the site that is named is subtracted
    expected = (y[0] - y[1]) if order == 1 else (y[1] - y[0])
    np.testing.assert_allclose(apart[["estimate", "lower", "upper"]].astype(float),
                               [expected, expected - wide, expected + wide], rtol=1e-5)  # fmt: skip
    bayes = row(estimates, measure="pooled estimate, Bayesian", item="gp_appointments", scope="pooled", **HIP)
    direct = bayesian_random_effects(y, se**2, 2.0, 0.5)
    expected = [direct.estimate, direct.prediction_lower, direct.prediction_upper, direct.tau**2]
    np.testing.assert_allclose(bayes[["estimate", "pi_lo", "pi_hi", "tau2"]].astype(float), expected, rtol=1e-4)
    assert bayes["pi_lo"] < -1 and bayes["pi_hi"] > 0.3  # a third site could have found either


def test_only_what_contradicts_is_said_to(estimates):
    hip = estimates[(estimates["measure"] == "pooled estimate") & (estimates["level"] == "hip_replacement")].set_index("item")
    assert (hip["n_sites"] == 2).all() and len(hip) == 6
    verdicts = hip["agreement"].str.extract(r"the sites (.*) \(Q")[0]
    assert verdicts["gp_appointments"] == "contradict each other" and verdicts["prescriptions"] == "do not differ beyond chance"
    # A&E +0.031 (se 0.031) and -0.16 (0.083), emergency admissions +0.010 (0.021) and -0.09 (0.039): apart, and of two signs
    opposed = {"gp_appointments", "ae_attendances", "emergency_admissions"}
    assert set(verdicts[verdicts == "contradict each other"].index) == opposed


def test_an_operation_of_one_site_is_shown_and_not_pooled(estimates):
    heart = estimates[(estimates["level"] == "cardiothoracic") & (estimates["scope"] == "pooled")]
    assert heart["estimate"].isna().all() and (heart["reason"] == "fewer than 2 sites").all()
    assert heart["sites_excluded"].str.startswith("ndl_west_yorkshire (").all()


def test_the_page_says_at_once_that_the_two_contradict(waiting, folder):
    draw_figures(waiting, folder / "pooled", folder / "figures")
    stage(waiting, ROOT / "reports", folder / "pooled", folder / "figures", folder / "report")
    report = open_report(folder / "report")
    first = report.findings("waiting_for_treatment").splitlines()[0]
    assert "contradict each other" in first and "Leeds +0.31 (−0.14 to 0.76)" in first
    assert "North West London −1.10 (−1.72 to −0.48)" in first and "Caution: " in first
    table = report.effects("waiting_for_treatment")
    assert len(table.splitlines()) == 2 + 12 and "contradict each other" in table and "GP appointments" in table
    assert "Why this way" in report.how() and "do not add up" in report.how()
    assert "contradict each other" in (folder / "figures" / "waiting_for_treatment.gp_appointments.json").read_text("utf-8")
