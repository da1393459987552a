"""Code use: how many people each code of a list finds at a site, and what it may miss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir
import pandas as pd

from shared_code.config import Policy
from shared_code.config.codelists import Codelist
from shared_code.measures.prepared import Prepared
from shared_code.model import few

STEM = 3  # characters of an ICD-10 code that name its family
FOUND, FAMILY, BESIDE = "found", "same family", "beside"
SYSTEMS = {"ICD10": "ICD-10", "SCT": "SNOMED CT"}
MOST = 0.5  # a list that misses a larger share than this misses most


@dataclass
class CodeUse:
    """Hold what a list finds at a site, exact; `told` gives what may be shown.

    codes       condition, use (found, same family, beside), code_system, code, people
    conditions  one row a condition: people found; family = people with a code of the same family whom the list does not
                find; beside = people another list finds and this one does not; both = people found by an ICD-10 code who
                have SNOMED CT records; both_found = those of them who have one of the list's SNOMED CT codes
    """

    codelist: Codelist
    codes: pd.DataFrame
    conditions: pd.DataFrame
    beside: str = ""
    warned: list[str] = field(default_factory=list)

    def told(self, policy: Policy) -> list[str]:
        """Say it in words: counts below the threshold are withheld, the others rounded, and rare codes not named."""
        lines, warnings = [], []
        for row in self.conditions.itertuples():
            title = self.codelist.titles[row.condition]
            used = self.codes[self.codes["condition"] == row.condition]
            lines.append(f"{title}: {_count(row.people, policy)}. {self._codes_told(used, FOUND, policy)}".rstrip())
            family = self._codes_told(used, FAMILY, policy)
            if family:
                lines.append(f"  of the same family, and not in the list: {family}")
            warnings += self._warnings(row, title, policy)
        self.warned = warnings
        return lines + [f"WARNING {text}" for text in warnings]

    def _codes_told(self, used: pd.DataFrame, use: str, policy: Policy) -> str:
        chosen = used[used["use"] == use].sort_values(["people", "code"], ascending=[False, True])
        common = chosen[chosen["people"] >= policy.smallest_shown]
        said = few([f"{SYSTEMS.get(r.code_system, r.code_system)} {r.code} ({_rounded(r.people, policy):,})"
                    for r in common.itertuples()])  # fmt: skip
        rare = len(chosen) - len(common)
        if rare:
            said += "; " if said else ""
            said += f"{rare} code{'s' if rare > 1 else ''} of fewer than {policy.smallest_shown} people each"
        return said

    def _warnings(self, row: tuple, title: str, policy: Policy) -> list[str]:
        warned = []
        if not row.people:
            warned.append(f"{title}: the list finds nobody here.")
        found = _count(row.people, policy)
        for missed, of in ((row.family, "a code of the same family"), (row.beside, f"a code of {self.beside}")):
            if missed >= policy.smallest_shown and missed > MOST * (row.people + missed):
                without = f"{_count(missed, policy)} have {of} and none of the list's, which finds {found}"
                warned.append(f"{title}: the list misses most. {without}.")
        if row.both >= policy.smallest_shown and row.both_found < (1 - MOST) * row.both:
            of = f"Of {_count(row.both, policy)} with an ICD-10 code of it and with SNOMED CT records"
            have = f"{_count(row.both_found, policy)} have one of the list's SNOMED CT codes"
            warned.append(f"{title}: its SNOMED CT codes miss most. {of}, {have}.")
        return warned


def code_use(prepared: Prepared, codelist: Codelist, beside: Codelist | None = None) -> CodeUse:
    """Count the people whom each code of a list finds, whenever recorded, family history left out.

    Also counts the codes that are recorded, mean nothing in the list and share the first three characters of one of its
    ICD-10 codes (the same family); and what another list finds beside it. SNOMED CT codes have no family here: what they
    miss is seen by the people whom an ICD-10 code of the same condition finds.
    """
    events = prepared.condition_event
    events = events.filter(events.status.isnull() | (events.status != "family"), events.code.notnull())
    recorded = sorted(events.select("code_system", "code").distinct().execute().itertuples(index=False, name=None))
    meanings = [(*match, FOUND) for match in codelist.matches(recorded)]
    meanings += [(*match, FAMILY) for match in _family(codelist, recorded)]
    if beside:
        known = {(s, c, condition) for s, c, condition, _ in meanings if _ == FOUND}
        shared = [m for m in beside.matches(recorded) if m[2] in codelist.titles and m not in known]
        meanings += [(*match, BESIDE) for match in shared]
    conditions = pd.DataFrame({"condition": list(codelist.titles)})
    names = ["condition", "use", "code_system", "code", "people"]
    if not meanings:
        empty = dict.fromkeys(["people", "family", "beside", "both", "both_found"], 0)
        return CodeUse(codelist, pd.DataFrame(columns=names), conditions.assign(**empty), _name(beside))
    schema = dict.fromkeys(["code_system", "code", "condition", "use"], "string")
    meaning = ibis.memtable([dict(zip(schema, m)) for m in meanings], schema=ibis.schema(schema))
    matched = events.inner_join(meaning, ["code_system", "code"])
    codes = matched.group_by(["condition", "use", "code_system", "code"]).agg(people=matched.person_id.nunique()).execute()
    counted = _people(events, matched).execute()
    conditions = conditions.merge(counted, "left", "condition").fillna(0)
    conditions = conditions.astype({name: int for name in conditions.columns if name != "condition"})
    return CodeUse(codelist, codes[names].sort_values(names, ignore_index=True), conditions, _name(beside))


def _family(codelist: Codelist, recorded: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """List recorded ICD-10 codes that mean nothing in the list beside a code of it, unless the list leaves them out itself."""
    stems: dict[str, set[str]] = {}
    for (system, code), rules in codelist.rules.items():
        if system == "ICD10":
            stems.setdefault(code[:STEM], set()).update(condition for condition, include in rules if include)
    unknown = [(s, c) for s, c in recorded if s == "ICD10" and not codelist.conditions_of(s, c) and not _left_out(codelist, c)]
    return [(s, c, condition) for s, c in unknown for condition in sorted(stems.get(c[:STEM], ()))]


def _left_out(codelist: Codelist, code: str) -> bool:
    return any(not include for n in range(STEM, len(code) + 1) for _, include in codelist.rules.get(("ICD10", code[:n]), []))


def _people(events: ir.Table, matched: ir.Table) -> ir.Table:
    """Count people per condition by how they are found."""
    snomed = events.filter(events.code_system == "SCT").select(holder="person_id").distinct()
    by_person = matched.group_by(["condition", "person_id"]).agg(
        found=(matched.use == FOUND).max(), family=(matched.use == FAMILY).max(), beside=(matched.use == BESIDE).max(),
        icd10=((matched.use == FOUND) & (matched.code_system == "ICD10")).max(),
        sct=((matched.use == FOUND) & (matched.code_system == "SCT")).max(),
    )  # fmt: skip
    people = by_person.left_join(snomed, by_person.person_id == snomed.holder)
    both = people.icd10 & people.holder.notnull()
    return people.group_by("condition").agg(
        people=people.found.sum(), family=(people.family & ~people.found).sum(), beside=(people.beside & ~people.found).sum(),
        both=both.sum(), both_found=(both & people.sct).sum(),
    )  # fmt: skip


def _name(codelist: Codelist | None) -> str:
    return f"{codelist.name}/{codelist.version}" if codelist else ""


def _rounded(number: int, policy: Policy) -> int:
    return (2 * number + policy.rounding) // (2 * policy.rounding) * policy.rounding


def _count(number: int, policy: Policy) -> str:
    if not number:
        return "nobody"
    shown = number >= policy.smallest_shown
    return f"{_rounded(number, policy):,} people" if shown else f"fewer than {policy.smallest_shown} people"
