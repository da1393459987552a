"""Deterministic steps D1, D2 and D3 (methods specification, section 12.4); each takes what the one before left.

Tables hold one row per record (`rid`) and per person (`pid`), normalised. A link is a row (rid, pid, link_method).
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

ALL_BUT_POSTCODE = ("surname", "forename", "birth", "sex")
EVERYTHING = (*ALL_BUT_POSTCODE, "postcode")


def d1(records: ir.Table, people: ir.Table, superseded: ir.Table | None = None) -> ir.Table:
    """Link by a valid NHS number, if the birth year or two of surname, day and month, postcode agree as well.

    superseded  nhs_number (old) and current (number): an old number leads to the person it was merged into
    The check protects against a wrong number. A number that two people of the index share links nobody.
    """
    numbers = people.filter(people.nhs_number.notnull()).select("pid", "nhs_number")
    if superseded is not None:
        old = superseded.join(numbers, superseded.current == numbers.nhs_number).select("pid", superseded.nhs_number)
        old = old.anti_join(numbers, "nhs_number")
        numbers = numbers.union(old)
    single = numbers.group_by("nhs_number").agg(pid=lambda t: t.pid.min(), people=lambda t: t.pid.nunique())
    single = single.filter(single.people == 1).drop("people")
    who = single.join(people.select("pid", "surname", "birth", "postcode"), "pid")
    r, p = records.view(), who.view()
    both = r.join(p, r.nhs_number == p.nhs_number)
    day_month = (r.birth.month() == p.birth.month()) & (r.birth.day() == p.birth.day())
    agree = sum(ibis.ifelse(same.fill_null(False), 1, 0)
                for same in (r.surname == p.surname, day_month, r.postcode == p.postcode))  # fmt: skip
    same_year = (r.birth.year() == p.birth.year()).fill_null(False)
    return both.filter(same_year | (agree >= 2)).select(r.rid, p.pid, link_method=ibis.literal("D1"))


def d2(records: ir.Table, people: ir.Table) -> ir.Table:
    """Link records without a usable number to the only person with all the same details."""
    return _exact(records, people, EVERYTHING, "D2")


def d3(records: ir.Table, people: ir.Table) -> ir.Table:
    """Link as D2 does, but whatever the postcode, to people whose details are unique in the index."""
    return _exact(records, people, ALL_BUT_POSTCODE, "D3")


def _exact(records: ir.Table, people: ir.Table, columns: tuple[str, ...], method: str) -> ir.Table:
    complete = records.filter(records.nhs_number.isnull(), *[records[c].notnull() for c in columns])
    unique = people.group_by(list(columns)).agg(pid=lambda t: t.pid.min(), alike=lambda t: t.pid.count())
    return complete.join(unique.filter(unique.alike == 1).drop("alike"), list(columns)).select(
        "rid", "pid", link_method=ibis.literal(method))  # fmt: skip


def link(records: ir.Table, people: ir.Table, superseded: ir.Table | None = None,
         keep: Callable[[ir.Table], ir.Table] = lambda links: links) -> tuple[ir.Table, ir.Table]:  # fmt: skip
    """Apply D1, D2, D3; return the links and the records left for the next step.

    keep  stores each step's links, so that the engine computes them once
    """
    steps: list[Callable[[ir.Table], ir.Table]] = [
        lambda left: d1(left, people, superseded), lambda left: d2(left, people), lambda left: d3(left, people)]
    left, found = records, []
    for step in steps:
        found.append(keep(step(left)))
        left = left.anti_join(found[-1], "rid")
    return ibis.union(*found), left
