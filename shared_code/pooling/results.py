"""The tidy table of results: one row per estimate, with everything needed to judge and to trace it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

# what a meta-analysis calls its rows
RANDOM, COMMON, OWN, WITHOUT_ONE = "pooled estimate", "common effect", "effect at the site", "pooled without one site"
BAYES, APART = "pooled estimate, Bayesian", "difference of the two sites"
JOINED, GROUP, GROUPS_DIFFER = "pooled as sites join", "pooled over one kind of site", "difference between kinds of site"
MODERATOR, SMALL_SITES = "change with what describes sites", "small sites against large"

COLUMNS = {
    "analysis": "stem of the analysis",
    "measure": "what is estimated",
    "item": "condition, service or term it is about",
    "group": "dimension that is compared (everyone: none)",
    "level": "level of that dimension",
    "stratum": "the only people it is about, as dimension=level; empty: everyone",
    "sex": "F, M or both",
    "scope": "pooled, meta, site:<name>, loso:<name> (without that site), joined:<name> (up to that site), kind:<kind of site>",
    "scale": "unit of the estimate",
    "comparator": "level it is compared with",
    "estimate": "the estimate",
    "lower": "lower limit of the 95 % interval",
    "upper": "upper limit of the 95 % interval",
    "se": "standard error (of the logarithm for ratios)",
    "p_adjusted": "p value, adjusted for how many outcomes beside the primary one are looked at (Holm)",
    "df": "degrees of freedom of the interval, where it is Student's",
    "weight": "share of the pooled estimate that this site has, from 0 to 1",
    "pi_lo": "lower limit of the 95 % prediction interval: where another site's own effect would lie",
    "pi_hi": "upper limit of the prediction interval",
    "tau2": "variance between sites, on the scale of the analysis (logarithm for ratios)",
    "tau2_lo": "lower limit of its 95 % interval",
    "tau2_hi": "upper limit of its 95 % interval",
    "q": "Cochran's Q of the sites",
    "i2": "I2, per cent",
    "h2": "H2: Q over its degrees of freedom",
    "people": "people in the denominator",
    "events": "people or events in the numerator; estimated where some are withheld",
    "person_years": "person-years at risk",
    "bound_lower": "the estimate if every rounded or withheld number were as low as it can be",
    "bound_upper": "the estimate if every rounded or withheld number were as high as it can be",
    "withheld_share": "share of the numerator that withheld cells could hold at most",
    "target": "what the study asks for, where it names a target",
    "method": "how it was computed",
    "why": "why it was computed that way",
    "sites": "sites in it",
    "n_sites": "number of sites in it",
    "sites_without": "sites of the study that are not in it",
    "sites_excluded": "sites that are not in it, each with the reason",
    "reason": "why there is no estimate",
    "agreement": "what the sites say together: alike, differ, or contradict each other, with Q and its p",
    "caution": "where its interval does not hold what 95 % promises",
    "footnotes": "contradictions that touch it, as numbered in contradictions.csv",
    "verdict": "of a check of data quality at a site: pass, look, stop or not assessed; of a prediction: whether to recalibrate",
    "period_start": "first day of the study's period",
    "period_end": "day after its last day",
    "releases": "sha256: and the first 12 digits of the digest, of each release it was computed from",
}

TEXT = {"analysis", "measure", "item", "group", "level", "stratum", "sex", "scope", "scale", "comparator", "target", "method",
        "why", "sites", "sites_without", "sites_excluded", "reason", "agreement", "caution", "footnotes", "verdict",
        "period_start", "period_end", "releases"}  # fmt: skip


def named(digest: str) -> str:
    """Name a release by the beginning of its digest, so that no program takes it for a number.

    >>> named("3e8517639330" + "0" * 52)  # without the prefix, some would read 3 times ten to the 8,517,639,330th
    'sha256:3e8517639330'
    """
    return f"sha256:{digest[:12]}" if digest else ""


def results_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Make the tidy table; a key nobody declared is an error."""
    frame = pd.DataFrame(list(rows))
    unknown = sorted(set(frame.columns) - set(COLUMNS))
    if unknown:
        raise ValueError(f"results hold columns nobody declared: {unknown}")
    frame = frame.reindex(columns=list(COLUMNS))
    for name in COLUMNS:
        frame[name] = frame[name].fillna("").astype(str) if name in TEXT else pd.to_numeric(frame[name])
    return frame
