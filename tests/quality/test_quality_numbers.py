"""Numbers of data quality: published known answers, brute force, and limits on both sides."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.results import ResultsTable
from shared_code.config.study import Period
from shared_code.methods import wilson
from shared_code.model.checks import CHECKS, verdict
from shared_code.pooling.quality import means, quantiles
from shared_code.pooling.shares import shares
from shared_code.quality import evenness, list_ratios, observed_days, observed_share, psi, snomed_valid, unusual

ROOT = Path(__file__).parents[2]
steady = settings(deadline=None, database=None, derandomize=True, max_examples=40)


@pytest.fixture(scope="module")
def known(shared) -> dict:
    return json.loads((shared / "methods" / "known_answers.json").read_text("utf-8"))


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Release a wide table as it is."""
    keys = [c for c in table.columns if table[c].dtype == object]
    long = table.melt(keys, var_name="statistic", value_name="value")
    return long.assign(status="ok", lower=long["value"], upper=long["value"])


def declared(layout: str, **dimensions: dict) -> ResultsTable:
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": dimensions})


def test_completeness_of_one_site(known):
    answer = known["T1.1"]
    p = wilson(answer["inputs"]["x"], answer["inputs"]["n"])
    assert (p.estimate, p.lower, p.upper) == pytest.approx(
        [answer["expected"][k] for k in ("p", "lo", "hi")], rel=answer["rtol"])  # fmt: skip


def test_linkage_of_three_sites_is_pooled_from_sums(known):
    answer = known["T1.2"]
    n, linked = (np.array(answer["inputs"][k]) for k in ("n", "linked"))
    table = pd.DataFrame({"site": list("abc"), "basis": "x", "people": n, "rows": n, "people_failing": n - linked,
                          "rows_failing": n - linked})  # fmt: skip
    spec = declared("records", basis={"values": {"x": "X"}})
    found = next(iter(shares(cells(table), spec, {"item": "basis"}, {"pooled": list("abc")})))
    expected = answer["expected"]
    assert [found[k] / 100 for k in ("estimate", "lower", "upper")] == pytest.approx(
        [expected[k] for k in ("pooled", "lo", "hi")], rel=answer["rtol"])  # fmt: skip
    assert found["measure"] == "linked" and found["sites"] == list("abc")
    assert abs(found["estimate"] / 100 - expected["wrong_mean_of_rates"]) > 0.005


def test_lags_of_two_sites_are_pooled_from_bins(known):
    answer = known["T1.3"]
    edges = answer["inputs"]["edges"]
    spec = declared("bins", source={"values": {"s": "S"}}, lag={"bands": edges})
    labels = list(spec.dimensions["lag"].levels())
    rows = [{"site": site, "source": "s", "lag": label, "people": n, "records": n}
            for site in ("siteA", "siteB") for label, n in zip(labels, [*answer["inputs"][site], 0])]  # fmt: skip
    found = quantiles(cells(pd.DataFrame(rows)), spec, {"item": "source", "along": "lag", "at": [0.5, 0.9]},
                      {"pooled": ["siteA", "siteB"], "site:siteA": ["siteA"], "site:siteB": ["siteB"]})  # fmt: skip
    by = {(row["scope"], row["measure"]): row for row in found}
    expected = answer["expected"]
    assert by["pooled", "median"]["estimate"] == pytest.approx(expected["pooled_median"], rel=answer["rtol"])
    assert by["pooled", "90th percentile"]["estimate"] == pytest.approx(expected["pooled_p90"], rel=answer["rtol"])
    single = np.mean([by[f"site:{s}", "median"]["estimate"] for s in ("siteA", "siteB")])
    assert single == pytest.approx(expected["wrong_mean_of_medians"], rel=answer["rtol"])


def test_only_the_month_of_a_failed_feed_is_flagged(known):
    answer = known["T1.4"]
    assert (np.flatnonzero(unusual(answer["inputs"]["counts"])) + 1).tolist() == answer["expected"]["flagged_months"]


def test_mean_and_deviation_from_sums(known):
    answer = known["T10.5"]
    n, mean, sd = (np.array(answer["inputs"][k], float) for k in ("n", "mean", "sd"))
    table = pd.DataFrame({"site": list("abc"), "quantity": "q", "people": n, "sum": n * mean,
                          "sum_squares": (n - 1) * sd**2 + n * mean**2})  # fmt: skip
    spec = declared("moments", quantity={"values": {"q": "Q"}})
    found = {r["measure"]: r for r in means(cells(table), spec, {"item": "quantity", "unit": "u"}, {"pooled": list("abc")})}
    assert found["mean"]["estimate"] == pytest.approx(answer["expected"]["mean"], rel=answer["rtol"])
    assert found["standard deviation"]["estimate"] == pytest.approx(answer["expected"]["sd"], rel=answer["rtol"])


