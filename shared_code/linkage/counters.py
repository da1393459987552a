"""What a linkage leaves for the study of data quality: counts, no values.

`cohortium link NAME` writes two files into `private/NAME/linkage/`. They hold small counts, so they stay in the private
room until disclosure control has been over what is made of them. No identifier, pseudonym or key is in them.

linkage.parquet   one row for a source, stratum and level, in the columns of `COLUMNS`
linkage.json      what does not depend on strata:
    format              FORMAT                     site, extract_date, linker_version, key_id (not the key), version
    index               source (the one that says who the people are), people, without_valid_number, sharing_a_number,
                        merges, new_merges, changed (people whose row of the index is new or differs)
    sources             name -> kind, records, identities, with_identifier, linked, methods {D1: n, …, U: n},
                        bands {weight band: n}, numbers [{reason, issue_range, rows}], reasons {reason: rows},
                        review {reason: pairs}, vetoed {veto: pairs}, model (trained or published), accept, clerical,
                        thresholds [{accept, linked}: records linked at another accepting threshold],
                        quality {hidden, right, wrong, missed, precision, recall, f1, each with _lower and _upper but f1},
                        checked {links, precision, se} once a person has checked the clerical sample
    implausible         [{check, source, records, of}]: counts of §12.6; `of` is how many records could be checked

Rates of linkage (methods specification, section 1): linked / with_identifier; the strict version is linked / records.
Records of people whom the index does not know can never be linked, so neither is the share of matches that were found:
that is `coverage`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from shared_code.linkage.quality import wilson
from shared_code.model import UNKNOWN, band_labels

FORMAT = 1
EVERYONE = "all"
AGE_EDGES = list(range(0, 100, 10))
AGES = band_labels(AGE_EDGES)
STRATA = ("age", "sex", "eth5", "imd5", "homeless", "month")
COLUMNS = {
    "source": "name of the source in the site file",
    "stratum": f"{EVERYONE}, or one of {', '.join(STRATA)}",
    "level": f"value within the stratum: age in bands of ten years on the day of the extract, F or M, one of the five ethnic "
             f"groups, fifth of deprivation (1 = most deprived), yes or no, month of the record; {UNKNOWN} where not known",
    "taken_from": "whose word the level is: that of the record, or that of the index where the source does not say it (then "
                  "only linked records can be counted; records, with_identifier and valid_number are missing)",
    "records": "records delivered",
    "with_identifier": "of these, with anything to link by: a number of ten digits, a name, a date of birth or a postcode",
    "valid_number": "of the records, with a valid NHS number",
    "linked": "of the records, linked to a person of the index",
    "linked_d1": "linked by step D1 (valid NHS number and agreeing details)",
    "linked_d2": "linked by step D2 (all other details)",
    "linked_d3": "linked by step D3 (all but the postcode)",
    "linked_p": "linked by the probabilistic step",
    "hidden": "records of the gold standard: linked by D1, then linked once more with the number hidden",
    "hidden_right": "of these, linked to the same person again",
    "hidden_wrong": "of these, linked to somebody else",
    "hidden_missed": "of these, not linked to the same person (the wrongly linked are missed as well)",
    "recall": "hidden_right / hidden: the share that is found without a number", "recall_lower": "Wilson limit, 95 %",
    "recall_upper": "Wilson limit, 95 %",
    "expected": "links if none were missed: linked_d1 + (linked_d2 + linked_d3 + linked_p) / recall; supposes that within a "
                "level, records without a number are missed as often as those whose number was hidden",
    "coverage": "linked / expected: the estimated share of matches that were found. A rate of events observed in linked "
                "records, divided by it, is corrected for missed matches",
    "coverage_lower": "the same with recall_lower", "coverage_upper": "the same with recall_upper",
}  # fmt: skip
METHODS = {"linked_d1": "D1", "linked_d2": "D2", "linked_d3": "D3", "linked_p": "P"}
COUNTS = ("records", "with_identifier", "valid_number", "linked", *METHODS)
HIDDEN = {"hidden_right": "right", "hidden_wrong": "wrong", "hidden_missed": "missed"}


def counted(source: str, facts: pd.DataFrame, hidden: pd.DataFrame, of_index: Sequence[str] = (),
            strata: Sequence[str] = STRATA) -> pd.DataFrame:  # fmt: skip
    """Count a source's records by stratum: one row a stratum and level, in COLUMNS.

    facts     one row a record: with_identifier, valid_number (true or false), link_method, and the strata that are known
    hidden    one row a record of the gold standard: right, wrong, missed (true or false), and the strata
    of_index  strata that the source does not know and that were taken from the person a record was linked to

    >>> facts = pd.DataFrame({"with_identifier": True, "valid_number": [True, False, False], "link_method": ["D1", "P", "U"]})
    >>> hidden = pd.DataFrame({"right": [True, True, False, True], "wrong": False, "missed": [False, False, True, False]})
    >>> row = counted("hospital", facts, hidden).iloc[0]
    >>> [round(float(row[c]), 3) for c in ("records", "linked", "recall", "expected", "coverage")]
    [3.0, 2.0, 0.75, 2.333, 0.857]
    """
    facts = facts.assign(linked=facts["link_method"].ne("U"),
                         **{name: facts["link_method"].eq(method) for name, method in METHODS.items()})  # fmt: skip
    tables = [_stratum(facts.assign(**{EVERYONE: EVERYONE}), hidden.assign(**{EVERYONE: EVERYONE}), EVERYONE)]
    tables += [_stratum(facts, hidden, name, name in of_index) for name in strata if name in facts]
    result = pd.concat(tables, ignore_index=True).assign(source=source)
    return with_coverage(result)[list(COLUMNS)]


def _stratum(facts: pd.DataFrame, hidden: pd.DataFrame, name: str, of_index: bool = False) -> pd.DataFrame:
    """Count one stratum; what the index says is known of linked records only."""
    rows = facts[facts["linked"]] if of_index else facts
    mine = _sums(rows.assign(records=True), name, list(COUNTS))
    if of_index:
        unknown = pd.array([pd.NA] * len(mine), dtype="Int64")
        mine = mine.assign(**dict.fromkeys(("records", "with_identifier", "valid_number"), unknown))
    gold = _sums(hidden.assign(hidden=True, **{new: hidden[old] for new, old in HIDDEN.items()}), name, ["hidden", *HIDDEN])
    both = mine.join(gold, how="left")
    both[gold.columns] = both[gold.columns].fillna(0)
    return both.reset_index(names="level").assign(stratum=name, taken_from="index" if of_index else "record")


def _sums(rows: pd.DataFrame, name: str, columns: list[str]) -> pd.DataFrame:
    level = rows[name].astype("string").fillna(UNKNOWN).rename("level")
    return rows[columns].astype("int64").groupby(level).sum().astype("Int64").sort_index()


def with_coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Add recall with its limits, the expected number of links, and the share of them that was found."""
    hidden, right = (rows[c].astype("Float64").to_numpy(dtype=float, na_value=np.nan) for c in ("hidden", "hidden_right"))
    sure = rows["linked_d1"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    linked = rows["linked"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(hidden > 0, right / hidden, np.nan)
        lower, upper = (np.where(hidden > 0, limit, np.nan) for limit in wilson(right, hidden))
        found = {"recall": recall, "recall_lower": lower, "recall_upper": upper}
        for name, share in (("coverage", recall), ("coverage_lower", lower), ("coverage_upper", upper)):
            expected = sure + np.where(linked > sure, (linked - sure) / share, 0.0)
            expected = np.where(np.isfinite(expected), expected, np.nan)
            found[name] = np.where(expected > 0, linked / expected, np.nan)
            if name == "coverage":
                found["expected"] = expected
    return rows.assign(**found)
