"""Released events and estimates: judged by the distinct people behind them, and by their time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.releases.cells import from_csv, to_csv

steady = settings(deadline=None, database=None, derandomize=True, max_examples=20)
PLACES = {"place": {"local": True}}
ONCE = ResultsTable.model_validate({"title": "t", "layout": "events", "dimensions": PLACES, "once": True})
OFTEN = ResultsTable.model_validate({"title": "t", "layout": "events", "dimensions": PLACES})
ESTIMATES = ResultsTable.model_validate({"title": "t", "layout": "estimates", "dimensions": PLACES})
POLICIES = st.builds(Policy, threshold=st.just(1) | st.integers(3, 25), rounding=st.sampled_from([1, 2, 5, 10]))


def beside(declared: ResultsTable, table: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Put the released cells, as they arrive, beside the true values."""
    cells = from_csv(to_csv(protect({"a.t": (declared, table)}, [], policy).tables["a.t"]))
    cells = cells.pivot(index="place", columns="statistic")
    cells.columns = [f"{statistic}_{column}" for column, statistic in cells.columns]
    return cells.join(table.set_index("place").add_prefix("true_"))


@st.composite
def events(draw, once: bool) -> pd.DataFrame:
    rows = []
    for i in range(draw(st.integers(1, 8))):
        people = draw(st.integers(0, 30))
        each = [1 if once else draw(st.integers(1, 6)) for _ in range(people)]
        days = draw(st.sampled_from([0.0, 100.0, 3000.0, 9000.0, 1e5, 2.5e6])) + draw(st.integers(0, 3)) / 8
        rows.append((f"P{i}", people, sum(each), days, sum(n * n for n in each)))
    return pd.DataFrame(rows, columns=["place", "people", "events", "person_days", "events_squared"])


def check_events(declared: ResultsTable, table: pd.DataFrame, policy: Policy) -> None:
    found, t = beside(declared, table, policy), policy.threshold
    shown = found["people_value"].dropna()
    assert not ((shown > 0) & (shown < t)).any()
    few = (found["true_people"] > 0) & (found["true_people"] < t)
    for name in ("people", "events", "events_squared"):
        assert found.loc[few, f"{name}_value"].isna().all()
    little = found["true_person_days"] < t * 365.25 if t > 1 else few & False
    assert found.loc[little, "person_days_value"].isna().all()
    for name in ("people", "events", "events_squared", "person_days"):
        true, lower, upper = (found[c] for c in (f"true_{name}", f"{name}_lower", f"{name}_upper"))
        assert ((lower - 1e-6 <= true) & (true <= upper + 1e-6)).all(), name
        withheld = found[f"{name}_status"] == "withheld"
        assert (found[f"{name}_value"].isna() == withheld).all()
    nobody = (found["true_people"] == 0) & ~little
    assert (found.loc[nobody, ["people_value", "events_value", "events_squared_value"]] == 0).all(axis=None)
    assert (found.loc[nobody, ["people_status", "events_status"]] == "ok").all(axis=None)


@steady
@given(events(once=True), POLICIES)
def test_deaths(table, policy):
    check_events(ONCE, table, policy)


@steady
@given(events(once=False), POLICIES)
def test_events_that_repeat_are_judged_by_people_not_by_events(table, policy):
    check_events(OFTEN, table, policy)


def test_many_events_of_few_people_are_withheld():
    table = pd.DataFrame({"place": ["A"], "people": [3], "events": [90], "person_days": [1e6], "events_squared": [2700]})
    cell = beside(OFTEN, table, Policy()).iloc[0]
    assert cell["events_status"] == cell["people_status"] == "withheld"
    assert [cell["people_lower"], cell["people_upper"]] == [1, 19]  # the first class: 1 to twice the threshold - 1
    assert [cell["events_lower"], cell["events_upper"]] == [50, 99]


@st.composite
def estimates(draw) -> pd.DataFrame:
    rows = []
    for i in range(draw(st.integers(1, 8))):
        value = draw(st.floats(50, 100) | st.just(np.nan))
        se = np.nan if np.isnan(value) else draw(st.floats(0, 9))
        rows.append((f"P{i}", value, se, draw(st.integers(0, 30)), draw(st.sampled_from([0.0, 100.5, 3000.0, 1e6]))))
    return pd.DataFrame(rows, columns=["place", "estimate", "se", "people", "person_days"])


@steady
@given(estimates(), POLICIES)
def test_estimates(table, policy):
    """An estimate rests on events: below the threshold it is withheld, also with none; its range holds the truth."""
    found, t = beside(ESTIMATES, table, policy), policy.smallest_shown
    given_ = found["true_estimate"].notna()
    hidden = ((found["true_people"] < t) | ((found["true_person_days"] > 0) & (found["true_person_days"] < t * 365.25))) & (t > 1)
    for name in ("estimate", "se"):
        assert (found.loc[given_ & hidden, f"{name}_status"] == "withheld").all()
        how = "ok" if policy.threshold == policy.rounding == 1 else "rounded"  # what was published before is shown as it was
        assert (found.loc[given_ & ~hidden, f"{name}_status"] == how).all()
        assert (found.loc[~given_, f"{name}_status"] == "not_applicable").all()
        assert (found[f"{name}_value"].notna() == (given_ & ~hidden)).all()
        shown = found[given_ & ~hidden]
        assert (shown[f"{name}_lower"] - 1e-6 <= shown[f"true_{name}"]).all()
        assert (shown[f"true_{name}"] <= shown[f"{name}_upper"] + 1e-6).all()
    assert (found["se_lower"].dropna() >= 0).all()
    people = found["people_value"].dropna()
    assert not ((people > 0) & (people < t)).any()
    for name in ("people", "person_days"):
        assert ((found[f"{name}_lower"] <= found[f"true_{name}"]) & (found[f"true_{name}"] <= found[f"{name}_upper"])).all()
    assert (found.loc[found["true_people"] == 0, "people_value"] == 0).all()


def test_estimates_are_rounded_half_up():
    table = pd.DataFrame({"place": ["A", "B"], "estimate": [80.125, 80.375], "se": [0.0625, 0.1875], "people": [50, 50],
                          "person_days": [1e6, 1e6]})  # fmt: skip
    found = beside(ESTIMATES, table, Policy())
    assert found["estimate_value"].tolist() == [80.13, 80.38]
    assert found["se_value"].tolist() == [0.063, 0.188]


@steady
@given(estimates(), POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(table, policy, random):
    order = list(range(len(table)))
    random.shuffle(order)
    released = [protect({"a.t": (ESTIMATES, t)}, [], policy).tables["a.t"] for t in (table, table.iloc[order])]
    assert to_csv(released[0]) == to_csv(released[1])
