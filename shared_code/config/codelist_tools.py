"""Codelists from elsewhere, and what differs between two editions."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

from shared_code.config.codelists import COLUMNS, EDITION, ICD10, LICENCE, Codelist, not_a_concept
from shared_code.model import Problem, Refused, few

# Names under which files of other makers keep the same thing, compared without case, spaces and underscores.
CODE = ["code", "conceptid", "snomedctconceptid", "snomedct", "snomedid", "icd10", "dmdid"]
TERM = ["term", "conceptdescription", "conceptiddescription", "codedescription", "snomedcodedescription", "name",
        "description", "fsn"]  # fmt: skip
CLUSTER = ["clusterid", "cluster", "refset", "refsetid"]
ACTIVE = ["activeinrefset"]  # 0 where a code was taken out of the reference set again


def from_opencodelists(path: Path, condition: str, title: str, code_system: str = "SCT", minimum_age: int = 0
                       ) -> list[dict[str, str]]:  # fmt: skip
    """Read a CSV of OpenCodelists (columns code and term) as entries of one condition (raises model.Refused)."""
    rows, names = rows_of(path)
    code, term = _column(path, names, CODE, "code"), _column(path, names, TERM, "term", required=False)
    return _entries(path, [(condition, title, r[code], r.get(term or "", "")) for r in rows], code_system, minimum_age)


def from_primary_care_refsets(path: Path, clusters: dict[str, tuple[str, str]], minimum_age: int = 0) -> list[dict[str, str]]:
    """Read the file of the NHS primary care domain reference sets.

    clusters  cluster -> (condition, title); a cluster whose name ends in RES_COD or REM_COD resolves the condition
    The file is licensed: each site reads its own copy, and nothing of it is kept here. Codes that were taken out of a
    reference set again (Active_in_Refset is not 1) are left out. Raises model.Refused when a cluster is not in the file.
    """
    rows, names = rows_of(path)
    cluster, code = _column(path, names, CLUSTER, "cluster"), _column(path, names, CODE, "code")
    term = _column(path, names, TERM, "term", required=False)
    active = _column(path, names, ACTIVE, "state", required=False)
    rows = [r for r in rows if not active or r[active] == "1"]
    missing = sorted(set(clusters) - {r[cluster] for r in rows})
    if missing:
        present = few(sorted({r[cluster] for r in rows}))
        raise Refused(str(path), [Problem(str(path), f"it has no cluster {few(missing)}", present)])
    entries: dict[tuple[str, str, str], dict[str, str]] = {}  # two clusters of one condition may share a code
    for name, (condition, title) in clusters.items():
        found = [(condition, title, r[code], r.get(term or "", "")) for r in rows if r[cluster] == name]
        rule = "resolves" if name.endswith(("RES_COD", "REM_COD")) else "include"
        for entry in _entries(path, found, "SCT", minimum_age):
            entries.setdefault((condition, rule, entry["code"]), {**entry, "rule": rule})
    return list(entries.values())


def is_refset_file(names: Iterable[str]) -> bool:
    """Tell from its columns whether a file holds several reference sets.

    >>> is_refset_file(["Cluster_ID", "ConceptId"]), is_refset_file(["code", "term"])
    (True, False)
    """
    return any(_plain(name) in CLUSTER for name in names)


def added_to(base: Iterable[dict[str, str]], loaded: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put loaded entries in the place of a list's own, condition by condition and code system by code system.

    Loaded entries take the title and youngest age that the list gives a condition it has already.
    """
    base = list(base)
    words = {e["condition"]: {"title": e["title"], "minimum_age": e["minimum_age"]} for e in base}
    replaced = {(e["condition"], e["code_system"]) for e in loaded}
    kept = [e for e in base if (e["condition"], e["code_system"]) not in replaced]
    whole = kept + [{**e, **words.get(e["condition"], {})} for e in loaded]
    order = list(dict.fromkeys([e["condition"] for e in [*base, *loaded]]))
    return sorted(whole, key=lambda e: (order.index(e["condition"]), e["code_system"], e["rule"], e["code"]))


