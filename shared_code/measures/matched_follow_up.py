"""What happened to matched people: events and days before and after their start, and the estimates that follow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.measures.event_days import FAR, Events, Ints, day_number
from shared_code.measures.matched_controls import Frozen

QUANTITIES = ("before", "days_before", "after", "days_after")
MONTH = 30.5  # days: six months are the 183 days of the follow-up
REFERRED = 2  # months before the start in which people are referred on a peak, and wait
EDGES = (30, 14)  # days before and after the start that the estimate without them leaves out
NOBODY = methods.Ratio(np.nan, np.nan, np.nan, np.nan, "nobody was matched")  # a small site may match none of its people
TOP = 0.99  # quantile at which counts are cut in the estimate that no single person can decide


@dataclass(frozen=True)
class FollowUp:
    """Hold matched people with their days at risk, and the events of each outcome.

    rows: as in Frozen, with entry and leave (days): registered and alive in [entry, leave), up to the end of the data; of
    a control who starts the service, up to that day. leave_ignoring: the same, later starts ignored.
    """

    frozen: Frozen
    rows: pd.DataFrame
    events: dict[str, Events] = field(repr=False)

    @property
    def treated(self) -> np.ndarray:
        return self.rows["treated"].to_numpy() == 1

    def window(self, outcome: str, begin: int, end: int, leave: str = "leave") -> tuple[Ints, Ints]:
        """Count events and days at risk in [start + begin, start + end) of everybody."""
        start = self.rows["start"].to_numpy()
        first = np.maximum(start + begin, self.rows["entry"].to_numpy())
        last = np.minimum(start + end, self.rows[leave].to_numpy())
        days = np.maximum(last - first, 0)
        return self.events[outcome].between(self.rows["person"].to_numpy(), first, np.maximum(last, first)), days

    def four(self, outcome: str, before: tuple[int, int], after: tuple[int, int], leave: str = "leave") -> np.ndarray:
        """Give events and days before and after, shape (people, 4)."""
        return np.column_stack([*self.window(outcome, *before), *self.window(outcome, *after, leave)]).astype(float)


def outcomes_of(frozen: Frozen, end: dt.date, outcomes: list[str]) -> FollowUp:
    """Count what happened, from matched sets that are frozen; outcomes whose table the site lacks are left out.

    end: first day after the data. Raises model.Refused when sets or balance were changed after they had been frozen.
    """
    frozen.check()
    cohort, rows = frozen.sets.cohort, frozen.rows.copy()
    person, start = rows["person"].to_numpy(), rows["start"].to_numpy()
    begin, leave = cohort.registered.holding(person, start)
    rows["entry"] = np.maximum(begin, cohort.first_day)
    rows["leave_ignoring"] = np.minimum(np.minimum(leave, cohort.died[person]), day_number(end))
    later = np.where(rows["treated"] == 1, FAR, cohort.started[person])
    rows["leave"] = np.minimum(rows["leave_ignoring"], later)
    events = {name: found for name in outcomes if (found := cohort.events(name)) is not None}
    return FollowUp(frozen, rows, events)


def activity_sums(followed: FollowUp) -> pd.DataFrame:
    """Add up events and days by outcome and arm, with sums of products, in the layout `moments`.

    Dimensions outcome, arm, quantity, with: the sum and squares of `quantity`, and the products with the quantity `with`.
    """
    rule, parts = followed.frozen.sets.cohort.rule, []
    for outcome in followed.events:
        z = followed.four(outcome, (-rule.look_back, 0), (0, rule.follow_up))
        for arm, mine in (("treated", followed.treated), ("control", ~followed.treated)):
            parts += _products(z[mine] * followed.rows.loc[mine, "weight"].to_numpy()[:, None], {"outcome": outcome, "arm": arm})
    return pd.DataFrame(parts)


def _products(z: np.ndarray, of: dict[str, str]) -> Iterator[dict[str, Any]]:
    for a, first in enumerate(QUANTITIES):
        for b in range(a, len(QUANTITIES)):
            # the rules of disclosure see the most concentrated of the three sums of the row
            own, product = z[:, a], z[:, a] * z[:, b]
            total = own.sum()
            shares = [np.sort(v)[::-1][:2] / v.sum() for v in (own, own**2, product) if v.sum() > 0] or [np.zeros(2)]
            top = max(shares, key=lambda s: s.sum())
            yield of | {"quantity": first, "with": QUANTITIES[b], "people": len(z), "sum": total, "sum_squares": (own**2).sum(),
                        "sum_products": product.sum(), "largest": total * top[0],
                        "second_largest": total * (top[1] if len(top) > 1 else 0.0)}  # fmt: skip


def effect_row(outcome: str, estimator: str, followed: FollowUp, z: np.ndarray) -> dict[str, Any]:
    """Estimate one difference-in-differences, robust to matched sets: outcome, estimator, and the layout `estimates`.

    z: events and days before and after of every row of `followed`, shape (n, 4)
    """
    return _row(outcome, estimator, followed, _by_set(followed, z), z)


def estimates(followed: FollowUp, offered: FollowUp | None = None, variants: Mapping[str, FollowUp] | None = None
              ) -> pd.DataFrame:  # fmt: skip
    """Estimate the effect on every outcome and, on the first, in the other ways that were planned.

    Gives outcome, estimator, and the layout `estimates`: log rate ratio with standard error; people with an event in the
    smaller arm. Estimators: `primary` (difference-in-differences, robust to matched sets), and `people`, `after_only`,
    `negative_binomial`, `without_edges`, `later_starts_ignored`, `winsorised`, `placebo`, `intention_to_treat` (from
    `offered`, matched at the day of referral), and one for each of `variants` (matched under other rules). Source:
    methods specification, section 4.
    """
    rule = followed.frozen.sets.cohort.rule
    before, after = (-rule.look_back, 0), (0, rule.follow_up)
    found = [_row(outcome, "primary", followed, _by_set(followed, followed.four(outcome, before, after)),
                  followed.four(outcome, before, after)) for outcome in followed.events]  # fmt: skip
    main = next(iter(followed.events))
    z = followed.four(main, before, after)
    arms = [methods.arm_sums(*z[m].T, followed.rows.loc[m, "weight"]) for m in (followed.treated, ~followed.treated)]
    weight, sets = followed.rows["weight"], followed.rows["set"]
    of = followed.treated.astype(float)
    found.append(_row(main, "people", followed, methods.difference_in_differences(*arms), z))
    adjusted = methods.after_only(z[:, 2], z[:, 3], of, z[:, 0], weights=weight, clusters=sets)
    found.append(_row(main, "after_only", followed, adjusted, z))
    found.append(_row(main, "negative_binomial", followed, _negative_binomial(z, of, weight, sets), z))
    other_windows = {
        "without_edges": followed.four(main, (before[0], -EDGES[0]), (EDGES[1], after[1])),
        "later_starts_ignored": followed.four(main, before, after, "leave_ignoring"),
        "winsorised": _cut(z),
        "placebo": followed.four(main, (before[0] - rule.follow_up, -rule.follow_up), (-rule.follow_up, 0)),
    }  # fmt: skip
    found += [_row(main, name, followed, _by_set(followed, values), values) for name, values in other_windows.items()]
    if offered is not None:
        values = offered.four(main, before, after)
        found.append(_row(main, "intention_to_treat", offered, _by_set(offered, values), values))
    for name, other in (variants or {}).items():
        found.append(effect_row(main, name, other, other.four(main, before, after)))
    return pd.DataFrame(found)


def changes(followed: FollowUp, everyone: np.ndarray) -> pd.DataFrame:
    """Give each group's own change, after over before, WITHOUT controls: group_of, log ratio, standard error, people, days.

    everyone: events and days, shape (n, 4), of all who met the rule on one day and had not been referred: what falls by itself
    """
    rule = followed.frozen.sets.cohort.rule
    z = followed.four(next(iter(followed.events)), (-rule.look_back, 0), (0, rule.follow_up))
    weight, of = followed.rows["weight"].to_numpy(), followed.treated
    groups = {"treated": (z[of], weight[of]), "control": (z[~of], weight[~of]), "by_rule": (everyone, np.ones(len(everyone)))}
    parts = []
    for arm, (values, w) in groups.items():
        ratio = methods.before_after(methods.arm_sums(*values.T, w))
        parts.append({"group_of": arm, **_estimate(ratio), "people": int((values[:, 2] > 0).sum()),
                      "person_days": values[:, [1, 3]].sum()})  # fmt: skip
    return pd.DataFrame(parts)


def months(followed: FollowUp, first: int = -12, last: int = 5, reference: int = -3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the arms month by month with their ratio in one month before the start: month, log ratio, error.

    The last two months are no yardstick: people are referred on a peak, and wait between referral and start.
    The second table holds the chi-square of all months before the start at once (`before`; its degrees of freedom: months
    less 1) and of those before the referral (`earlier`: without the last two), which add up over sites.
    Source: methods specification, section 4.
    """
    main, numbers = next(iter(followed.events)), list(range(first, last + 1))
    counted = [followed.window(main, round(MONTH * k), round(MONTH * (k + 1))) for k in numbers]
    y, t = (np.column_stack([c[i] for c in counted]).astype(float) for i in (0, 1))
    study = methods.event_study(y, t, followed.treated.astype(int), numbers.index(reference), weights=followed.rows["weight"],
                                clusters=followed.rows["set"])  # fmt: skip
    people = [int(min((y[m, k] > 0).sum() for m in (followed.treated, ~followed.treated))) for k in range(len(numbers))]
    rows = [{"month": str(k), "estimate": study.log_ratio[i], "se": study.se[i], "people": people[i],
             "person_days": t[:, i].sum()} for i, k in enumerate(numbers) if k != reference]  # fmt: skip
    tests = {"before": 0, "earlier": -REFERRED}
    at = {name: study.joint([i for i, k in enumerate(numbers) if k < end])[0] for name, end in tests.items()}
    ever = min(int((y[m].sum(axis=1) > 0).sum()) for m in (followed.treated, ~followed.treated))
    joint = pd.DataFrame({"test": [*at], "estimate": [*at.values()], "se": np.nan, "people": ever, "person_days": t.sum()})
    return pd.DataFrame(rows), joint


