"""Every method gives its published or independently computed answer."""

from __future__ import annotations

import numpy as np
import pytest

from shared_code import methods as m

LE20 = [0, 1, *range(5, 91, 5)]


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


def test_t11_3_rounding(known):
    answer = known("T11.3")
    assert m.round_half_up(answer.inputs["round5_half_up"], 5).tolist() == answer.expected["out"]
    counts, middles = zip(*answer.expected["midpoint6"].items(), strict=True)
    assert m.round_midpoint([int(count) for count in counts]).tolist() == list(middles)
