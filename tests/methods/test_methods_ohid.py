"""The answers that OHID publishes with its own package: rates, proportions, means, standardisation, slopes, funnels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shared_code import methods as m

ANSWERS = json.loads((Path(__file__).parent / "answers" / "ohid.json").read_text("utf-8"))
LEVELS = (0.95, 0.998)


def numbers(rows):
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=float)


def agree(result, expected, rtol=1e-9):
    """Compare value and limits at both confidence levels; `result` gives them for one level."""
    for level, columns in zip(LEVELS, ([1, 2], [3, 4]), strict=True):
        found = result(level)
        np.testing.assert_allclose(found.estimate, expected[..., 0], rtol=rtol)
        np.testing.assert_allclose(found.lower, expected[..., columns[0]], rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(found.upper, expected[..., columns[1]], rtol=rtol)


def test_crude_rates_exact_below_10_and_byar_above():
    rows = numbers(ANSWERS["rate_per_100000"]["rows"])
    agree(lambda level: m.rate(rows[:, 0], rows[:, 1], confidence=level), rows[:11, 2:] if len(rows) == 11 else rows[:, 2:], 1e-7)
    assert rows.shape[0] == 12 and m.rate(rows[:, 0], rows[:, 1]).reason.tolist()[8:11] == ["a count is withheld"] * 3


def test_proportions():
    rows = numbers(ANSWERS["proportion"]["rows"])
    agree(lambda level: m.wilson(rows[:, 0], rows[:, 1], level), rows[:, 2:], 1e-7)


def test_means():
    groups = {**ANSWERS["mean"]["values"]}
    groups["No grouping"] = [value for values in ANSWERS["mean"]["values"].values() for value in values]
    for row in ANSWERS["mean"]["rows"]:
        values = np.array(groups[row[0]])
        result = m.mean(values.size, values.sum(), (values**2).sum())
        np.testing.assert_allclose([values.sum(), values.size, result.sd], row[1:4], rtol=1e-8)
        agree(lambda level, v=values: m.mean(v.size, v.sum(), (v**2).sum(), level), np.array(row[4:]), 1e-8)


@pytest.mark.parametrize("name", ["testdata_big", "testdata_small", "testdata_tiny", "testdata_1976"])
def test_directly_standardised_rates(name):
    answer = ANSWERS["directly_standardised_rate"]
    row = next(row for row in answer["rows"] if row[0] == name)
    area = answer["esp1976"] if name == "testdata_1976" else answer["areas"][name]
    # OHID counts an age band without a number as 0 events; in Cohortium a missing number is never 0
    events = np.nan_to_num(np.array(area["events"], dtype=float))
    multiplier, weights = 100_000, area.get("weights", m.ESP2013)
    expected = numbers([row[2:]])[0]
    if name == "testdata_1976":  # the published 99.8 % limits of this row are per 100,000 times 10
        expected[3:] /= 10
    agree(lambda level: m.dobson_rate(events, area["person_time"], weights, multiplier, confidence=level), expected, 1e-8)
    if name == "testdata_tiny":
        assert "fewer than 10" in m.dobson_rate(events, area["person_time"], weights).reason


def test_a_missing_band_is_never_counted_as_0():
    area = ANSWERS["directly_standardised_rate"]["areas"]["testdata_big"]
    events = np.array(area["events"], dtype=float)
    events[3] = np.nan
    result = m.dobson_rate(events, area["person_time"], m.ESP2013)
    assert np.isnan(result.estimate) and result.reason == "a band is withheld"


@pytest.mark.parametrize("row", ANSWERS["rate_of_repeated_events"]["rows"], ids=lambda row: row[0])
def test_rates_of_repeated_events(row):
    area = ANSWERS["rate_of_repeated_events"]["areas"][row[0]]
    people, times = np.array(area["people_with_1_2_3_4_events"]), np.arange(1, 5)
    assert (people @ times).sum() == row[1]
    agree(lambda level: m.dobson_rate(people @ times, area["person_time"], m.ESP2013, squares=people @ times**2,
                                      confidence=level), numbers([row[2:]])[0], 1e-8)  # fmt: skip


@pytest.mark.parametrize("row", ANSWERS["indirectly_standardised"]["rows"], ids=str)
def test_indirectly_standardised_rates_and_ratios(row):
    answer = ANSWERS["indirectly_standardised"]
    reference = {name: np.array(values, dtype=float) for name, values in answer["reference"].items()}
    area = ANSWERS["directly_standardised_rate"]["areas"][row[0]]
    expected = m.expected_events(area["person_time"], reference["events"] / reference["person_time"])
    np.testing.assert_allclose(expected, row[2], rtol=1e-9)
    crude = reference["events"].sum() / reference["person_time"].sum()
    if row[3] is None:
        agree(lambda level: m.indirect_ratio(row[1], expected, level), np.array(row[4:]), 1e-7)
    else:
        np.testing.assert_allclose(1e5 * crude, row[3], rtol=1e-9)
        agree(lambda level: m.indirect_rate(row[1], expected, crude, confidence=level), np.array(row[4:]), 1e-7)


@pytest.mark.parametrize("name", ANSWERS["slope_index"])
def test_slope_index_with_and_without_a_transformation(name):
    answer = ANSWERS["slope_index"][name]
    for area in answer["areas"]:
        s = m.slope_index(area["population"], area["value"], transform=answer["transform"], limits=(area["lower"], area["upper"]))
        np.testing.assert_allclose([s.estimate, s.ratio], [area["sii"], area["rii"]], rtol=1e-9)
        # OHID's limits are simulated: they agree to Monte-Carlo error
        width = abs(s.upper - s.lower)
        np.testing.assert_allclose([s.lower, s.upper], area["sii_limits"], atol=0.02 * width)
        width = s.ratio_upper - s.ratio_lower
        np.testing.assert_allclose([s.ratio_lower, s.ratio_upper], area["rii_limits"], atol=0.02 * width)
    population, value = ([area[key] for area in answer["areas"]] for key in ("population", "value"))
    lower, upper = ([area[key] for area in answer["areas"]] for key in ("lower", "upper"))
    together = m.slope_index(population, value, transform=answer["transform"], limits=(lower, upper))
    np.testing.assert_allclose(together.estimate, [area["sii"] for area in answer["areas"]], rtol=1e-9)


def test_quantile_groups():
    for answer in ANSWERS["quantile_groups"]:
        values, groups = (np.array([np.nan if v is None else v for v in answer[key]]) for key in ("values", "group"))
        found = m.quantile_groups(values, answer["groups"], highest_first=answer["highest_first"])
        np.testing.assert_array_equal(found, groups)
    v = np.array(ANSWERS["quantile_groups"][3]["values"])
    np.testing.assert_array_equal(m.quantile_groups([v, -v], 10)[1], m.quantile_groups(v, 10, highest_first=True))


SIGNIFICANCE = {"High (0.001)": 2, "High (0.025)": 1, "Not significant": 0, "Low (0.025)": -1, "Low (0.001)": -2}


def test_funnel_of_proportions():
    answer = ANSWERS["funnel_of_proportions"]
    rows = np.array(answer["rows"], dtype=float)
    for level, columns in ((0.95, [1, 2]), (0.998, [3, 4])):
        limits = m.funnel_limits(rows[:, 0], answer["average"], "proportion", level)
        np.testing.assert_allclose(100 * np.column_stack([limits.lower, limits.upper]), rows[:, columns], atol=2e-6)
    cases, people, expected = zip(*answer["areas"], strict=True)
    found = m.funnel_position(cases, people, answer["average"])
    assert found.tolist() == [SIGNIFICANCE[e] for e in expected] and len(set(found)) >= 4


def test_funnel_of_ratios():
    answer = ANSWERS["funnel_of_ratios"]
    columns = {name: [row[at] for row in answer["rows"]] for at, name in enumerate(answer["columns"])}
    for level, sigma in ((0.95, "2s"), (0.998, "3s")):
        limits = m.funnel_limits(columns["Observed_events"], 1, "count", level)
        # OHID finds these by bisection on a scale that ends at 1e-7
        np.testing.assert_allclose(100 * limits.lower, columns[f"lower_{sigma}_isr"], rtol=2e-4)
        np.testing.assert_allclose(100 * limits.upper, columns[f"upper_{sigma}_isr"], rtol=2e-4)
    observed, expected, significance = zip(*answer["areas"], strict=True)
    assert m.funnel_position(observed, expected, 1, "count").tolist() == [SIGNIFICANCE[e] for e in significance]