def entries_of(path: Path) -> list[dict[str, str]]:
    """Read the lines of one of this project's codelists as they stand (check the file with `codelists.read` first)."""
    lines = [line for line in path.read_text("utf-8-sig").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def as_csv(entries: Iterable[dict[str, str]], edition: str) -> str:
    """Write entries in the form of this project's codelists, with their edition and the licence note above them."""
    text = io.StringIO()
    text.write(f"{EDITION} {edition}\n# {LICENCE}\n")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    return text.getvalue()


def differences(old: Codelist, new: Codelist) -> list[str]:
    """Say in plain English what changed from one codelist to another; nothing where they mean the same.

    >>> a = Codelist("x", "1", {"asthma": "Asthma"}, {"asthma": 0}, {("ICD10", "J45"): [("asthma", True)]}, "")
    >>> b = Codelist("x", "2", {"asthma": "Asthma"}, {"asthma": 6}, {("ICD10", "J46"): [("asthma", True)]}, "")
    >>> differences(a, b)
    ['Asthma: counted from age 6, before from age 0.', 'Asthma: 1 code added (ICD10 J46).', 'Asthma: 1 code removed (ICD10 J45).']
    """
    said = [f"{old.titles[c]}: no longer in the list." for c in old.titles if c not in new.titles]
    said += [f"{new.titles[c]}: new in the list, with {_number(_codes(new, c))}." for c in new.titles if c not in old.titles]
    for condition in [c for c in old.titles if c in new.titles]:
        title = new.titles[condition]
        if old.titles[condition] != title:
            said.append(f"{title}: called {old.titles[condition]} before.")
        if old.minimum_age[condition] != new.minimum_age[condition]:
            said.append(f"{title}: counted from age {new.minimum_age[condition]}, before from age {old.minimum_age[condition]}.")
        before, after = _codes(old, condition), _codes(new, condition)
        for word, codes in (("added", after - before), ("removed", before - after)):
            if codes:
                said.append(f"{title}: {_number(codes)} {word} ({few(sorted(codes))}).")
    return said


def _number(codes: set[str]) -> str:
    return f"{len(codes):,} code{'s' if len(codes) != 1 else ''}"


def _codes(codelist: Codelist, condition: str) -> set[str]:
    """List a condition's codes with what they do, as people would write them."""
    found = {f"{system} {code}" + ("" if include else " left out") for (system, code), rules in codelist.rules.items()
             for named, include in rules if named == condition}  # fmt: skip
    return found | {f"{system} {code} ends it" for (system, code), named in codelist.resolving.items() if condition in named}


def rows_of(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Read a table of text (comma or tab, UTF-8 or Windows letters): its rows and its columns (raises model.Refused)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(str(path), [Problem(str(path), f"the file cannot be read ({error.strerror})")]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\0" in text:
        mend = "Export the codes as text (CSV), with every code as text"
        raise Refused(str(path), [Problem(str(path), "it is not a text file", "CSV or tab-separated text", mend)])
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")
    rows = [{k: " ".join((v or "").split()) for k, v in row.items() if k} for row in reader]
    return rows, list(reader.fieldnames or [])


def _plain(name: str) -> str:
    return re.sub(r"[ _-]", "", name).lower()


def _column(path: Path, names: list[str], known: list[str], what: str, required: bool = True) -> str | None:
    plain = {_plain(name): name for name in names}
    found = next((plain[k] for k in known if k in plain), None)
    if found is None and required:
        raise Refused(str(path), [Problem(str(path), f"it has no column for the {what}", few(known), f"It has {few(names)}")])
    return found


def _wrong_code(code: str, code_system: str) -> str:
    if code_system == "SCT":
        return not_a_concept(code)
    return "" if re.fullmatch(ICD10, code) else f"{code!r} is not an ICD-10 code"


def _entries(path: Path, found: list[tuple[str, str, str, str]], code_system: str, minimum_age: int) -> list[dict[str, str]]:
    """Make entries, one a code, and refuse codes that a spreadsheet has cut, rounded or written as 2.48611E+14."""
    codes = dict.fromkeys(code for _, _, code, _ in found)
    plain = {code: code.replace(".", "") if code_system == "ICD10" else code for code in codes}
    broken = [wrong for code in codes if (wrong := _wrong_code(plain[code], code_system))]
    if broken:
        mend = "Export the codes as text; a spreadsheet rounds long numbers"
        wrong = f"{len(broken)} of {len(codes)} codes are wrong: {few(broken, 5)}"
        raise Refused(str(path), [Problem(str(path), wrong, "codes with a right check digit", mend)])
    if not codes:
        raise Refused(str(path), [Problem(str(path), "it holds no code")])
    terms = {code: (condition, title, term) for condition, title, code, term in reversed(found)}
    return [
        {"condition": terms[code][0], "title": terms[code][1], "code_system": code_system, "code": plain[code], "rule": "include",
         "minimum_age": str(minimum_age), "term": terms[code][2]}
        for code in codes
    ]  # fmt: skip
