"""An index as tidy files: scores, ranks, peers, structure, sensitivity, and the words that go with them.

    <index>.csv              one row per place and item (indicator, component, dimension, index, context)
    <index>.structure.csv    one row per indicator: its component's alpha, adequacy, first share; its loading and weight
    <index>.sensitivity.csv  one row per other choice of method
    <index>.json             title, edition, sources with licences, groups, what is not measured, what is uncertain
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices.areas import AreaTable
from shared_code.indices.scoring import Scored, base_of, ranges, score
from shared_code.indices.tables import read_table
from shared_code.indices.uncertainty import Uncertain, has_error, sensitivity, uncertain
from shared_code.methods.checks import Floats
from shared_code.model import Refused

COLUMNS = ["place", "name", "district", "group", "edition", "level", "item", "value", "score", "lower", "upper", "rank",
           "rank_lower", "rank_upper", "rank_lower_without_one", "rank_upper_without_one", "rank_in_group", "group_rank_lower",
           "group_rank_upper", "lowest_fifth", "grouped", "peer_median", "against_peers", "imputed", "clipped"]  # fmt: skip
EVERYWHERE = "all"
PEER_DRAWS = 1000  # enough to say whether an interval excludes 0


def write_index(index: Index, table: AreaTable, folder: Path, declared: IndicatorTable | None = None,
                more: dict[str, Any] | None = None) -> list[str]:  # fmt: skip
    """Score an index and write its files into a folder; gives their names.

    declared  where the indicators come from (for sources and licences)    more  further words for the record
    """
    base = base_of(index, read_table(index.base)) if index.base else None  # of other years: kept
    found = score(index, table, base)
    drawn = uncertain(index, table, found)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"": tidy(table, found, drawn), ".structure": structure(found),
              ".sensitivity": pd.DataFrame(switches(index, table, found, drawn, (more or {}).get("arrived", [])))}  # fmt: skip
    for ending, frame in tables.items():
        frame.to_csv(folder / f"{index.index}{ending}.csv", index=False, lineterminator="\n", float_format="%.6g")
    record = json.dumps(words(index, table, found, drawn, declared) | (more or {}), indent=2, ensure_ascii=False) + "\n"
    (folder / f"{index.index}.json").write_text(record, "utf-8")
    return [f"{index.index}{ending}.csv" for ending in tables] + [f"{index.index}.json"]


def tidy(table: AreaTable, found: Scored, drawn: Uncertain) -> pd.DataFrame:
    """Give every value and score of every place, with intervals, ranks and peers."""
    index, places = found.index, found.scores.index
    about = table.numbers.reindex(columns=["name", "district"]).fillna("").astype(str)
    group = _groups(index, about["district"])
    base = pd.DataFrame({"place": places, "name": about["name"], "district": about["district"], "group": group,
                         "edition": table.edition}, index=places)  # fmt: skip
    at = places.get_indexer(drawn.places)
    parts = []
    for item, level in levels(index):
        part = base.assign(level=level, item=item, score=found.scores[item])
        low, high = drawn.interval(item)
        part = part.assign(lower=_placed(low, at, len(places)), upper=_placed(high, at, len(places)))
        if level == "component":
            part["clipped"] = found.clipped[item]
            part = part.assign(**_peers(index, table, found, drawn, item))
        if level == "index":
            part = part.assign(**_ranks(drawn, item, at, len(places), np.asarray(group)))
        parts.append(part)
    for item in index.indicators:
        parts.append(base.assign(level="indicator", item=item, value=found.values[item], imputed=found.imputed[item]))
    for item in index.context:
        parts.append(base.assign(level="context", item=item, value=table.numbers[item]))
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def levels(index: Index) -> list[tuple[str, str]]:
    """List the items that are scored and their level."""
    return [(index.index, "index"), *((d, "dimension") for d in index.dimensions), *((c, "component") for c in index.components)]


def structure(found: Scored) -> pd.DataFrame:
    """Give what the correlations say of every component, and the weight of every indicator."""
    index, rows = found.index, []
    for component, said in found.base.structure.items():
        items = [name for name in index.items_of(component) if name not in found.dropped]
        for at, name in enumerate(items):
            item = index.indicators[name]
            rows.append({
                "component": component, "alpha": said.alpha, "adequacy": said.adequacy, "share": said.share,
                "equal_weights": component in found.base.plain, "reason": said.reason, "indicator": name,
                "loading": said.loadings[at], "adequacy_of_indicator": said.adequacy_of_items[at],
                "weight": found.base.weights[name], "more_is": item.more_is, "best": item.best, "worst": item.worst,
                "transform": item.transform, "shrunk": item.shrink, "mean": found.base.mean[name], "sd": found.base.sd[name],
                "clipped": int(found.clipped[component].sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def switches(index: Index, table: AreaTable, found: Scored, drawn: Uncertain, arrived: list[str]) -> list[dict[str, Any]]:
    """Compare ranks under every other choice of method, among them each group of places by itself.

    arrived  indicators that sites released: the index without them is one of the choices
    """
    rows = list(sensitivity(index, table, found))
    if arrived:
        rows.append({"switch": "without_released", "title": "Without the indicators that sites released",
                     **_compared(found.total.dropna(), score(without(index, arrived), table).total)})  # fmt: skip
    district = table.numbers["district"] if "district" in table.numbers else pd.Series("", index=table.numbers.index)
    for name, group in index.groups.items():
        mine = table.numbers.index[district.isin(group.districts)]
        if 2 < len(mine) < len(table.numbers):
            part = replace(table, numbers=table.numbers.loc[mine], name=f"{table.name}, {group.title}")
            title, reason = f"{group.title} by itself: its own means, deviations and weights", ""
            try:
                alone = score(index, part).total
            except Refused as refused:  # here an indicator goes against its component: its weights would be meaningless
                alone = score(index.model_copy(update={"weights": "equal"}), part).total
                title = f"{group.title} by itself: its own means and deviations, equal weights"
                reason = "; ".join(problem.wrong for problem in refused.problems)
            rows.append({"switch": f"alone_{name}", "title": title, "reason": reason, **_compared(found.total[mine], alone)})
    if drawn.without_one is not None:
        ranks = methods.rank_intervals(drawn.without_one)
        rows.append({"switch": "without_one", "title": "One component left out at random, in every draw",
                     "median_width": float(np.median(ranks.upper - ranks.lower))})  # fmt: skip
    return rows


def without(index: Index, names: list[str]) -> Index:
    """Leave indicators out of an index, and the components and dimensions that are then empty."""
    items = {name: item for name, item in index.indicators.items() if name not in names}
    used = {item.component for item in items.values()}
    dimensions = {
        name: spec.model_copy(update={"components": {c: s for c, s in spec.components.items() if c in used}})
        for name, spec in index.dimensions.items() if used & set(spec.components)
    }  # fmt: skip
    return index.model_copy(update={"indicators": items, "dimensions": dimensions})


def _compared(main: pd.Series, other: pd.Series) -> dict[str, float]:
    ranks = [methods.ranks(v.to_numpy(float)) for v in (main, other.reindex(main.index))]
    return {"correlation": float(np.corrcoef(*ranks)[0, 1]), "largest_change": float(np.abs(ranks[0] - ranks[1]).max())}


def words(index: Index, table: AreaTable, found: Scored, drawn: Uncertain, declared: IndicatorTable | None) -> dict[str, Any]:
    """Give what a page says about an index beside its numbers."""
    sources = {} if declared is None else declared.sources
    indicators = {} if declared is None else declared.indicators
    return {
        "index": index.index, "title": index.title, "question": index.question, "made_up": index.made_up,
        "edition": table.edition, "places": len(table.numbers), "draws": index.draws,
        "dimensions": {name: {"title": d.title, "components": list(d.components)} for name, d in index.dimensions.items()},
        "components": {name: {"title": c.title, "note": c.note} for name, c in index.components.items()},
        "groups": {name: group.title for name, group in index.groups.items()},
        "not_measured": index.not_measured, "peers": min(index.peers, len(table.numbers) - 1) if index.context else 0,
        "context": [_title(indicators, name) for name in index.context],
        "context_items": [{"item": name, "title": _title(indicators, name), "unit": getattr(indicators.get(name), "unit", "")}
                          for name in index.context],
        "indicators": {name: {"title": _title(indicators, name), "unit": getattr(indicators.get(name), "unit", ""),
                              "period": getattr(indicators.get(name), "period", ""),
                              "source": getattr(indicators.get(name), "source", ""),
                              "note": getattr(indicators.get(name), "note", "")} for name in index.indicators},
        "sources": {name: {"title": s.title, "publisher": s.publisher, "licence": s.licence, "published": s.published,
                           "edition": s.areas.edition} for name, s in sources.items()},
        "with_error": has_error(index, table), "dropped": found.dropped,
        "not_scored": int(found.total.isna().sum()), "imputed": int(found.imputed.sum().sum()),
        "within_range": int(np.isfinite(ranges(index, table)).all(axis=-1).sum()),
        "median_rank_width": _width(drawn.draws[index.index]),
        "median_rank_width_without_one": _width(drawn.draws[index.index] if drawn.without_one is None else drawn.without_one),
    }  # fmt: skip


def _title(indicators: dict[str, Any], name: str) -> str:
    return indicators[name].title if name in indicators else name.replace("_", " ").capitalize()


def _width(totals: Floats) -> float:
    ranks = methods.rank_intervals(totals)
    return float(np.median(ranks.upper - ranks.lower))


def _groups(index: Index, district: pd.Series) -> pd.Series:
    of = {name: key for key, group in index.groups.items() for name in group.districts}
    return district.map(of).fillna(EVERYWHERE)


def _placed(values: Any, at: Any, number: int) -> Any:
    """Put values of the places that have draws among all places."""
    result = np.full(number, np.nan)
    result[at] = values
    return result


def _ranks(drawn: Uncertain, item: str, at: Any, number: int, group: Any) -> dict[str, Any]:
    draws = drawn.draws[item]
    whole = methods.rank_intervals(draws)
    inside = np.full((3, len(at)), np.nan)
    own = group[at]
    for name in np.unique(own):
        mine = own == name
        if mine.sum() > 1:
            ranks = methods.rank_intervals(draws[:, mine])
            inside[:, mine] = ranks.median, ranks.lower, ranks.upper
    lacking = whole if drawn.without_one is None else methods.rank_intervals(drawn.without_one)
    told = {"rank": whole.median, "rank_lower_without_one": np.minimum(whole.lower, lacking.lower),
            "rank_upper_without_one": np.maximum(whole.upper, lacking.upper), "rank_lower": whole.lower,
            "rank_upper": whole.upper, "rank_in_group": inside[0], "group_rank_lower": inside[1],
            "group_rank_upper": inside[2], "lowest_fifth": whole.lowest, "grouped": whole.grouped.astype(float)}  # fmt: skip
    return {name: _placed(values, at, number) for name, values in told.items()}


def _peers(index: Index, table: AreaTable, found: Scored, drawn: Uncertain, item: str) -> dict[str, Any]:
    if not index.context:
        return {}
    at = found.scores.index.get_indexer(drawn.places)
    context = table.numbers[index.context].to_numpy(float)[at]
    peers = methods.nearest_peers(context, min(index.peers, len(at) - 1))
    draws = drawn.draws[item][:PEER_DRAWS]
    median, flags = methods.against_peers(found.scores[item].to_numpy(float)[at], draws, peers)
    return {"peer_median": _placed(median, at, len(found.scores)), "against_peers": _placed(flags, at, len(found.scores))}
