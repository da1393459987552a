"""Decide how each item is pooled, and say why, and who is not in it for what reason.

The target of a step and the layout of its table lead to the method (config/targets.py). What only the numbers can tell is
decided here: an effect that is rare at some site is pooled by likelihood profiles, where the sites sent them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from shared_code.config.study import Analysis, ResultsTable, Step
from shared_code.config.targets import why
from shared_code.model import ALL
from shared_code.pooling.gather import WHY_EMPTY
from shared_code.pooling.inbox import Inbox
from shared_code.pooling.meta import FEW_EVENTS

NO_RELEASE = "no release has arrived"
NO_ANALYSIS = "released before this analysis was part of the study"
OTHER_TABLES = ("effects", "lived", "others_in", "started")  # settings that name a further table
RARE = f"at some site the effect rests on fewer than {FEW_EVENTS} people with the event, so that its standard error misleads"


@dataclass(frozen=True)
class Choice:
    """Hold what one method is asked to pool: the cells of one table, the sites that sent it, and why this method."""

    method: str
    table: str
    declared: ResultsTable
    cells: pd.DataFrame
    settings: dict[str, Any]
    sites: list[str]
    why: str


def choices(step: Step, stem: str, entry: Analysis, inbox: Inbox) -> Iterator[Choice]:
    """Give the methods that pool a step, each with the items it pools; none when no site sent the table.

    Raises nothing: a target that cannot be met from its layout is refused when the protocol is read.
    """
    sites = inbox.sites_with(stem, step.table)
    if not sites:
        return
    declared, cells = entry.results[step.table], inbox.stacked(stem, step.table)
    reason = why(step.method, declared.layout)
    rare, profiles = set(), step.settings.get("profiles")
    if step.method == "meta_analysis" and profiles:
        rare = rare_items(cells, step.settings["item"])
        other = _profiles(profiles, step, stem, entry, inbox, rare)
        if other is not None:
            yield other
            rare = {str(name) for name in other.cells[step.settings["item"]]}  # those the sites sent profiles of
        else:
            rare = set()
    left = cells[~cells[step.settings["item"]].astype(str).isin(rare)] if rare else cells
    if len(left):
        yield Choice(step.method, step.table, declared, left, _with_other_tables(step.settings, stem, inbox), sites, reason)


def _with_other_tables(settings: dict[str, Any], stem: str, inbox: Inbox) -> dict[str, Any]:
    """Add the cells of further tables to the settings of a method that reads them beside the table of its step."""
    named = {name: settings[name] for name in OTHER_TABLES if isinstance(settings.get(name), dict)}
    return {**settings, **{name: {**value, "cells": inbox.stacked(stem, value["table"])} for name, value in named.items()}}


def rare_items(cells: pd.DataFrame, item: str) -> set[str]:
    """List the items of a table of estimates that rest on few events at some site, or on a withheld number of them."""
    people = cells[cells["statistic"] == "people"]
    few = (people["lower"].fillna(0) < FEW_EVENTS) & people["status"].isin(["ok", "rounded", "withheld"])
    return {str(name) for name in people.loc[few, item]}


def _profiles(profiles: dict[str, Any], step: Step, stem: str, entry: Analysis, inbox: Inbox, rare: set[str]
              ) -> Choice | None:  # fmt: skip
    table, item = profiles["table"], step.settings["item"]
    sites = inbox.sites_with(stem, table)
    if not sites or not rare:
        return None
    cells = inbox.stacked(stem, table)
    cells = cells[cells[item].astype(str).isin(rare)] if item in cells else cells.iloc[:0]
    if cells.empty:
        return None
    settings = {"point": profiles["point"], "item": item}
    return Choice("profile", table, entry.results[table], cells, settings, sites, f"{RARE}: {why('profile', 'profile')}")


class NotInIt:
    """Say for one analysis why a site of the study is not in a pooled number."""

    def __init__(self, inbox: Inbox, stem: str, choice: Choice):
        self.inbox, self.stem, self.choice = inbox, stem, choice
        self.found: dict[tuple[str, ...], str] = {}

    def reason(self, site: str, row: dict[str, Any]) -> str:
        """Give the reason in words: no release, not run, below the minimum quality, not collected, withheld, …"""
        said = named_reasons(str(row.get("sites_excluded") or ""))
        if site in said:
            return said[site]
        received = self.inbox.releases.get(site)
        if received is None:
            return NO_RELEASE
        if self.stem not in received.manifest["plans"]:
            return str(received.manifest["not_run"].get(self.stem, NO_ANALYSIS))
        levels = self._levels(row)
        key = (site, *levels, *map(str, levels.values()))
        if key not in self.found:
            self.found[key] = self._of_cells(site, levels)
        return self.found[key] or str(row.get("reason") or "it cannot be computed from the numbers of this site")

    @cached_property
    def _by_site(self) -> dict[str, pd.DataFrame]:
        return {str(site): part for site, part in self.choice.cells.groupby("site", sort=False)}

    def _levels(self, row: dict[str, Any]) -> dict[str, str]:
        """Give the dimensions of the table that a row is about: dimension -> level, empty for any but the total."""
        dimensions, settings = self.choice.declared.dimensions, self.choice.settings
        levels = {settings["item"]: str(row["item"])} if row.get("item") and settings.get("item") in dimensions else {}
        pairs = [(str(row.get("group", "")), str(row.get("level", "")))]
        pairs += [tuple(part.split("=", 1)) for part in str(row.get("stratum") or "").split("; ") if "=" in part]
        for name, level in pairs:
            if name in dimensions:
                levels[name] = "" if level in ("slope", ALL) else level
        if "sex" in dimensions and row.get("sex") in ("F", "M"):
            levels["sex"] = row["sex"]
        return levels

    def _label(self, name: str) -> str:
        return (self.choice.declared.dimensions[name].label or name.replace("_", " ")).lower()

    def _of_cells(self, site: str, levels: dict[str, str]) -> str:
        cells = self._by_site.get(site)
        if cells is None:
            return "this table is not in its release"
        for name, level in levels.items():
            broken_out = cells[cells[name] != ALL]
            if broken_out.empty:
                return f"not broken out by {self._label(name)}"
            chosen = broken_out[broken_out[name] == level] if level else broken_out
            if chosen.empty:
                return f"no numbers for {self._label(name)} {level}"
            cells = chosen
        if (cells["upper"].fillna(1) == 0).all():
            lacks = self.inbox.releases[site].manifest.get("not_collected", {})
            why = [reason for what, reason in lacks.items() if set(what.split(", ")) & set(levels)]
            last = [f"{self._label(name)} {level}" for name, level in levels.items() if level][-1:]
            return why[0] if why else f"nobody there{f' ({last[0]})' if last else ''}"
        states = set(cells["status"])
        if states <= {"not_collected"}:
            return WHY_EMPTY["not_collected"]
        if "withheld" in states:
            return "withheld, or too little is left to compute it from"
        if "not_applicable" in states:
            return WHY_EMPTY["not_applicable"]
        return ""


def named_reasons(text: str) -> dict[str, str]:
    """Read "site (reason); site (reason)" back.

    >>> named_reasons("a (withheld: fewer people); b (not collected)")
    {'a': 'withheld: fewer people', 'b': 'not collected'}
    """
    return dict(re.findall(r"(?:^|; )([a-z][a-z0-9_]*) \((.*?)\)(?=; [a-z][a-z0-9_]* \(|$)", text))


def in_words(reasons: dict[str, str]) -> str:
    """Write reasons so that `named_reasons` reads them.

    >>> in_words({"a": "not collected"})
    'a (not collected)'
    """
    return "; ".join(f"{site} ({reason})" for site, reason in reasons.items())
