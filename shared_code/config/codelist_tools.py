"""Codelists from elsewhere, and what differs between two editions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from shared_code.config.codelists import COLUMNS, Codelist, verhoeff
from shared_code.model import Problem, Refused, few

# Names under which files of other makers keep the same thing, compared without case, spaces and underscores.
CODE = ["code", "conceptid", "snomedctconceptid", "snomedct", "snomedid", "icd10", "dmdid"]
TERM = ["term", "conceptdescription", "codedescription", "name", "description", "fsn"]
CLUSTER = ["clusterid", "cluster", "refset", "refsetid"]


def from_opencodelists(path: Path, condition: str, title: str, code_system: str = "SCT", minimum_age: int = 0
                       ) -> list[dict[str, str]]:  # fmt: skip
    """Read a CSV of OpenCodelists (columns code and term) as entries of one condition (raises model.Refused)."""
    rows, names = _rows(path)
    code, term = _column(path, names, CODE, "code"), _column(path, names, TERM, "term", required=False)
    return _entries(path, [(condition, title, r[code], r.get(term or "", "")) for r in rows], code_system, minimum_age)


def from_primary_care_refsets(path: Path, clusters: dict[str, tuple[str, str]], minimum_age: int = 0) -> list[dict[str, str]]:
    """Read the file of the NHS primary care domain reference sets.

    clusters  cluster -> (condition, title); a cluster whose name ends in RES_COD or REM_COD resolves the condition
    The file is licensed: each site reads its own copy, and nothing of it is kept here. Raises model.Refused when a
    cluster is not in the file.
    """
    rows, names = _rows(path)
    cluster, code = _column(path, names, CLUSTER, "cluster"), _column(path, names, CODE, "code")
    term = _column(path, names, TERM, "term", required=False)
    missing = sorted(set(clusters) - {r[cluster] for r in rows})
    if missing:
        present = few(sorted({r[cluster] for r in rows}))
        raise Refused(str(path), [Problem(str(path), f"it has no cluster {few(missing)}", present)])
    entries = []
    for name, (condition, title) in clusters.items():
        found = [(condition, title, r[code], r.get(term or "", "")) for r in rows if r[cluster] == name]
        rule = "resolves" if name.endswith(("RES_COD", "REM_COD")) else "include"
        entries += [{**e, "rule": rule} for e in _entries(path, found, "SCT", minimum_age)]
    return entries


def as_csv(entries: Iterable[dict[str, str]], edition: str) -> str:
    """Write entries in the form of this project's codelists, with their edition on the first line."""
    text = io.StringIO()
    text.write(f"# Edition: {edition}\n")
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
    said += [f"{new.titles[c]}: new in the list, with {len(_codes(new, c))} codes." for c in new.titles if c not in old.titles]
    for condition in [c for c in old.titles if c in new.titles]:
        title = new.titles[condition]
        if old.minimum_age[condition] != new.minimum_age[condition]:
            said.append(f"{title}: counted from age {new.minimum_age[condition]}, before from age {old.minimum_age[condition]}.")
        before, after = _codes(old, condition), _codes(new, condition)
        for word, codes in (("added", after - before), ("removed", before - after)):
            if codes:
                said.append(f"{title}: {len(codes)} code{'s' if len(codes) > 1 else ''} {word} ({few(sorted(codes))}).")
    return said


def _codes(codelist: Codelist, condition: str) -> set[str]:
    """List a condition's codes with what they do, as people would write them."""
    found = {f"{system} {code}" + ("" if include else " left out") for (system, code), rules in codelist.rules.items()
             for named, include in rules if named == condition}  # fmt: skip
    return found | {f"{system} {code} ends it" for (system, code), named in codelist.resolving.items() if condition in named}


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise Refused(str(path), [Problem(str(path), f"the file cannot be read ({type(error).__name__})")]) from None
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")
    rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    return rows, list(reader.fieldnames or [])


def _column(path: Path, names: list[str], known: list[str], what: str, required: bool = True) -> str | None:
    plain = {name.lower().replace(" ", "").replace("_", "").replace("-", ""): name for name in names}
    found = next((plain[k] for k in known if k in plain), None)
    if found is None and required:
        raise Refused(str(path), [Problem(str(path), f"it has no column for the {what}", few(known), f"It has {few(names)}")])
    return found


def _entries(path: Path, found: list[tuple[str, str, str, str]], code_system: str, minimum_age: int) -> list[dict[str, str]]:
    """Make entries, and refuse codes that a spreadsheet has cut, rounded or written as 2.48611E+14."""
    broken = [code for _, _, code, _ in found if code_system == "SCT" and not verhoeff(code)]
    if broken:
        mend = "Export the codes as text; a spreadsheet rounds long numbers"
        wrong = f"not SNOMED CT codes: {few(broken)}"
        raise Refused(str(path), [Problem(str(path), wrong, "codes with a right check digit", mend)])
    return [
        {"condition": condition, "title": title, "code_system": code_system, "code": code.replace(".", ""), "rule": "include",
         "minimum_age": str(minimum_age), "term": term}
        for condition, title, code, term in dict.fromkeys(found)
    ]  # fmt: skip
