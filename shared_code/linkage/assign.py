"""From weights of pairs to links and a list for review: one person a record, one record of a source a person."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shared_code.linkage.settings import Settings
from shared_code.linkage.weights import posterior, prior_weight

MOST_ROUNDS = 200
NOTHING = pd.DataFrame({"rid": pd.Series(dtype="int64"), "pid": pd.Series(dtype="int64"),
                        "probability": pd.Series(dtype="float64"), "weight": pd.Series(dtype="float64")})  # fmt: skip


def share_of_matches(pairs: pd.DataFrame, records: int, people: int) -> float:
    """Find the share of matching pairs among all pairs of `records` and `people`, by expectation maximisation.

    pairs  rid, pid, weight (bits, without the prior); pairs not listed count as certain non-matches
    A record matches one person at most, so its candidates share one probability.
    """
    share = 0.5 / people
    for _ in range(MOST_ROUNDS):
        expected = float(one_person_probability(pairs, share).sum())
        new = min(max(expected, 0.5) / (records * people), 1 / (people + 1))
        if abs(new - share) <= 1e-6 * share:
            return new
        share = new
    return share


def one_person_probability(pairs: pd.DataFrame, share: float) -> np.ndarray:
    """Give each pair's probability, knowing that a record is one person at most: odds / (1 + odds of all candidates)."""
    odds = np.exp2(np.clip(pairs["weight"].to_numpy(dtype=float), -500, 500)) * share / (1 - share)
    _, row = np.unique(pairs["rid"].to_numpy(), return_inverse=True)
    return odds / (1 + np.bincount(row, odds, minlength=1)[row])


def assign(pairs: pd.DataFrame, source: pd.Series, taken: pd.DataFrame, share: float, settings: Settings
           ) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Choose the links among scored pairs that no veto rejects.

    pairs   rid, pid, weight          source  of every record, by rid
    taken   rid, pid already linked by an earlier step
    Returns links (rid, pid, probability, weight) and review (the same and reason), both sorted.
    """
    pairs = pairs.assign(probability=one_person_probability(pairs, share), source=source.reindex(pairs["rid"]).to_numpy(),
                         alone=posterior(pairs["weight"].to_numpy() + prior_weight(share)), reason="")  # fmt: skip
    if not (pairs["alone"] >= settings.clerical).any():
        return NOTHING.copy(), NOTHING.assign(reason=pd.Series(dtype="object"))
    pairs = pairs[pairs["alone"] >= settings.clerical].sort_values(
        ["probability", "weight", "rid", "pid"], ascending=[False, False, True, True], ignore_index=True)  # fmt: skip
    ambiguous = (pairs["alone"] >= settings.accept) & (pairs["probability"] < settings.accept)
    clerical = pairs["probability"].between(settings.clerical, settings.accept, inclusive="left")
    pairs.loc[ambiguous | clerical, "reason"] = "ambiguous"
    pairs.loc[clerical & ~(ambiguous & pairs.duplicated("rid", keep=False)), "reason"] = "clerical"
    pairs.loc[_in_large_clusters(pairs, settings), "reason"] = "large_cluster"
    if settings.one_to_one:
        pairs.loc[(pairs["reason"] == "") & _person_taken(pairs, source, taken, settings), "reason"] = "person_taken"
    accepted = (pairs["reason"] == "") & (pairs["probability"] >= settings.accept)
    columns = list(NOTHING.columns)
    links = pairs.loc[accepted, columns].sort_values("rid", ignore_index=True)
    review = pairs.loc[pairs["reason"] != "", [*columns, "reason"]].sort_values(["rid", "pid"], ignore_index=True)
    return links, review


def _in_large_clusters(pairs: pd.DataFrame, settings: Settings) -> np.ndarray:
    """Tell which pairs belong to records and people that match one another and are more than the cap, per source."""
    edges = pairs["alone"].to_numpy() >= settings.accept
    records, record = np.unique(pairs["rid"].to_numpy(), return_inverse=True)
    people = pairs["source"].astype(str) + "\x00" + pairs["pid"].astype(str)  # a person counts anew in every source
    person = pd.factorize(people)[0] + len(records)
    size = int(person.max()) + 1
    graph = coo_matrix((np.ones(edges.sum()), (record[edges], person[edges])), shape=(size, size))
    label = connected_components(graph, directed=False)[1]
    return (np.bincount(label)[label[record]] > settings.cluster_cap) & edges


def _person_taken(pairs: pd.DataFrame, source: pd.Series, taken: pd.DataFrame, settings: Settings) -> np.ndarray:
    """Tell which pairs lose their person to another record of the same source; of equal ones, both lose."""
    held = pd.MultiIndex.from_arrays([source.loc[taken["rid"]].to_numpy(), taken["pid"].to_numpy()])
    mine = pd.MultiIndex.from_frame(pairs[["source", "pid"]])
    candidate = pairs[(pairs["reason"] == "") & (pairs["probability"] >= settings.accept)]
    best = candidate.groupby(["source", "pid"])["weight"].transform("max").reindex(pairs.index)
    at_best = candidate["weight"].eq(best.loc[candidate.index])
    ties = at_best.groupby([candidate["source"], candidate["pid"]]).transform("sum").reindex(pairs.index)
    beaten = pairs.index.isin(candidate.index) & ((pairs["weight"] < best) | (ties > 1)).to_numpy()
    return mine.isin(held) | beaten