@pytest.mark.parametrize("median, seed", [(8, 1), (20, 2), (150, 3), (4000, 4)])
def test_poisson_counts_raise_nothing(median, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    flagged = sum(unusual(rng.poisson(median, 60)).sum() for _ in range(30))
    assert flagged <= 1  # of 1,800 months


@pytest.mark.parametrize("counts, flagged", [
    ([100] * 12, []), ([100] * 11 + [0], [12]), ([100] * 11 + [121], []), ([100] * 11 + [250], [12]),
    ([3, 0, 2, 4, 0, 1, 2, 3, 0, 5, 1, 2], []), ([8] * 11 + [0], [12]), ([6] * 11 + [0], []),
    ([100] * 30 + [200] * 30, []),  # a lasting change is not a failed month
])  # fmt: skip
def test_drawn_months(counts, flagged):
    found = np.flatnonzero(unusual(counts)) + 1
    assert found.tolist() == flagged or (len(counts) == 60 and len(found) <= 12)


@pytest.mark.parametrize("before, now, say", [
    ([500, 500], [500, 500], "pass"), ([500, 500], [640, 360], "pass"), ([500, 500], [680, 320], "look"),
    ([500, 500], [760, 240], "stop"),
])  # fmt: skip
def test_drift_at_its_limits(before, now, say):
    a, b = np.array(now) / 1000, np.array(before) / 1000
    value = psi(np.array(now), np.array(before))
    assert value == pytest.approx(float(((a - b) * np.log(a / b)).sum()), abs=0.002)
    assert verdict(CHECKS["drift:sex"], value) == say


@pytest.mark.parametrize("check, at, just", [("drift:age", 0.1, "look"), ("drift:age", 0.25, "stop"),
                                             ("listed:area_population", 0.08, "look")])  # fmt: skip
def test_limits_of_the_specification(check, at, just):
    assert verdict(CHECKS[check], at) != just and verdict(CHECKS[check], at + 1e-9) == just


@pytest.mark.parametrize("people, flagged", [(1081, True), (1080, False), (920, False), (919, True)])
def test_list_ratio_of_a_site_at_its_limits(people, flagged):
    table = pd.DataFrame({"district": ["all"], "sex": ["F"], "age": ["0-9"], "people": [people], "person_days": [1000 * 365.25]})
    found = list_ratios(table, [])
    assert found["ratio"].iloc[0] == pytest.approx(people / 1000) and bool(found["flagged"].iloc[0]) == flagged


def test_small_parts_of_a_site_are_flagged_only_beyond_chance():
    rows = [("A", 24, 20.0), ("B", 12_000, 10_000.0), ("all", 12_024, 10_020.0)]
    table = pd.DataFrame(rows, columns=["district", "people", "years"])
    table = table.assign(person_days=table.pop("years") * 365.25)
    assert list_ratios(table, []).set_index("district")["flagged"].to_dict() == {"A": False, "B": True, "all": True}


@steady
@given(st.integers(10**5, 10**17 - 1), st.integers(0, 16), st.integers(1, 9))
def test_a_changed_digit_never_passes_the_check_of_snomed(stem, at, by):
    """One of ten check digits fits; any single changed digit, and any two swapped neighbours, are found."""
    codes = [f"{stem}{digit}" for digit in range(10)]
    good = [code for code, ok in zip(codes, snomed_valid(codes)) if ok]
    assert len(good) == 1
    code, at = good[0], at % len(good[0])
    changed = code[:at] + str((int(code[at]) + by) % 10) + code[at + 1 :]
    swapped = code[:at] + code[at + 1 : at + 2] + code[at] + code[at + 2 :]
    assert not snomed_valid([changed])[0] or changed.startswith("0")
    assert swapped == code or not snomed_valid([swapped])[0]


def test_published_snomed_identifiers_are_valid():
    """Root concepts of the codelist that comes with the project, which were looked up one by one."""
    listed = pd.read_csv(ROOT / "config" / "codelists" / "long_term_conditions" / "2026-11.csv", dtype=str, comment="#")
    codes = listed.loc[listed["code_system"] == "SCT", "code"].dropna().unique()
    assert len(codes) > 15 and snomed_valid(codes).all()


@steady
@given(st.lists(st.integers(1, 10), min_size=30, max_size=200))
def test_evenness_falls_with_evenness(deciles):
    n = len(deciles)
    even = pd.Series([1 + i * 10 // n for i in range(n)])
    assert evenness(even) <= evenness(pd.Series(deciles)) + 1e-12


def test_national_deciles_drawn_at_random_are_hardly_ever_called_local():
    rng = np.random.Generator(np.random.PCG64(5))
    called = sum(evenness(pd.Series(rng.integers(1, 11, 60))) < 0.005 for _ in range(400))
    assert called <= 12  # two tests at 0.5 %: 4 are expected where areas really are a fair draw of the nation


def test_days_of_missing_months_are_no_days_at_risk():
    """Brute force, day by day."""
    rng = np.random.Generator(np.random.PCG64(9))
    start = np.datetime64("2022-01-01") + rng.integers(0, 500, 40).astype("timedelta64[D]")
    end = start + rng.integers(0, 400, 40).astype("timedelta64[D]")
    missing = ["2022-03", "2022-12", "2023-02"]
    rows = ibis.memtable(pd.DataFrame({"a": pd.to_datetime(start), "b": pd.to_datetime(end)}))
    rows = rows.mutate(a=rows.a.cast("date"), b=rows.b.cast("date"))
    found = rows.mutate(days=observed_days(rows.a, rows.b, missing)).order_by("a", "b").execute()
    for row in found.itertuples():
        days = pd.date_range(row.a, row.b, inclusive="left")
        assert row.days == sum(day.strftime("%Y-%m") not in missing for day in days)


def test_share_of_days_in_which_a_source_was_received():
    receipt = pd.DataFrame({"source": ["death", "death", "admission"], "month": ["2022-01", "2022-02", "2022-02"],
                            "received": [True, False, False]})  # fmt: skip
    period = Period(start=dt.date(2022, 1, 1), end=dt.date(2023, 1, 1))
    assert observed_share(receipt, period, "death") == pytest.approx(1 - 28 / 365)
    assert observed_share(receipt, period, "outpatient") == 1
