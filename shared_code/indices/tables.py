"""Computing a table of indicators from files of open data, as its declaration says."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from shared_code.config.indicators import FOLDER, IndicatorTable, Source
from shared_code.indices.areas import AreaLookup, AreaTable, carried, joined, way, with_same_edition
from shared_code.model import Problem, Refused, did_you_mean, few

OF = ".of"  # column of the denominator of a share or rate
DIGITS = 6  # significant digits that are kept
LEAST_KNOWN = 0.5  # share of a place's people for whom a value must be known


def compute(declared: IndicatorTable, data: Path) -> pd.DataFrame:
    """Compute every indicator for all places, of one edition: code, name, district, values, denominators of shares.

    data  folder of the open data. Raises model.Refused for a file or column that is not there, and wherever areas of two
    editions would be mixed.
    """
    data = Path(data)
    lookups = [_lookup(declared, name, data) for name in declared.lookups]
    columns: dict[str, pd.Series] = {}
    for name, spec in declared.indicators.items():
        source = declared.sources[spec.source]
        where = f"{declared.table}.yaml, indicators.{name}"
        if spec.numerator:
            table = _source(source, spec.source, data, [*spec.numerator, spec.denominator])
            parts = pd.DataFrame({"up": table.numbers[spec.numerator].sum(axis=1, min_count=len(spec.numerator)),
                                  "down": table.numbers[spec.denominator]})  # fmt: skip
            parts = parts.where(parts.notna().all(axis=1))
            there = AreaTable(parts, table.edition, table.name)
        else:
            there = _weighted(declared, spec.source, spec.value, spec.weight, data, where)
        for lookup in way(there.edition, declared.places.edition, lookups):
            there = carried(there, lookup)
        numbers = with_same_edition(there, declared.places.edition, where).numbers
        value = (spec.per if spec.numerator else 1) * numbers["up"] / numbers["down"].where(numbers["down"] > 0)
        if "all" in numbers:
            value = value.where(numbers["down"] >= LEAST_KNOWN * numbers["all"])
        columns[name] = value
        if spec.numerator or spec.events:
            columns[name + OF] = numbers["down"]
    frame = pd.DataFrame(columns)
    names = _names(declared, data)
    return names.join(frame.map(_significant), on="place", how="left").sort_values("place", ignore_index=True)


def chosen(declared: IndicatorTable, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the places that the declaration names with `only`."""
    keep = pd.Series(True, index=frame.index)
    for column, values in declared.places.only.items():
        keep &= frame["district" if column == declared.places.district else column].isin(values)
    return frame[keep].reset_index(drop=True)


