"""How good the links are: precision, recall, F1, and who is missed, from a gold standard or from planted truth.

Methods specification, section 12.6. The gold standard takes records that their NHS number links (D1), hides the number,
links them again and compares. It measures steps D2, D3 and P on records that have a number; records without one may be
harder. Every table here has small counts: it stays in the private room until disclosure control has been over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from shared_code.linkage.run import Linked, Rows, link
from shared_code.linkage.settings import Settings

STRATA = ("age_band", "sex", "eth5", "imd5")
KEYS = ["record_id", "source"]
Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True)
class Quality:
    """Hold counts of records: linked rightly, linked wrongly, and with a person in the index but not linked to them.

    A record linked to another person than its own counts as wrong and as missed.
    """

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall.

        >>> q = Quality(9710, 48, 290)
        >>> round(q.precision, 5), round(q.recall, 5), round(q.f1, 5)
        (0.99508, 0.971, 0.98289)
        """
        return _share(2 * self.right, 2 * self.right + self.wrong + self.missed)

    def table(self) -> pd.DataFrame:
        """Give measure, value and Wilson limits (none for F1, which is not a proportion of records)."""
        linked, meant = self.right + self.wrong, self.right + self.missed
        rows = [("precision", self.precision, *wilson(self.right, linked)), ("recall", self.recall, *wilson(self.right, meant)),
                ("f1", self.f1, np.nan, np.nan)]  # fmt: skip
        return pd.DataFrame(rows, columns=["measure", "value", "lower", "upper"])


def compare(links: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Put links beside the truth: adds right, wrong, missed to the truth.

    links  record_id, source, person_id          truth  the same, person_id missing where nobody of the index is meant
    """
    both = truth.merge(links[[*KEYS, "person_id", "link_method", "weight_band"]], on=KEYS, how="left",
                       suffixes=("_true", ""), validate="one_to_one")  # fmt: skip
    linked, meant = both["person_id"].notna(), both["person_id_true"].notna()
    right = linked & meant & (both["person_id"] == both["person_id_true"])
    return both.assign(right=right, wrong=linked & ~right, missed=meant & ~right)


def measure(compared: pd.DataFrame) -> Quality:
    """Count what `compare` found."""
    return Quality(*(int(compared[name].sum()) for name in ("right", "wrong", "missed")))


def missed_by(compared: pd.DataFrame, strata: Sequence[str] = STRATA) -> pd.DataFrame:
    """Give missed-match rates by stratum: stratum, level, people, missed, rate, lower, upper (Wilson)."""
    meant = compared[compared["person_id_true"].notna()]
    tables = []
    for name in strata:
        counted = meant.groupby(name, observed=True, dropna=False)["missed"].agg(["size", "sum"]).reset_index()
        level = counted[name].astype("string").fillna("Unknown")
        lower, upper = wilson(counted["sum"], counted["size"])
        tables.append(pd.DataFrame({"stratum": name, "level": level, "people": counted["size"], "missed": counted["sum"],
                                    "rate": counted["sum"] / counted["size"], "lower": lower, "upper": upper}))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def gold_standard(records: pd.DataFrame | Path, index: Rows, linked: Linked, settings: Settings, most: int = 20_000,
                  say: Callable[[str], None] = lambda text: None) -> pd.DataFrame:  # fmt: skip
    """Hide the number of records that step D1 linked, link them again with the same model, and compare with D1.

    Links that the review lists as "doubtful_number" are no standard and are left out.
    most  records to take, the same ones every time (a fixed shuffle of their order)
    records  as `run.link` takes them, or the path of a Parquet file, of which only the records taken are read
    Returns what `compare` returns; columns of `records` that are no identifiers (strata) are kept.
    """
    doubtful = linked.review.loc[linked.review["reason"] == "doubtful_number", KEYS]
    sure = linked.links.loc[linked.links["link_method"] == "D1", [*KEYS, "person_id"]]
    sure = sure.merge(doubtful, on=KEYS, how="left", indicator="known").query("known == 'left_only'").drop(columns="known")
    order = np.random.Generator(np.random.PCG64(settings.seed)).permutation(len(sure))[:most]
    sure = sure.sort_values(KEYS).iloc[np.sort(order)]
    if isinstance(records, Path):
        records = pd.read_parquet(records, filters=[("record_id", "in", sure["record_id"].tolist())]) if len(sure) else (
            pq.read_schema(records).empty_table().to_pandas())  # fmt: skip
    hidden = records.merge(sure[KEYS], on=KEYS).assign(nhs_number=pd.NA)
    hidden["nhs_number"] = hidden["nhs_number"].astype("string")
    again = link(hidden, index, settings, model=linked.model, say=say)
    known = [c for c in STRATA if c in records.columns and c != "sex"]
    strata = hidden[[*KEYS, *known, "sex"]]
    return compare(again.links, sure.merge(strata, on=KEYS))


def to_check(linked: Linked, each: int = 50, seed: int = 1) -> pd.DataFrame:
    """Draw a clerical sample, stratified by weight band: `each` links of every band, with how many links one stands for.

    Columns: record_id, source, person_id, weight_band, stands_for. Private room only: a person compares the two records.
    """
    links = linked.links[linked.links["person_id"].notna()].sort_values(KEYS, ignore_index=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = [links[[*KEYS, "person_id", "weight_band"]].head(0).assign(stands_for=1.0)]
    for _, band in links.groupby("weight_band", observed=True):
        some = band.iloc[np.sort(rng.permutation(len(band))[:each])]
        drawn.append(some[[*KEYS, "person_id", "weight_band"]].assign(stands_for=len(band) / len(some)))
    return pd.concat(drawn, ignore_index=True)


def checked_precision(sample: pd.DataFrame) -> tuple[float, float]:
    """Estimate precision and its standard error from a checked sample: `to_check` with a column right (true or false).

    Stratified estimate, weighted back to all links; finite-population correction within bands.
    """
    total, value, variance = sample["stands_for"].sum(), 0.0, 0.0
    for _, band in sample.groupby("weight_band", observed=True):
        n, share = len(band), band["right"].mean()
        size = band["stands_for"].sum()
        value += size / total * share
        if n > 1:
            variance += (size / total) ** 2 * (1 - n / size) * share * (1 - share) / (n - 1)
    return float(value), float(np.sqrt(max(variance, 0.0)))


def sensitivity(records: pd.DataFrame, index: pd.DataFrame, truth: pd.DataFrame, linked: Linked, settings: Settings,
                thresholds: Sequence[float] = (0.95, 0.99, 0.999)) -> pd.DataFrame:  # fmt: skip
    """Give precision, recall and F1 at several accepting thresholds: threshold, right, wrong, missed, and the measures."""
    rows = []
    for accept in thresholds:
        found = link(records, index, replace(settings, accept=accept), model=linked.model)
        q = measure(compare(found.links, truth))
        rows.append((accept, q.right, q.wrong, q.missed, q.precision, q.recall, q.f1))
    return pd.DataFrame(rows, columns=["threshold", "right", "wrong", "missed", "precision", "recall", "f1"])


def wilson(cases, people):
    """Give Wilson's limits of a proportion (the layer `methods` has the same; linkage may not import it).

    >>> [round(float(x), 4) for x in wilson(9710, 9758)]
    [0.9935, 0.9963]
    """
    x, n = np.asarray(cases, dtype=float), np.asarray(people, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = Z * np.sqrt(Z**2 + 4 * x * (1 - x / n))
        return (2 * x + Z**2 - half) / (2 * (n + Z**2)), (2 * x + Z**2 + half) / (2 * (n + Z**2))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
