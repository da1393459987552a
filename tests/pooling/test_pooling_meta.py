"""Meta-analysis and profiles as pooled steps: what is in, what is not and why, and the numbers of the methods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.pooling.meta import meta_analysis, profile
from shared_code.pooling.results import results_table
from shared_code.reporting.evidence import between_sites

TERMS = {"did": "Change", "other": "Other"}
DECLARED = ResultsTable.model_validate({"title": "t", "layout": "estimates", "dimensions": {
    "term": {"values": TERMS}, "sex": {"label": "Sex", "values": {"F": "Female", "M": "Male"}}}})  # fmt: skip
SITES = {"a": (-0.35, 0.02, 40), "b": (-0.10, 0.015, 60), "c": (-0.52, 0.04, 7), "d": (0.05, 0.03, 50)}


def cells(withheld: str = "") -> pd.DataFrame:
    rows = []
    for site, (y, v, people) in SITES.items():
        key = {"site": site, "term": "did", "sex": "F"}
        gone = site == withheld
        for statistic, value in (("estimate", y), ("se", v**0.5), ("people", people), ("person_days", 1000.0)):
            empty = gone and statistic in ("estimate", "se")
            rows.append({**key, "statistic": statistic, "value": np.nan if empty else value,
                         "status": "withheld" if empty else "ok", "lower": value, "upper": value})  # fmt: skip
    return pd.DataFrame(rows)


def run(table: pd.DataFrame, scale: str = "log", pool: bool = True, **more) -> pd.DataFrame:
    scopes = {f"site:{site}": [site] for site in SITES}
    scopes = {"pooled": [*SITES], **scopes} if pool else scopes
    rows = list(meta_analysis(table, DECLARED, {"item": "term", "unit": "ratio", "scale": scale, **more}, scopes))
    for row in rows:
        row["sites"] = "; ".join(row["sites"])
    return results_table(rows)


def test_the_step_gives_the_random_effects_analysis_as_ratios():
    table = run(cells())
    y, v, _ = (np.array(x) for x in zip(*SITES.values(), strict=True))
    expected = methods.random_effects(y, v)
    pooled = table[table["measure"] == "pooled estimate"].iloc[0]
    np.testing.assert_allclose(
        pooled[["estimate", "lower", "upper", "pi_lo", "pi_hi"]].astype(float),
        np.exp([expected.estimate, expected.lower, expected.upper, expected.prediction_lower, expected.prediction_upper]))
    np.testing.assert_allclose(pooled[["se", "tau2", "tau2_lo", "tau2_hi", "q", "i2", "h2", "df"]].astype(float),
                               [expected.se, expected.tau2, expected.tau2_lower, expected.tau2_upper, expected.q,
                                expected.i2_percent, expected.h2, 3])  # fmt: skip
    assert pooled["sex"] == "F" and pooled["group"] == "everyone" and "1 of 4 sites have fewer than 10" in pooled["caution"]
    own = table[table["measure"] == "effect at the site"].set_index("scope")
    np.testing.assert_allclose(own["weight"], expected.weights)
    np.testing.assert_allclose(own["estimate"], np.exp(y))
    out = table[table["scope"].str.startswith("loso:")].set_index("scope")
    assert out.loc["loso:b", "estimate"] == pytest.approx(np.exp(methods.random_effects(y[[0, 2, 3]], v[[0, 2, 3]]).estimate))
    assert out.loc["loso:b", "sites"] == "a; c; d"
    common = table.set_index("measure").loc["common effect", "estimate"]
    assert common == pytest.approx(np.exp(methods.common_effect(y, v).estimate))


def test_a_withheld_estimate_is_named_and_never_0():
    table = run(cells(withheld="b"))
    pooled = table[table["measure"] == "pooled estimate"].iloc[0]
    assert pooled["sites"] == "a; c; d" and pooled["sites_excluded"] == "b (withheld: fewer people than the threshold)"
    own = table[(table["scope"] == "site:b")].iloc[0]
    assert np.isnan(own["estimate"]) and "withheld" in own["reason"]


def test_two_sites_make_no_claim_and_too_few_sites_pool_nothing():
    two = run(cells()[lambda t: t["site"].isin(["a", "b"])])
    pooled = two[two["measure"] == "pooled estimate"].iloc[0]
    assert np.isnan(pooled[["tau2", "pi_lo", "i2"]].astype(float)).all() and pooled["method"].startswith("common effect")
    assert not two["scope"].str.startswith("loso:").any()
    alone = run(cells(), pool=False)
    assert set(alone["measure"]) == {"effect at the site"} and alone["weight"].isna().all()


def test_other_scales_are_turned_back():
    logit = run(cells(), "logit").set_index("scope").loc["site:a", "estimate"]
    assert np.atleast_1d(logit)[0] == pytest.approx(100 / (1 + np.exp(0.35)))


def test_the_average_as_sites_join_by_size_or_as_declared():
    y, v = (np.array([site[i] for site in SITES.values()]) for i in (0, 1))
    table = run(cells(), cumulative="people")
    joined = table[table["measure"] == "pooled as sites join"]
    assert joined["scope"].tolist() == ["joined:b", "joined:d", "joined:a", "joined:c"]  # 60, 50, 40 and 7 people
    assert joined["sites"].tolist() == ["b", "b; d", "b; d; a", "b; d; a; c"]
    np.testing.assert_allclose(joined["estimate"], np.exp(methods.cumulative(y[[1, 3, 0, 2]], v[[1, 3, 0, 2]]).estimate))
    assert joined["estimate"].iloc[-1] == pytest.approx(table.set_index("measure").loc["pooled estimate", "estimate"])
    declared = run(cells(withheld="b"), cumulative=["c", "b", "a"])
    assert declared.loc[declared["measure"] == "pooled as sites join", "scope"].tolist() == ["joined:c", "joined:a"]


SIX = {f"s{i}": (0.1 * i + (0.05 if i % 2 else -0.05), 0.01 + 0.003 * i, 40 + i) for i in range(6)}


def of_six() -> pd.DataFrame:
    return pd.concat([cells().query("site == 'a'").assign(site=site, value=[y, v**0.5, people, 1000.0])
                      for site, (y, v, people) in SIX.items()], ignore_index=True)  # fmt: skip


def run_six(**more) -> pd.DataFrame:
    scopes = {"pooled": [*SIX], **{f"site:{site}": [site] for site in SIX}}
    rows = list(meta_analysis(of_six(), DECLARED, {"item": "term", "unit": "ratio", "scale": "log", **more}, scopes))
    return results_table([row | {"sites": "; ".join(row["sites"])} for row in rows])


def test_kinds_of_site_are_averaged_by_themselves_and_compared():
    said = {"setting": {"title": "Setting", "sites": {"s0": "city", "s1": "city", "s2": "city", "s4": "county", "s5": "county"}}}
    table = run_six(kinds=said)
    y, v, _ = (np.array(x) for x in zip(*SIX.values(), strict=True))
    city = table[table["scope"] == "kind:city"].iloc[0]
    assert city["estimate"] == pytest.approx(np.exp(methods.random_effects(y[:3], v[:3]).estimate))
    assert city["sites"] == "s0; s1; s2"
    apart = table[table["measure"] == "difference between kinds of site"].iloc[0]
    expected = methods.meta_regression(y[[0, 1, 2, 4, 5]], v[[0, 1, 2, 4, 5]], [0, 0, 0, 1, 1])
    assert apart["estimate"] == pytest.approx(np.exp(expected.estimate[1])) and apart["comparator"] == "city"
    assert apart["stratum"] == "setting=county" and "s3 (the study says nothing of its Setting)" in apart["sites_excluded"]
    assert f"p = {expected.p:.2g}" in apart["agreement"] and "explains nothing" in apart["caution"]


def test_what_describes_sites_is_regressed_on_or_the_reason_is_given():
    share = {"title": "Share", "sites": {site: 10.0 * i for i, site in enumerate(SIX)}}
    y, v, _ = (np.array(x) for x in zip(*SIX.values(), strict=True))
    row = run_six(moderators={"share": share}).query("measure == 'change with what describes sites'").iloc[0]
    expected = methods.meta_regression(y, v, [10.0 * i for i in range(6)])
    np.testing.assert_allclose(row[["estimate", "lower", "upper"]].astype(float),
                               np.exp([expected.estimate[1], expected.lower[1], expected.upper[1]]))  # fmt: skip
    assert row["scale"] == "ratio of the effects" and row["stratum"] == "share" and row["df"] == 4
    few = run(cells(), moderators={"share": {"title": "Share", "sites": {"a": 1, "b": 2, "c": 3}}})
    few = few[few["measure"] == "change with what describes sites"].iloc[0]
    assert np.isnan(few["estimate"]) and "3 sites for 2 coefficients" in few["reason"] and few["sites_excluded"].startswith("d (")


def test_the_page_says_what_was_asked_of_differences_between_sites():
    said = {"setting": {"title": "Setting", "sites": {site: "city" if i < 3 else "county" for i, site in enumerate(SIX)}}}
    page = between_sites(run_six(kinds=said, small_sites=True), {"item_label": "Effect", "labels": {"did": "Change"},
                                                                "sites_by": {"setting": "Setting"}}, 2)  # fmt: skip
    for words in ("Setting: city", "Setting: county against city", "small sites against large", "Change"):
        assert words in page


def test_small_sites_against_large():
    y, v, _ = (np.array(x) for x in zip(*SIX.values(), strict=True))
    row = run_six(small_sites=True).query("measure == 'small sites against large'").iloc[0]
    assert row["estimate"] == pytest.approx(methods.egger_test(y, v).estimate)
    assert "fewer than 10 sites" in row["caution"] and "p = " in row["agreement"]
    two = run(cells()[lambda t: t["site"].isin(["a", "b"])], small_sites=True)
    assert "2 sites" in two[two["measure"] == "small sites against large"].iloc[0]["reason"]


POINTS = methods.default_points()
PROFILES = ResultsTable.model_validate({"title": "t", "layout": "profile", "dimensions": {
    "effect": {"values": {"rr": "Ratio"}}, "point": {"values": {repr(round(float(p), 6)): "" for p in POINTS}}}})  # fmt: skip
COUNTS = {"a": (0, 410, 3, 400), "b": (1, 820, 4, 800), "c": (2, 950, 9, 1000), "d": (0, 300, 0, 310)}


def profiles(withheld: str = "") -> pd.DataFrame:
    rows = []
    for site, counts in COUNTS.items():
        curve = methods.profile_of_rates(*counts, POINTS)
        for at, log, slope in zip(POINTS, curve.log_likelihood, curve.gradient, strict=True):
            events = counts[0] + counts[2]
            for statistic, value in (("log_likelihood", log), ("gradient", slope), ("people", 9), ("events", events)):
                rows.append({"site": site, "effect": "rr", "point": repr(round(float(at), 6)), "statistic": statistic,
                             "value": np.nan if site == withheld else value, "status": "ok"})  # fmt: skip
    return pd.DataFrame(rows)


def pooled_profiles(table: pd.DataFrame) -> pd.DataFrame:
    scopes = {"pooled": [*COUNTS], **{f"site:{site}": [site] for site in COUNTS}}
    rows = list(profile(table, PROFILES, {"point": "point", "item": "effect"}, scopes))
    for row in rows:
        row["sites"] = "; ".join(row["sites"])
    return results_table(rows)


def test_profiles_keep_sites_without_events():
    table = pooled_profiles(profiles())
    common = table[table["measure"] == "common effect"].iloc[0]
    np.testing.assert_allclose(common[["estimate", "lower", "upper"]].astype(float), [0.1910, 0.0444, 0.5735], atol=2e-4)
    assert common["sites"] == "a; b; c; d" and common["events"] == 19
    one = table[table["scope"] == "site:a"].iloc[0]
    assert np.isnan(one["estimate"]) and one["upper"] > 0 and "no events in one group" in one["reason"]
    assert "no site has events" in table[table["scope"] == "site:d"].iloc[0]["reason"]
    bayes = table[table["measure"] == "pooled estimate, Bayesian"].iloc[0]
    assert bayes["lower"] < common["estimate"] < bayes["upper"] and bayes["pi_hi"] > bayes["upper"]


def test_a_withheld_profile_is_named():
    table = pooled_profiles(profiles(withheld="b"))
    common = table[table["measure"] == "common effect"].iloc[0]
    assert common["sites"] == "a; c; d" and common["sites_excluded"] == "b (its profile is withheld)"
