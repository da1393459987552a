"""Codelists: text files that say which codes mean which condition.

Versioned by file name (`name/version`), and each file says in its first lines which edition it is (`# Edition: version`),
so that a file put in another's place is noticed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared_code.config.rooms import from_root
from shared_code.model import Problem, Refused, few

FOLDER = Path("config/codelists")
COLUMNS = ["condition", "title", "code_system", "code", "rule", "minimum_age", "term"]
ICD10 = r"[A-Z][0-9]{2}[0-9A-Z]{0,2}"
NAME = r"[a-z][a-z0-9_]*"
EDITION = "# Edition:"
LICENCE = ("ICD-10 is (c) World Health Organization. SNOMED CT needs a licence (free in the United Kingdom): only root concepts "
           "are included with Cohortium; full reference sets are loaded from your own licensed copy and may not be passed on.")
EXACT_DIGITS = 15  # of a number in a spreadsheet; the rest becomes 0


@dataclass(frozen=True)
class Codelist:
    """Hold one version of a codelist.

    titles        condition -> title, in the order of the file
    minimum_age   condition -> youngest age counted
    rules         (code_system, code) -> list of (condition, include); an ICD-10 code stands for everything under it
    resolving     (code_system, code) -> conditions that a record of this code says have ended
    digest        of what the list means: conditions, youngest ages, codes; terms and comments do not count
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

    Raises model.Refused when the file is missing, is of another edition than its name says, or any line is wrong: unknown
    code system, a SNOMED CT code that is not one (cut or rounded by a spreadsheet), an ICD-10 code that is not one.
    """
    folder = from_root(folder)
    path = folder / f"{reference}.csv"
    if not path.is_file():
        versions = [f"{p.parent.name}/{p.stem}" for p in sorted(folder.glob("*/*.csv"))]
        raise Refused(reference, [Problem(str(path), "there is no such codelist", few(versions), "Name one of these")])
    found = read(path)
    name, _, version = reference.partition("/")
    if found.version != version:
        mend = "Put the edition that the plan names in its place, or change the plan for all sites"
        wrong = f"the file is the edition {found.version}, not {version}"
        raise Refused(str(path), [Problem(str(path), wrong, f"{EDITION} {version}", mend)])
    return replace(found, name=name)


def read(path: Path) -> Codelist:
    """Read one file, wherever it lies; its version is the edition it says it is (raises model.Refused)."""
    edition, reader = _opened(path)
    titles: dict[str, str] = {}
    ages: dict[str, int] = {}
    rules: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    resolving: dict[tuple[str, str], set[str]] = {}
    problems = []
    for number, row in enumerate(reader, 1):
        wrong = _wrong_with(row) or _contradicts(row, titles, ages, rules)
        if wrong:
            spoilt = NOT_SNOMED in wrong
            mend = "Export the codes as text; a spreadsheet rounds long numbers" if spoilt else "Correct or remove the line"
            problems.append(Problem(f"{path}, entry {number}", wrong, "", mend))
            continue
        condition, key = row["condition"], (row["code_system"], row["code"])
        titles.setdefault(condition, row["title"])
        ages.setdefault(condition, int(row["minimum_age"] or 0))
        if row["rule"] == "resolves":
            resolving.setdefault(key, set()).add(condition)
        else:
            rules.setdefault(key, []).append((condition, row["rule"] == "include"))
    if not edition:
        problems.insert(0, Problem(str(path), "it does not say which edition it is", f"{EDITION} 2026-11",
                                   f"Write {EDITION} and the name of the file without .csv on the first line"))  # fmt: skip
    if problems:
        raise Refused(str(path), problems)
    meaning = [sorted(ages.items()), sorted((*k, *r) for k, given in rules.items() for r in given),
               sorted((*k, c) for k, named in resolving.items() for c in named)]  # fmt: skip
    digest = hashlib.sha256(json.dumps(meaning).encode()).hexdigest()
    return Codelist(path.stem, edition, titles, ages, rules, digest, resolving)


def _opened(path: Path) -> tuple[str, csv.DictReader]:
    """Give the edition a file says it is (or nothing), and its lines under the right header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise Refused(str(path), [Problem(str(path), "there is no such file")]) from None
    except UnicodeDecodeError:
        raise Refused(str(path), [Problem(str(path), "the file is not UTF-8", "", "Save it as UTF-8")]) from None
    lines = text.splitlines()
    said = [line.removeprefix(EDITION).strip() for line in lines if line.startswith(EDITION)]
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    if reader.fieldnames != COLUMNS:
        raise Refused(str(path), [Problem(str(path), f"columns are {few(reader.fieldnames or [])}", few(COLUMNS))])
    return said[0] if said else "", reader


def _contradicts(row: dict[str, str], titles: dict[str, str], ages: dict[str, int], rules: dict) -> str:
    """Say how a line contradicts those before it."""
    condition, age = row["condition"], int(row["minimum_age"] or 0)
    if condition in [named for named, _ in rules.get((row["code_system"], row["code"]), [])]:
        return f"{condition} names the code {row['code']} twice"
    before = titles.get(condition, row["title"]), ages.get(condition, age)
    if before != (row["title"], age):
        return f"{condition} has another title or minimum_age than before ({before[0]}, {before[1]})"
    return ""


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
        return not_a_concept(code)
    if system == "ICD10":
        return "" if re.fullmatch(ICD10, code) else f"{code!r} is not an ICD-10 code without its dot"
    return f"code_system is {system!r}, not SCT or ICD10"


NOT_SNOMED = "is not a SNOMED CT code"


def not_a_concept(code: str) -> str:
    """Say why a text is not the identifier of a SNOMED CT concept, or nothing where it is one.

    The check digit finds every single wrong digit, but one in ten numbers of 18 digits that a spreadsheet has rounded would pass
    it: these are found by their zeros. The two digits before the check digit say what is named: 00 or 10 a concept, 01 or 11 only
    a description.

    >>> not_a_concept("73211009"), not_a_concept("121589010")
    ('', "'121589010' is the identifier of a description, not of a concept")
    """
    if not verhoeff(code):
        return f"{code!r} {NOT_SNOMED} (wrong check digit)"
    tail = code[EXACT_DIGITS:]
    if len(tail) > 2 and not tail.strip("0") and not code.startswith("900000000000"):
        return f"{code!r} {NOT_SNOMED} (its end is zeros: rounded by a spreadsheet)"
    kinds = {"01": "a description", "11": "a description", "02": "a relationship", "12": "a relationship"}
    if code[-3:-1] not in ("00", "10"):
        return f"{code!r} is the identifier of {kinds.get(code[-3:-1], 'something else')}, not of a concept"
    return ""


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
