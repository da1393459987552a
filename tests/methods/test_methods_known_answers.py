"""Every method gives its published or independently computed answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit

from shared_code import methods as m

HOSPITAL_USE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ndl" / "ndl3_hospital_care_use.csv"

LE20 = [0, 1, *range(5, 91, 5)]
# Person-years of everybody (18-24, 25-34 ... 65-74) behind T7.1: not given there, found from its results (decision 0016).
EVERYBODY = np.array([60_000, 85_000, 82_000, 88_000, 83_000, 70_000])


def test_t1_1_wilson(known):
    answer = known("T1.1")
    result = m.wilson(answer.inputs["x"], answer.inputs["n"])
    answer.agrees(result.estimate, "p")
    answer.agrees(result.lower, "lo")
    answer.agrees(result.upper, "hi")


def test_t1_2_sum_before_dividing(known):
    answer = known("T1.2")
    linked, n = np.array(answer.inputs["linked"]), np.array(answer.inputs["n"])
    pooled = m.wilson(linked.sum(), n.sum())
    answer.agrees(pooled.estimate, "pooled")
    answer.agrees(pooled.lower, "lo")
    answer.agrees(pooled.upper, "hi")
    answer.agrees(m.wilson(linked, n).estimate.mean(), "wrong_mean_of_rates")


def test_t1_3_quantiles_from_bins_of_two_sites(known):
    answer = known("T1.3")
    edges, a, b = answer.inputs["edges"], np.array(answer.inputs["siteA"]), np.array(answer.inputs["siteB"])
    median, p90 = m.quantile_from_bins(edges, a + b, [0.5, 0.9])
    answer.agrees(median, "pooled_median")
    answer.agrees(p90, "pooled_p90")
    answer.agrees(m.quantile_from_bins(edges, [a, b], 0.5).mean(), "wrong_mean_of_medians")


def test_t2_1_life_expectancy(known):
    answer = known("T2.1")
    e = m.life_expectancy(answer.inputs["deaths"], answer.inputs["person_years"], LE20)
    answer.agrees(e.estimate[0], "e0")
    answer.agrees(e.se[0], "se0")
    answer.agrees(e.lower[0], "lo")
    answer.agrees(e.upper[0], "hi")
    answer.agrees(e.estimate[LE20.index(65)], "e65")
    answer.agrees(e.estimate[LE20.index(90)], "e90")


def test_t2_2_gap_and_merged_areas(known):
    answer = known("T2.2")
    deaths = np.array([answer.inputs["deaths_A"], answer.inputs["deaths_B"]])
    person_years = np.array([answer.inputs["py_A"], answer.inputs["py_B"]])
    a, b = (m.life_expectancy(d, p, LE20) for d, p in zip(deaths, person_years, strict=True))
    answer.agrees(a.estimate[0], "e0_A")
    answer.agrees(a.se[0], "se_A")
    answer.agrees(b.estimate[0], "e0_B")
    answer.agrees(b.se[0], "se_B")
    difference = m.gap(b, a)
    answer.agrees(difference.estimate[0], "gap")
    answer.agrees(difference.se[0], "gap_se")
    answer.agrees(difference.lower[0], "gap_lo")
    answer.agrees(difference.upper[0], "gap_hi")
    merged = m.life_expectancy(deaths.sum(axis=0), person_years.sum(axis=0), LE20)
    answer.agrees(merged.estimate[0], "e0_merged")
    answer.agrees(m.life_expectancy(deaths, person_years, LE20).estimate[:, 0].mean(), "wrong_mean")


@pytest.mark.parametrize(("number", "values"), [("T2.3", "value"), ("T3.3", "dsp")])
def test_slope_index(known, number, values):
    answer = known(number)
    s = m.slope_index(answer.inputs["pop"], answer.inputs[values], answer.inputs["se"])
    computed = {
        "sii": s.estimate, "se": s.se, "lo": s.lower, "hi": s.upper, "y0": s.first, "y1": s.last,
        "rii": s.ratio, "rii_lo": s.ratio_lower, "rii_hi": s.ratio_upper,
    }  # fmt: skip
    assert computed.keys() == answer.expected.keys()
    for name, value in computed.items():
        answer.agrees(value, name)


def test_t3_1_standardised_ratios(known):
    answer = known("T3.1")
    x_ref, n_ref, x_grp, n_grp = (np.array(answer.inputs[k]) for k in ("x_ref", "n_ref", "x_grp", "n_grp"))
    weights = m.standard_weights(range(0, 91, 5))
    reference = m.standardised_proportion(x_ref, n_ref, weights)
    group = m.standardised_proportion(x_grp, n_grp, weights)
    answer.agrees(m.wilson(x_grp.sum(), n_grp.sum()).estimate / m.wilson(x_ref.sum(), n_ref.sum()).estimate, "crude_PR")
    for result, name in ((reference, "ref"), (group, "grp")):
        answer.agrees(result.estimate, f"dsp_{name}")
        answer.agrees(result.se, f"se_bin_{name}")
        answer.agrees([result.lower, result.upper], f"wilson_eff_{name}")
    ratio = m.standardised_ratio(group, reference)
    answer.agrees(ratio.estimate, "SPR")
    answer.agrees(ratio.lower, "lo")
    answer.agrees(ratio.upper, "hi")
    indirect = m.indirect_ratio(x_grp.sum(), (n_grp * x_ref / n_ref).sum())
    answer.agrees(indirect.estimate, "ISR")
    answer.agrees(indirect.lower, "ISR_lo")
    answer.agrees(indirect.upper, "ISR_hi")
    mantel_haenszel = m.mantel_haenszel_ratio(x_grp, n_grp, x_ref, n_ref)
    answer.agrees(mantel_haenszel.estimate, "MH_PR")
    answer.agrees(mantel_haenszel.lower, "MH_lo")
    answer.agrees(mantel_haenszel.upper, "MH_hi")


def test_t3_2_dobson(known):
    answer = known("T3.2")
    rate = m.dobson_rate(answer.inputs["x"], answer.inputs["n"], m.ESP2013)
    answer.agrees(rate.estimate, "dsr_per_100k")
    answer.agrees(rate.lower, "lo")
    answer.agrees(rate.upper, "hi")


def test_t3_2b_dobson_with_repeated_events(known):
    answer = known("T3.2b")
    people, times = np.array(answer.inputs["people_with_1_2_3_4_events"]), np.arange(1, 5)
    rate = m.dobson_rate(people @ times, answer.inputs["n"], m.ESP2013, squares=people @ times**2)
    answer.agrees(rate.estimate, "dsr_per_100k")
    answer.agrees(rate.lower, "lo")
    answer.agrees(rate.upper, "hi")


def test_t3_4_age_at_onset(known):
    answer = known("T3.4")
    edges = [*answer.inputs["age_lo"], 95]
    counts = {group: [answer.inputs[f"{what}_{group}"] for what in ("d", "py")] for group in ("dep", "aff")}
    for name, q in (("q10", 0.1), ("q25", 0.25), ("q50", 0.5)):
        deprived, affluent = (m.onset_quantile(edges, *counts[group], q) for group in ("dep", "aff"))
        answer.agrees([deprived.estimate, deprived.se], name, "dep")
        answer.agrees([affluent.estimate, affluent.se], name, "aff")
        earlier = m.difference(affluent, deprived)
        answer.agrees(earlier.estimate, name, "earlier")
        answer.agrees(earlier.lower, name, "lo")
        answer.agrees(earlier.upper, name, "hi")
    middles = np.array(answer.inputs["age_lo"]) + 2.5  # what must not be done: the mean age of those who had it
    means = [np.average(middles, weights=counts[group][0]) for group in ("aff", "dep")]
    answer.agrees(means[0] - means[1], "wrong_naive_mean_gap")


@pytest.mark.parametrize(
    "service", ["AE_attendance", "admissions_electives", "admissions_emergency", "outpatient_attendance"]
)
def test_t8_1_change_of_hospital_use(known, service):
    answer = known("T8.1")
    before, after = (np.array(answer.inputs["counts"][service][month]) for month in ("2019-04", "2020-04"))
    answer.agrees(100 * (after.sum() / before.sum() - 1), service, "pooled_pct")
    result = m.random_effects(np.log(after / before), 1 / after + 1 / before)
    answer.agrees(result.tau2, service, "reml_tau2")
    answer.agrees(np.exp(result.estimate), service, "re_ratio")
    answer.agrees(np.exp(result.lower), service, "hk_lo")
    answer.agrees(np.exp(result.upper), service, "hk_hi")


def _bcg(answer):
    tpos, tneg, cpos, cneg = np.array(answer.inputs["tpos_tneg_cpos_cneg"]).T
    log_ratio = np.log(tpos / (tpos + tneg)) - np.log(cpos / (cpos + cneg))
    return log_ratio, 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg)


def _agrees_throughout(answer, method, y, v):
    scaled = m.random_effects(y, v, method.lower())
    unscaled = m.random_effects(y, v, method.lower(), knapp_hartung=False)
    computed = {
        "mu": unscaled.estimate, "se": unscaled.se, "lo": unscaled.lower, "hi": unscaled.upper, "tau2": scaled.tau2,
        "se_hk": scaled.se, "lo_hk": scaled.lower, "hi_hk": scaled.upper,
        "pi_lo_hts": scaled.hts_lower, "pi_hi_hts": scaled.hts_upper,
        "pi_lo_hk": scaled.prediction_lower, "pi_hi_hk": scaled.prediction_upper,
        "q_hk": (m.random_effects(y, v, method.lower(), floor=False).se / unscaled.se) ** 2,
    }  # fmt: skip
    assert computed.keys() == answer.expected[method].keys()
    for name, value in computed.items():
        answer.agrees(value, method, name)


@pytest.mark.parametrize("method", ["REML", "DL", "PM"])
def test_t10_1_bcg(known, method):
    answer = known("T10.1")
    y, v = _bcg(answer)
    _agrees_throughout(answer, method, y, v)
    result, common = m.random_effects(y, v, method.lower()), m.common_effect(y, v)
    answer.agrees([common.estimate, common.se], "FE")
    answer.agrees(result.q, "Q")
    answer.agrees(result.i2_percent, "I2")
    answer.agrees([result.tau2_lower, result.tau2_upper], "Qprofile")


def test_t10_2_three_sites(known):
    answer = known("T10.2")
    _agrees_throughout(answer, "REML", answer.inputs["y"], answer.inputs["v"])
    others = m.leave_one_out(answer.inputs["y"], answer.inputs["v"])
    answer.agrees(np.column_stack([others.estimate, others.se]), "LOSO")


def test_t10_3_rare_events(known):
    answer = known("T10.3")
    counts = [np.array(answer.inputs[name]) for name in ("eT", "tT", "eC", "tC")]
    for name, found in (("MH", m.mantel_haenszel(*counts)), ("cond_ML", m.rate_ratio(*counts))):
        answer.agrees([found.estimate, found.lower, found.upper], name)
    e_t, t_t, e_c, t_c = counts  # what must not be done: half an event added to zeros, or sites with a zero left out
    zero = (e_t == 0) | (e_c == 0)
    for kept, half, name in ((slice(None), 0.5 * zero, "wrong_IV_plus_half"), (~zero, 0 * e_t, "wrong_drop_zero_sites")):
        a, b = (e_t + half)[kept], (e_c + half)[kept]
        wrong = m.common_effect(np.log(a / t_t[kept]) - np.log(b / t_c[kept]), 1 / a + 1 / b)
        answer.agrees(np.exp(wrong.estimate), name)


def test_t10_6_one_stage_models(known):
    answer = known("T10.6")
    x, n, y, t = (answer.inputs[name] for name in "xnyt")
    beta, logistic, poisson = m.beta_binomial(x, n), m.binomial_normal(x, n), m.poisson_normal(y, t)
    answer.agrees(expit(beta.estimate), "beta_binomial", "mu")
    answer.agrees(beta.rho, "beta_binomial", "rho")
    answer.agrees(logistic.estimate, "logistic_normal", "alpha")
    answer.agrees(np.sqrt(logistic.tau2), "logistic_normal", "tau")
    answer.agrees(poisson.estimate, "poisson_normal", "mu")
    answer.agrees(np.sqrt(poisson.tau2), "poisson_normal", "tau")
    for found, name in ((beta, "beta_binomial"), (logistic, "logistic_normal"), (poisson, "poisson_normal")):
        answer.agrees(found.log_likelihood, name, "loglik")


def test_t10_4_a_withheld_count(known):
    answer = known("T10.4")
    limits = [(1, 9) if str(count).startswith("suppressed") else (count, count) for count in answer.inputs["counts"]]
    lower, upper = np.array(limits, dtype=float).T
    people = np.array(answer.inputs["pop"])
    edges = m.bounds(lower, upper, people)
    answer.agrees(1e5 * np.array([edges.lower, edges.upper]), "bounds")
    answer.agrees(1e5 * m.censored_rate(lower, upper, people).estimate, "interval_censored_ML")
    exact = lower == upper
    answer.agrees(1e5 * lower[exact].sum() / people.sum(), "wrong_zero_sub")
    answer.agrees(1e5 * lower[exact].sum() / people[exact].sum(), "wrong_drop_site")


def test_t10_5_mean_and_standard_deviation(known):
    answer = known("T10.5")
    n, means, sds = (np.array(answer.inputs[name]) for name in ("n", "mean", "sd"))
    total, squares = n * means, (n - 1) * sds**2 + n * means**2  # what each site would send
    pooled = m.mean(n.sum(), total.sum(), squares.sum())
    answer.agrees(pooled.estimate, "mean")
    answer.agrees(pooled.sd, "sd")


def covariates(rows):
    age, frailty, earlier = rows[:, 1], rows[:, 2], rows[:, 3]
    return np.column_stack([age == 1, age == 2, frailty == 1, frailty == 2, earlier])


def test_t6_1_area_under_the_curve_within_and_over_sites(known):
    answer = known("T6.1")
    rows = np.array(answer.inputs["rows"])
    design = np.column_stack([rows[:, [0]] == [0, 1, 2], covariates(rows)])
    risk = design @ np.array(answer.expected["beta"])
    bins = np.unique(risk.round(12), return_inverse=True)[1].ravel()
    events = np.zeros((3, bins.max() + 1))
    others = np.zeros_like(events)
    np.add.at(events, (rows[:, 0], bins), rows[:, 5])
    np.add.at(others, (rows[:, 0], bins), rows[:, 4] - rows[:, 5])
    pooled, sites = m.auc_from_bins(events.sum(axis=0), others.sum(axis=0)), m.auc_from_bins(events, others)
    assert round(float(m.within_sites(sites)), 4) == 0.7003 and round(float(pooled.estimate), 4) == 0.7028


def test_t6_2_a_model_at_another_site(known):
    answer, rows = known("T6.2"), np.array(known("T6.1").inputs["rows"], dtype=float)
    columns = np.column_stack([np.ones(len(rows)), covariates(rows)])
    old, new = rows[:, 0] < 2, rows[:, 0] == 2
    n, y = rows[:, 4], rows[:, 5]
    model = sm.GLM(np.column_stack([y, n - y])[old], columns[old], family=sm.families.Binomial()).fit(tol=1e-14)
    log_odds = columns[new] @ model.params
    risk, people, events = expit(log_odds), n[new], y[new]
    fit = m.calibration(people, people * risk, events, people * risk**2, events * risk)
    answer.agrees(fit.observed, "O")
    computed = {"E": fit.expected, "O_E": fit.estimate, "O_E_lo": fit.lower, "O_E_hi": fit.upper, "brier": fit.brier}
    for name, value in computed.items():
        answer.agrees(value, name)
    intercept, slope = m.recalibration(log_odds, people, events)
    answer.agrees(intercept.estimate, "citl")
    answer.agrees(intercept.se, "citl_se")
    answer.agrees(slope.estimate, "slope")
    answer.agrees(slope.se, "slope_se")
    order = np.argsort(risk)
    answer.agrees(m.auc_from_bins(events[order], (people - events)[order]).estimate, "auc")
    for threshold in ("0.1", "0.2", "0.3"):
        flagged = risk >= float(threshold)
        tp, fp = events[flagged].sum(), (people - events)[flagged].sum()
        expected = answer.expected["dca"][threshold]
        assert (tp, fp) == (expected["TP"], expected["FP"])
        answer.agrees(m.net_benefit(tp, fp, people.sum(), float(threshold)), "dca", threshold, "NB")
        everybody = m.net_benefit(events.sum(), (people - events).sum(), people.sum(), float(threshold))
        answer.agrees(everybody, "dca", threshold, "NB_all")
    flagged = risk >= 0.3
    answer.agrees(m.needed_to_intervene(events[flagged].sum(), people[flagged].sum(), 0.1).estimate, "nni_t0.3_rrr0.1")


def test_t7_1_mortality_ratio(known):
    answer = known("T7.1")
    reference = np.array(answer.inputs["ref_rate"])
    counts = {site: [np.array(answer.inputs[f"{what}_{site}"]) for what in ("d", "py")] for site in "AB"}
    counts["pooled"] = [sum(counts[site][at] for site in "AB") for at in (0, 1)]
    for site, (deaths, years) in counts.items():
        expected = m.expected_events(years, reference)
        ratio = m.indirect_ratio(deaths.sum(), expected)
        computed = {"O": deaths.sum(), "E": expected, "SMR": ratio.estimate, "lo": ratio.lower, "hi": ratio.upper}
        for name, value in computed.items():
            answer.agrees(value, site, name)


def mortality_against_everybody(answer, years):
    """Compare the ill with everybody, and with everybody else, when these are the years of everybody."""
    ill, time = (np.array(answer.inputs[f"{what}_A"]) + np.array(answer.inputs[f"{what}_B"]) for what in ("d", "py"))
    deaths = m.round_half_up(years * np.array(answer.inputs["ref_rate"]), 1)
    others, theirs = deaths - ill, years - time
    weights = m.standard_weights([18, 25, 35, 45, 55, 65], upper=75)
    ratio = m.standardised_ratio(m.dobson_rate(ill, time, weights), m.dobson_rate(others, theirs, weights))
    return {
        ("internal_ref", "excluding_SMI"): m.indirect_ratio(ill.sum(), m.expected_events(time, others / theirs)).estimate,
        ("internal_ref", "including_SMI_wrong"): m.indirect_ratio(ill.sum(), m.expected_events(time, deaths / years)).estimate,
        ("dsr_ratio_18_74", "ratio"): ratio.estimate, ("dsr_ratio_18_74", "lo"): ratio.lower,
        ("dsr_ratio_18_74", "hi"): ratio.upper,
    }  # fmt: skip


def test_t7_1_those_without_the_illness_are_the_reference(known):
    answer = known("T7.1")
    for path, value in mortality_against_everybody(answer, EVERYBODY).items():
        answer.agrees(value, *path)
        np.testing.assert_allclose(value, answer.expected[path[0]][path[1]], rtol=1e-12)  # to the last digit


@pytest.mark.parametrize("band", range(6))
def test_t7_1_no_other_thousands_give_its_results(known, band):
    """The years that were found are no lucky match: one thousand more in any band, and the results are others."""
    answer = known("T7.1")
    wrong = mortality_against_everybody(answer, EVERYBODY + 1000 * (np.arange(6) == band))
    assert not np.isclose(wrong["internal_ref", "excluding_SMI"], answer.expected["internal_ref"]["excluding_SMI"], rtol=1e-7)


def test_t7_2_difference_of_proportions(known):
    answer = known("T7.2")
    d = m.newcombe_difference(*(answer.inputs[name] for name in ("x1", "n1", "x2", "n2")))
    answer.agrees([d.estimate, d.lower, d.upper], "diff")


def test_t7_3_rate_of_repeated_events(known):
    answer = known("T7.3")
    events, years, squares = (answer.inputs[name] for name in ("events", "py", "sum_y2"))
    once, repeated = m.rate(events, years, 100), m.rate(events, years, 100, squares)
    answer.agrees(once.estimate, "rate_per_100")
    answer.agrees([once.lower, once.upper], "poisson_ci")
    answer.agrees([repeated.lower, repeated.upper], "robust_ci")


def test_t8_2_trend_and_season(known):
    answer = known("T8.2")
    if not HOSPITAL_USE.exists():
        pytest.skip("the published hospital use lies outside the repository, in ../shared/data/ndl")
    table = pd.read_csv(HOSPITAL_USE)
    table = table[(table["breakdown"] == "overall") & (table["service_type"] == "admissions_emergency")]
    months = table.groupby("year_month")["number_events"].sum()
    past, observed = months["2018-03":"2020-02"], months["2020-04"]
    found = m.trend_and_season(past, ahead=2, first_month=3)
    answer.agrees(found.percent_a_year, "trend_pct_per_year")
    answer.agrees(found.estimate[1], "expected_2020_04")
    answer.agrees(observed, "observed")
    answer.agrees(100 * (observed / found.estimate[1] - 1), "pct_vs_trend")
    answer.agrees(100 * (observed / months["2019-04"] - 1), "pct_vs_apr2019")
    answer.agrees(100 * (months["2019-03":"2019-12"].sum() / months["2018-03":"2018-12"].sum() - 1), "MarDec2019_vs_2018_pct")


def test_t11_3_rounding(known):
    answer = known("T11.3")
    assert m.round_half_up(answer.inputs["round5_half_up"], 5).tolist() == answer.expected["out"]
    counts, middles = zip(*answer.expected["midpoint6"].items(), strict=True)
    assert m.round_midpoint([int(count) for count in counts]).tolist() == list(middles)
