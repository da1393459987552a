"""The person master index: one row a pseudonym, built from what each source saw, versioned and never overwritten.

Methods specification, section 12.3. The general-practice register is the spine; where sources disagree, the order of
precedence decides, then recency, then the value itself so that the result never depends on the order of rows. Ids may
be NHS numbers (inside the private room) or pseudonyms; nothing here looks at them.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from shared_code.model import Problem, Refused

PRECEDENCE = ("GP", "PDS", "APC", "ECDS", "MH", "ASC")
ATTRIBUTES = ("birth_month", "sex", "practice_code", "lsoa21", "death_date")
FIRST, LAST = "valid_from_version", "valid_to_version"  # [from, to): to is missing while a row holds
MERGES = ("superseded", "current", FIRST, LAST)


# --- merges -----------------------------------------------------------------------------------------------------------
def add_merges(history: pd.DataFrame | None, pairs: pd.DataFrame, version: int) -> pd.DataFrame:
    """Add merges (superseded, current) at a version; a merge that changes is closed and written anew.

    >>> one = add_merges(None, pd.DataFrame({"superseded": ["a"], "current": ["b"]}), 1)
    >>> add_merges(one, pd.DataFrame({"superseded": ["a"], "current": ["c"]}), 2).values.tolist()
    [['a', 'b', 1, 2], ['a', 'c', 2, <NA>]]
    """
    history = _empty_merges() if history is None else history.copy()
    _require_newer(history, version, "merges")
    pairs = pairs[["superseded", "current"]].drop_duplicates()
    twice = int(pairs["superseded"].duplicated().sum())
    if twice:
        raise Refused("The merge history", [Problem("merges, superseded", f"{twice} ids are merged into two at once",
                                                    "one current id each", "Keep the later one")])  # fmt: skip
    now = history[history[LAST].isna()]
    known = pairs.merge(now, on=["superseded", "current"])["superseded"]
    new = pairs[~pairs["superseded"].isin(known)].assign(**{FIRST: version, LAST: pd.NA})
    closing = history[LAST].isna() & history["superseded"].isin(new["superseded"])
    history.loc[closing, LAST] = version
    result = pd.concat([history, new.astype(history.dtypes)], ignore_index=True)
    current_ids(result)  # refuses a circle
    return result.sort_values([FIRST, "superseded"], ignore_index=True)


def current_ids(history: pd.DataFrame, version: int | None = None) -> pd.DataFrame:
    """Follow merges to the end, as they were at a version: superseded -> current. Raises model.Refused for a circle."""
    at = as_of(history, version)
    step = dict(zip(at["superseded"], at["current"]))
    found, circles = {}, 0
    for start in step:
        seen, end = {start}, step[start]
        while end in step and end not in seen:
            seen.add(end)
            end = step[end]
        circles += end in seen
        found[start] = end
    if circles:
        raise Refused("The merge history", [Problem("merges", f"{circles} ids lead back to themselves", "a current id",
                                                    "End one of the merges of the circle")])  # fmt: skip
    return pd.DataFrame({"superseded": list(found), "current": list(found.values())}, dtype=object)


def _empty_merges() -> pd.DataFrame:
    kinds = {"superseded": "object", "current": "object", FIRST: "Int64", LAST: "Int64"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


# --- the index --------------------------------------------------------------------------------------------------------
def build(seen: ir.Table, merges: ir.Table | None = None, attributes: tuple[str, ...] = ATTRIBUTES,
          identifier: str = "person_id", precedence: Sequence[str] = PRECEDENCE) -> ir.Table:  # fmt: skip
    """Make one row a person from what sources saw of people.

    seen    identifier, source, seen_on, and attributes (missing where a source does not know): one row a sighting
    merges  superseded and current, as `current_ids` gives them        precedence  sources, the most trusted first
    Columns: identifier; the attributes, resolved; conflicts_<attribute>: how many other values were seen; merged_ids:
    how many ids were folded in; first_seen_<source>, last_seen_<source>; on_spine: seen by general practice.
    """
    if merges is not None:
        renamed = merges.select(superseded="superseded", current="current")
        seen = seen.left_join(renamed, seen[identifier] == renamed.superseded).drop("superseded")
        now = ibis.coalesce(seen.current, seen[identifier])
        seen = seen.mutate(original=seen[identifier], **{identifier: now}).drop("current")
    else:
        seen = seen.mutate(original=seen[identifier])
    rank = seen.source.cases(*[(name, place) for place, name in enumerate(precedence)], else_=len(precedence))
    seen = seen.mutate(rank=rank)
    found = {"merged_ids": seen.original.nunique() - 1, "on_spine": (seen.source == "GP").any()}
    for source in PRECEDENCE:
        here = seen.source == source
        found |= {f"first_seen_{source.lower()}": seen.seen_on.min(where=here),
                  f"last_seen_{source.lower()}": seen.seen_on.max(where=here)}  # fmt: skip
    index = seen.group_by(identifier).agg(**found)
    for name in attributes:
        index = index.left_join(_resolved(seen, identifier, name), identifier).drop(f"{identifier}_right")
    conflicts = {f"conflicts_{name}": index[f"conflicts_{name}"].fill_null(0) for name in attributes}
    order = [identifier, *attributes, *conflicts, *found]
    return index.mutate(**conflicts).select(*order).order_by(identifier)


def _resolved(seen: ir.Table, identifier: str, name: str) -> ir.Table:
    """Choose one value of an attribute: best source, then latest, then smallest."""
    known = seen.filter(seen[name].notnull())
    best = ibis.window(group_by=identifier, order_by=[known["rank"], known.seen_on.desc(), known[name]])
    ranked = known.mutate(place=ibis.row_number().over(best), **{f"conflicts_{name}": (
        known[name].nunique().over(ibis.window(group_by=identifier)) - 1)})  # fmt: skip
    return ranked.filter(ranked.place == 0).select(identifier, name, f"conflicts_{name}")


# --- versions ---------------------------------------------------------------------------------------------------------
def revise(history: pd.DataFrame | None, index: pd.DataFrame, version: int, identifier: str = "person_id") -> pd.DataFrame:
    """Add a new state of a table as a version: changed and vanished rows are closed, new ones added, none overwritten.

    >>> one = revise(None, pd.DataFrame({"person_id": ["a"], "sex": ["F"]}), 1)
    >>> two = revise(one, pd.DataFrame({"person_id": ["a"], "sex": ["M"]}), 2)
    >>> two[["sex", FIRST, LAST]].values.tolist()
    [['F', 1, 2], ['M', 2, <NA>]]
    """
    kinds = {FIRST: "Int64", LAST: "Int64"}
    if history is None:
        return index.assign(**{FIRST: version, LAST: pd.NA}).astype(kinds).sort_values(identifier, ignore_index=True)
    _require_newer(history, version, "index")
    columns = list(index.columns)
    now = history[history[LAST].isna()]
    same = _marks(now[columns]).isin(set(_marks(index)))
    closed = history.copy()
    closed.loc[now.index[~same.to_numpy()], LAST] = version
    kept = set(_marks(now.loc[same.to_numpy(), columns]))
    new = index[~_marks(index).isin(kept).to_numpy()].assign(**{FIRST: version, LAST: pd.NA}).astype(kinds)
    return pd.concat([closed, new], ignore_index=True).sort_values([identifier, FIRST], ignore_index=True)


def as_of(history: pd.DataFrame, version: int | None = None) -> pd.DataFrame:
    """Give the rows that held at a version (missing: now), without the version columns."""
    holds = history[LAST].isna() if version is None else (
        (history[FIRST] <= version) & (history[LAST].isna() | (history[LAST] > version)).astype(bool))  # fmt: skip
    return history[holds.to_numpy(dtype=bool)].drop(columns=[FIRST, LAST]).reset_index(drop=True)


def _marks(rows: pd.DataFrame) -> pd.Series:
    """Give each row a 64-bit mark, to compare whole rows whatever their types."""
    return pd.util.hash_pandas_object(rows.astype("string"), index=False, categorize=False)


def _require_newer(history: pd.DataFrame, version: int, what: str) -> None:
    latest = max([0, *history[FIRST].dropna().astype(int), *history[LAST].dropna().astype(int)])
    if len(history) and version <= latest:
        raise Refused(f"The version of the {what}", [Problem("version", f"it is {version}", f"more than {latest}",
                                                             "Nothing is overwritten: use the next number")])  # fmt: skip