def bounds_of(declared: IndicatorTable, frame: pd.DataFrame, tail: float = 0.01) -> pd.DataFrame:
    """Give the low and high end of every indicator among all places of the country: the 1st and 99th percentile.

    frame  what `compute` gives, for all places. The outermost places are left out because a single city centre or island
    would otherwise set the scale for all others. Columns low, high and places (how many).
    """
    among = frame[frame["place"].str.startswith(declared.places.bounds_among)]
    rows = {}
    for name in declared.indicators:
        known = among[name].dropna()
        rows[name] = {"low": _significant(known.quantile(tail), 3), "high": _significant(known.quantile(1 - tail), 3),
                      "places": len(known)}  # fmt: skip
    return pd.DataFrame(rows).T


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table of indicators, the same bytes every time."""
    frame.to_csv(path, index=False, lineterminator="\n", float_format=f"%.{DIGITS}g")


def read_table(name: str, folder: Path = FOLDER) -> AreaTable:
    """Read a table of indicators that was computed before, with its edition from the declaration beside it."""
    declared = IndicatorTable.read(name, folder)
    path = folder / f"{name}.csv"
    if not path.is_file():
        mend = f"Make it: cohortium index table {name} --data FOLDER"
        raise Refused(name, [Problem(str(path), "there is no such file", "", mend)])
    frame = pd.read_csv(path, dtype={"place": str, "name": str, "district": str}).set_index("place")
    lacking = [column for column in declared.indicators if column not in frame]
    if lacking:
        raise Refused(name, [Problem(str(path), f"columns are missing: {few(lacking)}", "", "Make the table again")])
    return area_table(declared, frame)


def area_table(declared: IndicatorTable, frame: pd.DataFrame) -> AreaTable:
    """Give a table its edition, and say what its shares and rates are expressed per."""
    frame = frame.set_index("place") if "place" in frame else frame
    per = {name: spec.per for name, spec in declared.indicators.items()}
    events = tuple(name for name, spec in declared.indicators.items() if spec.events)
    return AreaTable(frame, declared.places.edition, declared.table, per, events)


def _significant(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else np.nan


def read_source(path: Path, columns: list[str], filters: dict[str, object]) -> pd.DataFrame:
    """Read columns of a file of open data, and the rows that filters name (raises model.Refused for what is not there)."""
    if not path.is_file():
        raise Refused(str(path), [Problem(str(path), "there is no such file", "", "Name the folder of the open data")])
    have = list(_whole(path, path.stat().st_mtime_ns).columns)
    lacking = [c for c in [*columns, *filters] if c not in have]
    if lacking:
        wrong = f"it has no column {lacking[0]!r}{did_you_mean(lacking[0], have)}"
        raise Refused(str(path), [Problem(str(path), wrong, few(have, 12), "Correct the declaration")])
    frame = _whole(path, path.stat().st_mtime_ns)[list(dict.fromkeys([*columns, *filters]))].copy()
    for column, value in filters.items():
        frame = frame[frame[column].astype(str) == str(value)]
    return frame


@lru_cache(maxsize=8)
def _whole(path: Path, _changed: int) -> pd.DataFrame:
    return pd.read_csv(path, low_memory=False)  # unpacking takes longer than the rest; every indicator of a file asks for it


def _source(source: Source, name: str, data: Path, columns: list[str]) -> AreaTable:
    frame = read_source(data / source.file, [source.areas.column, *columns], source.rows)
    frame[source.areas.column] = frame[source.areas.column].astype(str).str.strip()
    numbers = frame.set_index(source.areas.column)[list(dict.fromkeys(columns))]
    return AreaTable(numbers, source.areas.edition, name)


def _weighted(declared: IndicatorTable, source: str, value: str, weight: str, data: Path, where: str) -> AreaTable:
    """Turn a value into sums that can be carried: value times people, and people, where the value is known."""
    table = _source(declared.sources[source], source, data, [value])
    if not weight:  # the places themselves: nothing is averaged
        return AreaTable(pd.DataFrame({"up": table.numbers[value], "down": 1.0}), table.edition, source)
    name, _, column = weight.partition(".")
    people = _source(declared.sources[name], name, data, [column])
    both = joined(table, AreaTable(people.numbers.rename(columns={column: "people"}), people.edition, name)).numbers
    both = both[both.index.isin(table.numbers.index)]
    known = both[value].notna()
    parts = pd.DataFrame({"up": (both[value] * both["people"]).where(known, 0.0), "down": both["people"].where(known, 0.0),
                          "all": both["people"]})  # fmt: skip
    if parts["all"].isna().any():
        wrong = f"{int(parts['all'].isna().sum()):,} areas of {source} have no people in {weight}"
        raise Refused(where, [Problem(where, wrong, "people in every area", "Choose a weight of the same edition")])
    return AreaTable(parts, table.edition, source)


def _lookup(declared: IndicatorTable, name: str, data: Path) -> AreaLookup:
    spec = declared.lookups[name]
    pairs = read_source(data / spec.file, [spec.start.column, spec.end.column], {}).drop_duplicates()
    pairs = pairs.rename(columns={spec.start.column: "start", spec.end.column: "end"})
    pairs["share"] = 1.0
    if spec.share:
        source, _, column = spec.share.partition(".")
        size = _source(declared.sources[source], source, data, [column])
        with_same_edition(size, spec.end.edition, f"{declared.table}.yaml, lookups.{name}.share")
        pairs["share"] = size.numbers[column].reindex(pairs["end"]).to_numpy(float)
    pairs["share"] /= pairs.groupby("start")["share"].transform("sum")
    return AreaLookup(pairs, spec.start.edition, spec.end.edition, name)


def _names(declared: IndicatorTable, data: Path) -> pd.DataFrame:
    spec = declared.places
    wanted = {"place": spec.column, "name": spec.name, "district": spec.district}
    frame = read_source(data / spec.file, [c for c in wanted.values() if c], {})
    named = {key: frame[column].astype(str).str.strip() if column else "" for key, column in wanted.items()}
    return pd.DataFrame(named, index=frame.index).drop_duplicates("place").reset_index(drop=True)
