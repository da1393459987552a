"""The answers of metafor 3.8 for R, number by number; each entry of the table holds the call that made it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shared_code import methods as m

R = json.loads((Path(__file__).parent / "answers" / "metafor.json").read_text("utf-8"))
BCG = {name: np.array(values, dtype=float) for name, values in R["bcg"].items()}
Y, V = (np.array(R["escalc_RR"][name]) for name in ("yi", "vi"))
SPARSE, ONE, TWO = ({k: np.array(v, dtype=float) for k, v in R[name].items()} for name in ("sparse", "one", "two"))
COUNTS = (BCG["tpos"], BCG["tpos"] + BCG["tneg"], BCG["cpos"], BCG["cpos"] + BCG["cneg"])


def close(computed, expected, rtol=1e-12):
    np.testing.assert_allclose(computed, expected, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM"])
def test_random_effects(method):
    for scaled, name in ((False, "z"), (True, "knha")):
        expected, found = R[f"random_{method}_{name}"], m.random_effects(Y, V, method.lower(), scaled, floor=False)
        for ours, theirs in (("estimate", "estimate"), ("se", "se"), ("lower", "lower"), ("upper", "upper"), ("q", "q")):
            close(getattr(found, ours), expected[theirs])
        close([found.tau2, found.tau2_lower, found.tau2_upper], [expected[k] for k in ("tau2", "tau2_lower", "tau2_upper")])
        if scaled:
            close([found.prediction_lower, found.prediction_upper], [expected["pi_lower"], expected["pi_upper"]])


@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM"])
@pytest.mark.parametrize(("name", "settings"), [("z", (False, False)), ("knha", (True, False)), ("adhoc", (True, True))])
def test_meta_regression(method, name, settings):
    expected = R[f"regression_{method}_{name}"]
    found = m.meta_regression(Y, V, np.column_stack([BCG["ablat"], BCG["year"]]), method.lower(), *settings)
    rtol = 1e-8  # the years stand far from 0, so the intercept has lost digits in both
    close(found.tau2, expected["tau2"], rtol)
    close(found.estimate, expected["estimate"], rtol)
    close(found.se, expected["se"], rtol)
    close([found.lower, found.upper], [expected["lower"], expected["upper"]], rtol)
    close([found.test, found.p, found.q_residual], [expected["qm"], expected["qmp"], expected["q"]], rtol)
    close([found.tau2_lower, found.tau2_upper], [expected["tau2_lower"], expected["tau2_upper"]], 1e-8)
    if expected["r2"] is not None:
        close(found.r2_percent, expected["r2"], rtol)
    assert found.warning == "fewer than 10 sites per moderator"


def test_leave_one_out_and_cumulative():
    found, expected = m.leave_one_out(Y, V, knapp_hartung=False), R["leave_one_out"]
    for name in ("estimate", "se", "tau2"):
        close(getattr(found, name), expected[name], 1e-5)  # metafor's own iteration, with its looser default here
    joined, expected = m.cumulative(Y, V, knapp_hartung=False), R["cumulative"]
    for name in ("estimate", "se", "tau2"):
        close(getattr(joined, name)[2:], expected[name][2:], 1e-5)  # with two sites we make no claim about tau2
    close(joined.estimate[0], expected["estimate"][0])


def test_egger_and_the_common_effect():
    e, expected = m.egger_test(Y, V), R["egger"]
    close([e.estimate, e.se, e.estimate / e.se, m.egger_p(e, 13)], [expected[k] for k in ("slope", "se", "t", "p")])
    assert e.reason == "" and "fewer than 10" in m.egger_test(Y[:5], V[:5]).reason
    c = m.common_effect(Y, V)
    close([c.estimate, c.se], [R["common"]["estimate"], R["common"]["se"]])


NAMES = {"RR": "risk_ratio", "OR": "odds_ratio", "RD": "risk_difference", "IRR": "rate_ratio", "IRD": "rate_difference"}


@pytest.mark.parametrize("measure", NAMES)
def test_mantel_haenszel(measure):
    sparse = (SPARSE["x1"], SPARSE["t1"], SPARSE["x2"], SPARSE["t2"])
    if measure.startswith("IR"):
        cases = [(R[f"mh_{measure}"], sparse)]
    else:
        cases = [(R[f"mh_{measure}"], COUNTS), (R[f"mh_sparse_{measure}"], sparse)]
    for expected, counts in cases:
        found = m.mantel_haenszel(*counts, NAMES[measure])
        to = np.log if measure.endswith("R") else (lambda value: value)
        close([to(found.estimate), found.se_log], [expected["estimate"], expected["se"]], 1e-11)
        close([to(found.lower), to(found.upper)], [expected["lower"], expected["upper"]], 1e-11)


def test_peto():
    for name, counts in (("peto", COUNTS), ("peto_sparse", (SPARSE["x1"], SPARSE["t1"], SPARSE["x2"], SPARSE["t2"]))):
        found = m.peto_odds_ratio(*counts)
        close([np.log(found.estimate), found.se_log], [R[name]["estimate"], R[name]["se"]], 1e-11)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("RR", lambda: m.comparison(*COUNTS, "log_risk_ratio")),
        ("OR", lambda: m.comparison(*COUNTS, "log_odds_ratio")),
        ("RD", lambda: m.comparison(*COUNTS, "risk_difference")),
        ("IRR", lambda: m.comparison(TWO["x1"], TWO["t1"], TWO["x2"], TWO["t2"], "log_rate_ratio")),
        ("IRD", lambda: m.comparison(TWO["x1"], TWO["t1"], TWO["x2"], TWO["t2"], "rate_difference")),
        ("PLO", lambda: m.single(ONE["x"], ONE["n"], "logit")),
        ("PAS", lambda: m.single(ONE["x"], ONE["n"], "arcsine")),
        ("IRLN", lambda: m.single(ONE["y"], ONE["t"], "log_rate")),
        ("IRS", lambda: m.single(ONE["y"], ONE["t"], "root_rate")),
    ],
)
def test_effect_sizes(name, ours):
    found = ours()
    close(found.estimate, R[f"escalc_{name}"]["yi"], 1e-11)
    close(found.variance, R[f"escalc_{name}"]["vi"], 1e-11)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("PLO", lambda: m.binomial_normal(ONE["x"], ONE["n"], limits="normal")),
        ("IRLN", lambda: m.poisson_normal(ONE["y"], ONE["t"], limits="normal")),
        ("IRR_UMFS", lambda: m.poisson_normal_ratio(*TWO.values(), model="baselines")),
        ("IRR_CMEL", lambda: m.poisson_normal_ratio(*TWO.values())),
        ("OR_UMFS", lambda: m.binomial_normal_ratio(*TWO.values())),
    ],
)
def test_one_stage_models(name, ours):
    """metafor fits these by lme4, whose iteration ends after about five digits; ours ends at a slope of 0."""
    found, expected = ours(), R[f"glmm_{name}"]
    close([found.estimate, found.se, found.tau2], [expected["estimate"], expected["se"], expected["tau2"]], 1e-4)
