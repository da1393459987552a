"""Composite indices beside the pooled results: from open data, and from estimates of places that sites released."""

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
from shared_code.config.study import IndexShown, Study
from shared_code.indices import AreaTable, joined, read_table, write_index
from shared_code.indices.scoring import LOWER, UPPER
from shared_code.model import Problem, Refused, few
from shared_code.pooling.inbox import Inbox
from shared_code.releases.package import digest

FOLDER = "indices"
EDITION = "edition"  # dimension in which a site says of which edition its places are
RELEASED = "released"  # table of an index that has no other indicators


def write_indices(study: Study, inbox: Inbox, folder: Path, titles: dict[str, str]) -> dict[str, str]:
    """Compute every index that the analyses show, into `indices/` of a folder; gives file -> digest.

    titles  site -> title. Raises model.Refused where an index cannot be computed from what its declaration names.
    """
    target = folder / FOLDER
    for stem, entry in study.analyses.items():
        for name, shown in entry.indices.items():
            index = Index.read(name)
            index = index if shown.draws is None else index.model_copy(update={"draws": shown.draws})
            if not shown.table:
                declared = IndicatorTable.read(index.table)
                write_index(index, read_table(index.table), target, declared, {"analysis": stem, "sites": []})
            elif len(inbox.sites_with(stem, shown.table)) >= study.fewest_sites:
                _with_released(index, released(inbox, stem, shown, index, titles), target, study, inbox, stem, shown)
    return {path.name: digest(path.read_bytes()) for path in sorted(target.glob("*"))} if target.is_dir() else {}


def _with_released(index: Index, table: AreaTable, target: Path, study: Study, inbox: Inbox, stem: str, shown: IndexShown
                   ) -> None:  # fmt: skip
    """Compute an index with what sites released. Where too little of it is left, say why in its place: nothing else stops."""
    dimensions = study.analyses[stem].results[shown.table].dimensions
    more: dict[str, Any] = {
        "analysis": stem, "sites": inbox.sites_with(stem, shown.table), "cells": f"{stem}.{shown.table}",
        "labels": {code: text for spec in dimensions.values() for code, text in spec.values.items()},
    }  # fmt: skip
    declared, arrived = None, [name for name in table.numbers if name in index.indicators]
    if index.table != RELEASED:
        declared = IndicatorTable.read(index.table)
        table = beside(read_table(index.table), table)
        more["arrived"] = arrived
    try:
        write_index(index, table, target, declared, more)
    except Refused as refused:
        target.mkdir(parents=True, exist_ok=True)
        said = {"index": index.index, "title": index.title, "refused": [problem.wrong for problem in refused.problems]}
        (target / f"{index.index}.json").write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", "utf-8")


def beside(table: AreaTable, arrived: AreaTable) -> AreaTable:
    """Put what sites released beside indicators from open data, place by place (raises model.Refused).

    Both must be of one edition, and sites may release only places that the table has: places that are made up, or of another
    edition in truth, cannot slip in. A place of which no site released anything has gaps there.
    """
    strange = arrived.numbers.index.difference(table.numbers.index)
    if len(strange):
        wrong = f"{len(strange)} places that sites released are not in {table.name}: {few(strange, 3)}"
        problem = Problem(arrived.name, wrong, f"places of {table.name}", "Correct the lookup of the site")
        raise Refused("The released places", [problem])
    twice = [name for name in arrived.numbers if name in table.numbers and name not in ("name", "district")]
    if twice:
        wrong = f"{few(twice)} is in {table.name} and among what sites released: it would count twice"
        raise Refused("The released places", [Problem(arrived.name, wrong, "each indicator once", "Leave one of them out")])
    both = joined(table, replace(arrived, numbers=arrived.numbers.drop(columns=["name", "district"])))
    return replace(table, numbers=both.numbers.loc[table.numbers.index], name=both.name)


def released(inbox: Inbox, stem: str, shown: IndexShown, index: Index, titles: dict[str, str]) -> AreaTable:
    """Give the released estimates of places as a table of indicators: one row per place, `<indicator>` and `<indicator>.se`.

    What a site withheld or could not give is missing, never 0. Of a share (`shares` of the declaration) whose cases were
    withheld, `<indicator>.lower` and `.upper` say in which range it lies. The district of a place is the title of its site.
    Raises model.Refused where sites released places of another edition than the index: they are never mixed.
    """
    cells = inbox.stacked(stem, shown.table)
    if EDITION in cells:
        kind = index.edition.split()[0]
        found = sorted({f"{kind} {edition}" for edition in cells[EDITION]})
        if found != [index.edition]:
            wrong = f"the places that sites released are of {few(found)}, and {index.index} is of {index.edition}"
            mend = "Ask all sites for one edition; places of two editions are never compared"
            raise Refused(index.index, [Problem(f"{stem}.{shown.table}", wrong, index.edition, mend)])
    given = cells[cells["statistic"].isin(["estimate", "se"])]
    names = given[shown.item].astype(str) + np.where(given["statistic"] == "se", ".se", "")
    wide = given.assign(_name=names).pivot(index=["site", shown.place], columns="_name", values="value").astype(float)
    wide = wide.join(_within(cells, wide, shown))
    frame = wide.reset_index()
    codes = frame[shown.place].astype(str)
    place = codes.str.extract(r"(\S+)$", expand=False)  # a name and a code, as sites write wards
    frame.index = pd.Index(np.where(place.duplicated(keep=False), frame["site"] + " " + place, place), name="place")
    frame["name"] = [text.removesuffix(code).strip() or code for text, code in zip(codes, place)]
    frame["district"] = frame["site"].map(titles).fillna(frame["site"])
    return AreaTable(frame.drop(columns=["site", shown.place]), index.edition, f"what sites released as {stem}.{shown.table}")


def _within(cells: pd.DataFrame, wide: pd.DataFrame, shown: IndexShown) -> pd.DataFrame:
    """Give the range of every share whose cases a site withheld: columns `<indicator>.lower` and `<indicator>.upper`."""
    items = [name for name in shown.shares if name in wide]
    if not items:
        return pd.DataFrame(index=wide.index)
    behind = cells[cells["statistic"] == "people"]

    def of(column: str) -> pd.DataFrame:
        found = behind.pivot(index=["site", shown.place], columns=shown.item, values=column)
        return found.reindex(index=wide.index, columns=items)

    cases, few = of("value").astype(float), of("status") == "withheld"
    limits = methods.limits_of_shares(wide[items], cases.where(~few), of("lower").astype(float).where(few),
                                      of("upper").astype(float).where(few))  # fmt: skip
    return pd.DataFrame({f"{name}{ending}": limits[:, at, side] for at, name in enumerate(items)
                         for side, ending in enumerate((LOWER, UPPER))}, index=wide.index)  # fmt: skip