def deaths(followed: FollowUp) -> pd.DataFrame:
    """Count who died within the follow-up by arm: arm, people, cases. A difference speaks of confounding, not of the service."""
    cohort, rows = followed.frozen.sets.cohort, followed.rows
    died = (cohort.died[rows["person"]] < rows["start"] + cohort.rule.follow_up).to_numpy()
    of = followed.treated
    return pd.DataFrame({"arm": ["treated", "control"], "people": [int(of.sum()), int((~of).sum())],
                         "cases": [int((died & of).sum()), int((died & ~of).sum())]})  # fmt: skip


def _by_set(followed: FollowUp, z: np.ndarray) -> methods.Ratio:
    if not len(z):
        return NOBODY
    weighted = z * followed.rows["weight"].to_numpy()[:, None]
    size = followed.rows["set"].max() + 1
    arms = []
    for mine in (followed.treated, ~followed.treated):
        sums = np.zeros((size, 4))
        np.add.at(sums, followed.rows.loc[mine, "set"].to_numpy(), weighted[mine])
        arms.append(sums)
    return methods.difference_in_differences_of_sets(methods.set_sums(*arms))


def _negative_binomial(z: np.ndarray, of: np.ndarray, weight: Any, sets: Any) -> methods.Ratio:
    if not len(z):
        return NOBODY
    y, t = np.concatenate([z[:, 0], z[:, 2]]), np.concatenate([z[:, 1], z[:, 3]])
    arm, period = np.tile(of, 2), np.repeat([0.0, 1.0], len(z))
    x = np.column_stack([np.ones(len(y)), arm, period, arm * period])
    here = t > 0
    try:
        return methods.clustered_rates(x[here], y[here], t[here], np.tile(weight, 2)[here], np.tile(sets, 2)[here], at=3,
                                       family="negative_binomial")  # fmt: skip
    except (methods.ConvergenceError, np.linalg.LinAlgError) as error:
        return methods.Ratio(np.nan, np.nan, np.nan, np.nan, str(error))


def _cut(z: np.ndarray) -> np.ndarray:
    cut = z.copy()
    for column in (0, 2) if len(z) else ():
        cut[:, column] = np.minimum(z[:, column], np.quantile(z[:, column], TOP))
    return cut


def _row(outcome: str, estimator: str, followed: FollowUp, ratio: methods.Ratio, z: np.ndarray) -> dict[str, Any]:
    event = (z[:, 0] + z[:, 2]) > 0
    smaller = min(int((event & m).sum()) for m in (followed.treated, ~followed.treated))
    return {"outcome": outcome, "estimator": estimator, **_estimate(ratio), "people": smaller, "person_days": z[:, [1, 3]].sum()}


def _estimate(ratio: methods.Ratio) -> dict[str, float]:
    return {"estimate": float(np.log(ratio.estimate)), "se": float(ratio.se_log)}
