"""Codelists: text files that say which codes mean which condition. Versioned by file name."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from shared_code.config.rooms import from_root
from shared_code.model import Problem, Refused, few

FOLDER = Path("config/codelists")
COLUMNS = ["condition", "title", "code_system", "code", "rule", "minimum_age", "term"]
ICD10 = r"[A-Z][0-9]{2}[0-9A-Z]{0,2}"
NAME = r"[a-z][a-z0-9_]*"


@dataclass(frozen=True)
class Codelist:
    """Hold one version of a codelist.

    titles        condition -> title, in the order of the file
    minimum_age   condition -> youngest age counted
    rules         (code_system, code) -> list of (condition, include); an ICD-10 code stands for everything under it
    resolving     (code_system, code) -> conditions that a record of this code says have ended
    """

    name: str
    version: str
    titles: dict[str, str]
    minimum_age: dict[str, int]
    rules: dict[tuple[str, str], list[tuple[str, bool]]]
    digest: str
    resolving: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def conditions_of(self, code_system: str, code: str) -> set[str]:
        """Say which conditions a recorded code means; the longest matching ICD-10 entry decides.

        >>> Codelist("x", "1", {}, {}, {("ICD10", "F32"): [("depression", True)],
        ...          ("ICD10", "F323"): [("depression", False)]}, "").conditions_of("ICD10", "F3230")
        set()
        """
        lengths = range(len(code), 2, -1) if code_system == "ICD10" else [len(code)]
        decided: dict[str, bool] = {}
        for length in lengths:
            for condition, include in self.rules.get((code_system, code[:length]), []):
                decided.setdefault(condition, include)
        return {condition for condition, include in decided.items() if include}

    def matches(self, recorded: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """List (code_system, code, condition) for every recorded code that means a condition."""
        return [(s, c, condition) for s, c in recorded for condition in sorted(self.conditions_of(s, c))]

    def resolutions(self, recorded: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """List (code_system, code, condition) for every recorded code that says a condition has ended."""
        return [(s, c, condition) for s, c in recorded for condition in sorted(self.resolving.get((s, c), ()))]


def load(reference: str, folder: Path = FOLDER) -> Codelist:
    """Read `name/version`.

    Raises model.Refused when the file is missing or any line is wrong: unknown code system, a SNOMED CT code whose
    check digit is wrong (a code cut or rounded by a spreadsheet), an ICD-10 code that is not one.
    """
    folder = from_root(folder)
    path = folder / f"{reference}.csv"
    if not path.is_file():
        versions = [f"{p.parent.name}/{p.stem}" for p in sorted(folder.glob("*/*.csv"))]
        raise Refused(reference, [Problem(str(path), "there is no such codelist", few(versions), "Name one of these")])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(str(path), [Problem(str(path), "the file is not UTF-8", "", "Save it as UTF-8")]) from None
    reader = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    if reader.fieldnames != COLUMNS:
        raise Refused(str(path), [Problem(str(path), f"columns are {few(reader.fieldnames or [])}", few(COLUMNS))])
    titles: dict[str, str] = {}
    ages: dict[str, int] = {}
    rules: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    resolving: dict[tuple[str, str], set[str]] = {}
    problems = []
    for number, row in enumerate(reader, 2):
        wrong = _wrong_with(row)
        if wrong:
            problems.append(Problem(f"{path}, entry {number - 1}", wrong, "", "Correct or remove the line"))
            continue
        condition, age = row["condition"], int(row["minimum_age"] or 0)
        if condition in [named for named, _ in rules.get((row["code_system"], row["code"]), [])]:
            wrong = f"{condition} names the code {row['code']} twice"
            problems.append(Problem(f"{path}, entry {number - 1}", wrong, "", "Keep one of the two lines"))
            continue
        if (titles.setdefault(condition, row["title"]), ages.setdefault(condition, age)) != (row["title"], age):
            wrong = f"{condition} has another title or minimum_age than before ({titles[condition]}, {ages[condition]})"
            problems.append(Problem(f"{path}, entry {number - 1}", wrong, "", "Give every line of it the same"))
            continue
        if row["rule"] == "resolves":
            resolving.setdefault((row["code_system"], row["code"]), set()).add(condition)
            continue
        rules.setdefault((row["code_system"], row["code"]), []).append((row["condition"], row["rule"] == "include"))
    if problems:
        raise Refused(str(path), problems)
    name, version = reference.split("/")
    return Codelist(name, version, titles, ages, rules, hashlib.sha256(text.encode()).hexdigest(), resolving)


def _wrong_with(row: dict[str, str]) -> str:
    if None in row or None in row.values():
        return "the line has another number of fields than the header"
    code, system = row["code"], row["code_system"]
    if not re.fullmatch(NAME, row["condition"]):
        return f"condition is {row['condition']!r}, not small letters, digits and _"
    if row["rule"] not in ("include", "exclude", "resolves"):
        return f"rule is {row['rule']!r}, not include, exclude or resolves"
    if not re.fullmatch("[0-9]{0,3}", row["minimum_age"]):
        return f"minimum_age is {row['minimum_age']!r}, not whole years"
    if system == "SCT":
        return "" if verhoeff(code) else f"{code!r} is not a SNOMED CT code (wrong check digit)"
    if system == "ICD10":
        return "" if re.fullmatch(ICD10, code) else f"{code!r} is not an ICD-10 code without its dot"
    return f"code_system is {system!r}, not SCT or ICD10"


_D = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
      [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
      [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]  # fmt: skip
_P = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _P.append([_P[-1][_P[1][digit]] for digit in range(10)])


def verhoeff(code: str) -> bool:
    """Check a SNOMED CT identifier: 6 to 18 digits, the last one a Verhoeff check digit.

    >>> verhoeff("73211009"), verhoeff("73211000"), verhoeff("2.48611E+14")
    (True, False, False)
    """
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18):
        return False
    state = 0
    for position, digit in enumerate(reversed(code)):
        state = _D[state][_P[position % 8][int(digit)]]
    return state == 0
