"""The partner as attacker: a pooled number minus a site's own must not tell of a few people elsewhere.

Pooled numbers are computed from what each site released, and from nothing else; a withheld number of a site is no better
known from them than from its own release. What a reader could still do is to take the small rest of the other sites for
what was counted there. So a pooled number is published only where enough sites take part, and, for every site (every pair
where two may collude), the others together have nobody or at least the threshold (methods specification 11.7). What is
withheld for this reason must not follow from the total and the other levels either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable, Study
from shared_code.disclosure import partner_reasons, protect_pooled
from shared_code.disclosure.pooled import FEW_SITES
from shared_code.disclosure.search import NoPattern
from shared_code.model import ALL

FAMILY = ["analysis", "table", "measure", "item", "group", "stratum", "sex"]
CELL = ["analysis", "table", "item", "group", "level", "stratum", "sex"]
FOLLOWS = "withheld so that another pooled number cannot be computed"
COMPARED = "what it is compared with is withheld"
OWN = "site:"
UNKNOWN_SITES = "sites whose own number is withheld"


def guarded(study: Study, rows: Iterable[dict[str, Any]], numbers: Iterable[str]) -> list[dict[str, Any]]:
    """Withhold the numbers of pooled rows that would tell a site of a few people elsewhere, with the reason.

    rows     of the results table, each site's own (scope site:<name>) among them, with the `table` that they come from:
             an item of another table is another number, also where it has the same name
    numbers  columns that are emptied
    """
    rows = list(rows)
    policy = policy_of(study)
    reasons = _reasons(rows, policy) if policy.threshold > 1 else {}
    if not reasons:
        return rows
    empty = dict.fromkeys(numbers)
    result = []
    for row in rows:
        cell = tuple(str(row.get(name, "")) for name in CELL)
        reason = reasons.get(cell, "")
        if not reason and row.get("comparator"):
            beside = dict(zip(CELL, cell)) | {"level": str(row["comparator"])}
            reason = COMPARED if tuple(beside.values()) in reasons else ""
        result.append(row | empty | {"reason": reason} if reason and not str(row["scope"]).startswith(OWN) else row)
    return result


def policy_of(study: Study) -> Policy:
    """Give the rules for pooled numbers: the study's, with its fewest sites unless the rules say how many must contribute."""
    rules = study.disclosure
    fewest = rules.fewest_contributing if "fewest_contributing" in rules.model_fields_set else study.fewest_sites
    return rules.model_copy(update={"fewest_contributing": fewest, "rounding": 1})


def _reasons(rows: list[dict[str, Any]], policy: Policy) -> dict[tuple[str, ...], str]:
    """Give the pooled cells that are withheld, and why."""
    frame = pd.DataFrame(rows, columns=[*FAMILY, "level", "scope", "people", "events"])
    frame[[*FAMILY, "level"]] = frame[[*FAMILY, "level"]].fillna("").astype(str)
    frame[["people", "events"]] = frame[["people", "events"]].apply(pd.to_numeric).astype(float)
    key = [*FAMILY, "level"]
    by_events = frame["events"].notna()
    pooled = frame.assign(by_events=by_events, counted=frame["events"].where(by_events, frame["people"]).round())
    pooled = pooled[(pooled["scope"] == "pooled") & pooled["counted"].notna()].drop_duplicates(key)
    own = frame[frame["scope"].str.startswith(OWN)].drop_duplicates([*key, "scope"]).merge(pooled[[*key, "by_events"]], on=key)
    sites = sorted(own["scope"].unique())
    if not sites or pooled.empty:
        return {}
    own["counted"] = own["events"].where(own["by_events"], own["people"]).round()  # in the unit of the pooled number
    order = pd.MultiIndex.from_frame(pooled[key])
    wide = own.pivot(index=key, columns="scope", values="counted").reindex(order)
    there = own[own["counted"].isna() & ~(own["people"] == 0)].groupby(key).size().reindex(order).notna().to_numpy()
    # what the pooled number holds of sites whose own is not known: as if of one further site
    rest = np.where(there, np.maximum(pooled["counted"].to_numpy() - wide.sum(axis=1).to_numpy(), 0), 0)
    wide = wide.fillna(0).assign(**{UNKNOWN_SITES: rest})
    sites = [*sites, UNKNOWN_SITES]
    asked = wide.sum(axis=1).to_numpy() > 0  # rows that no site has by itself say nothing of any site
    counts = policy.model_copy(update={"fewest_contributing": 1})
    primary = np.where(asked, partner_reasons({site: wide[site].to_numpy() for site in sites}, counts), "")
    present = own.assign(here=(own["people"] > 0) | (own["counted"] > 0)).groupby(key, sort=False)["here"].sum()
    few = present.reindex(wide.index).fillna(0).to_numpy() < policy.fewest_contributing
    primary[few & asked & (primary == "")] = FEW_SITES  # a site without a case takes part where it has the people
    small = pooled["counted"].between(1, policy.threshold - 1).to_numpy() & asked & (primary == "")
    primary[small] = f"fewer than {policy.threshold} at all sites together"
    found = pooled.assign(reason=primary)
    reasons: dict[tuple[str, ...], str] = {}
    names = wide.index.droplevel("level").to_frame(index=False).to_numpy()
    hit = found[found["reason"] != ""]
    for cell, reason in zip(hit[CELL].itertuples(index=False, name=None), hit["reason"]):
        reasons[cell] = reason
    for key, levels in found.groupby(FAMILY, sort=True):
        if (levels["reason"] != "").any() and len(levels) > 1:
            inside = (names == key).all(axis=1)
            for level in _others(levels, wide[inside].droplevel(FAMILY), counts):
                cell = dict(zip(FAMILY, key)) | {"level": level}
                reasons.setdefault(tuple(cell[name] for name in CELL), FOLLOWS)
    return reasons


def _others(levels: pd.DataFrame, own: pd.DataFrame, policy: Policy) -> list[str]:
    """Choose the levels withheld so that no withheld one follows from the total, which other tables may show."""
    names = levels["level"].tolist()
    declared = ResultsTable.model_validate({
        "title": "pooled", "layout": "bins", "sets": [[], ["level"]],
        "dimensions": {"level": {"values": dict.fromkeys(names, ""), "total": True}},
    })  # fmt: skip
    tables = {}
    for site in own.columns:
        counts = own[site].reindex(names).to_numpy()
        table = pd.DataFrame({"level": [*names, ALL], "people": [*counts, counts.sum()]})
        tables[site] = table.assign(records=table["people"])
    try:
        done = protect_pooled(declared, tables, policy)
    except NoPattern:
        return names
    return done.loc[done["withheld"] & (done["level"] != ALL), "level"].drop_duplicates().tolist()
