"""Matching: which table of the data model a file is, and which of its columns is which, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher

from shared_code.model import TABLES, Column, Table
from shared_code.sources.draft_words import (
    CODE_WORDS,
    COLUMN_WORDS,
    NO,
    NUMBERS,
    TABLE_WORDS,
    TOTALS,
    YES,
    squeezed,
    words,
)
from shared_code.sources.profiling import ColumnProfile, FileProfile

LEAST, SURE = 0.45, 0.75  # below LEAST a column is not matched; below SURE a match is asked about
PATTERN_FORMS = {  # column of the data model -> forms of its values
    "lsoa11": ("lsoa",), "lsoa21": ("lsoa",), "ward_cd": ("ward",), "lad_cd": ("district",), "area_cd": ("lsoa",),
    "practice_code": ("practice", "organisation"), "provider": ("organisation",), "ward_vintage": ("edition",),
    "underlying_icd10": ("icd10",), "primary_icd10": ("icd10",), "discharge_dest": ("number",), "tfc": ("number",),
}  # fmt: skip
UNSEEN = ("ethnicity_source", "locality", "ward_name", "value", "unit", "reason", "list", "programme_id", "language", "source")
ESSENTIAL = {  # without one of these columns a file is not this table
    "person": ("birth_month", "sex"), "person_address": ("lsoa11", "lsoa21"), "gp_registration": ("practice_code",),
    "condition_event": ("code",), "death": ("death_date",), "measurement": ("concept",), "list_flag": ("list", "route"),
    "programme": ("programme_id",), "admission": ("admi_date",), "ed_attendance": ("arrival",), "gp_encounter": ("mode", "role"),
    "outpatient": ("appt_date",), "mh_contact": ("team_type", "setting"), "asc_event": ("event_type",),
    "area_lookup": ("ward_cd",), "area_population": ("area_cd",),
    "ward_indicator": ("ward_cd",), "unit_cost": ("service",), "reference_rate": ("rate",),
}  # fmt: skip
MOST_UNUSED = 8  # a wide extract has many columns that no table takes; more than these say nothing
OFTEN_CONSTANT = ("ward_vintage", "imd_version", "source")
OFTEN_BY_NUMBER = ("event_id", "meas_id", "spell_id", "att_id", "appt_id", "enc_id", "contact_id")


@dataclass
class Match:
    """Hold a file as a table of the data model: column of the data model -> column of the extract, with how sure."""

    seen: FileProfile
    table: Table
    columns: dict[str, tuple[ColumnProfile, float]] = field(default_factory=dict)
    score: float = 0.0
    joined: list[tuple[FileProfile, str]] = field(default_factory=list)  # further files, by an identifier
    present: list[str] = field(default_factory=list)  # columns that must be filled for a row to count


def assign(files: list[FileProfile]) -> tuple[list[Match], list[FileProfile]]:
    """Give every file the table it fits best, each table one file; also the files that fit nowhere."""
    every = [match for seen in files for table in TABLES.values() if (match := match_table(seen, table)).score > 0]
    chosen: list[Match] = []
    for match in sorted(every, key=lambda m: (-m.score, m.seen.file, m.table.name)):
        if not any(match.seen is c.seen or match.table is c.table for c in chosen):
            chosen.append(match)
    left = [seen for seen in files if not any(seen is c.seen for c in chosen)]
    for seen in list(left):
        if _join(seen, chosen):
            left.remove(seen)
    chosen += [*_deaths_of_people(chosen), *_places_of_people(chosen)]
    order = list(TABLES)
    return sorted(chosen, key=lambda m: order.index(m.table.name)), left


def _deaths_of_people(chosen: list[Match]) -> list[Match]:
    """Recognise a date of death that stands in the file of people, where no file holds deaths."""
    people = next((m for m in chosen if m.table.name == "person" and "person_id" in m.columns), None)
    if people is None or any(m.table.name == "death" for m in chosen):
        return []
    table = TABLES["death"]
    date, score = _best(people.seen, table, table.column("death_date"))
    if score < SURE:
        return []
    columns = {"person_id": people.columns["person_id"], "death_date": (date, score)}
    return [Match(people.seen, table, columns, present=[date.name])]


def _places_of_people(chosen: list[Match]) -> list[Match]:
    """Recognise a practice or a small area that stands in the file of people, where no file holds registrations or addresses."""
    people = next((m for m in chosen if m.table.name == "person" and "person_id" in m.columns), None)
    found: list[Match] = []
    for name in ("gp_registration", "person_address"):
        if people is None or any(m.table.name == name for m in chosen):
            continue
        used = {id(c) for match in (people, *found) for c, _ in match.columns.values()}
        free = FileProfile(**{**people.seen.__dict__, "columns": [c for c in people.seen.columns if id(c) not in used]})
        best = {c.name: _best(free, TABLES[name], c) for c in TABLES[name].columns if c.name != "person_id" and free.columns}
        columns = {"person_id": people.columns["person_id"]}
        for column, (c, score) in sorted(best.items(), key=lambda pair: (-pair[1][1], pair[0])):
            if score >= SURE and not any(c is other for other, _ in columns.values()):
                columns[column] = (c, score)
        if set(ESSENTIAL[name]) & set(columns):
            found.append(Match(people.seen, TABLES[name], columns))
    return found


def _join(seen: FileProfile, chosen: list[Match]) -> bool:
    """Join a file that adds a column to a table, where both name the same unique identifier."""
    keys = {c.name for c in seen.columns if c.unique}
    for match in chosen:
        by = [c.name for c in match.seen.columns if c.name in keys]
        lacking = [c for c in match.table.columns if c.name not in match.columns]
        found = {c.name: best for c in lacking if (best := _best(seen, match.table, c))[1] >= SURE} if by else {}
        if found:
            match.columns |= found
            match.joined.append((seen, by[0]))
            return True
    return False


def _best(seen: FileProfile, table: Table, column: Column) -> tuple[ColumnProfile, float]:
    return max(((c, likeness(table, column, c)) for c in seen.columns), key=lambda pair: pair[1])


def match_table(seen: FileProfile, table: Table) -> Match:
    """Match a file's columns with those of one table, the likeliest pairs first; the score says how well it fits."""
    pairs = [(likeness(table, column, c), column.name, c) for column in table.columns for c in seen.columns]
    match = Match(seen, table)
    for score, name, c in sorted(pairs, key=lambda p: (-p[0], p[1], p[2].name)):
        taken = any(c is other for other, _ in match.columns.values())
        if score >= LEAST and name not in match.columns and not taken:
            match.columns[name] = (c, score)
    needed = [c for c in table.columns if c.never_missing and c.name not in (*OFTEN_BY_NUMBER, *OFTEN_CONSTANT)]
    found = sum(score for _, score in match.columns.values())
    missing = sum(1.2 for c in needed if c.name not in match.columns)
    unused = 0.15 * min(len(seen.columns) - len(match.columns), MOST_UNUSED)
    match.score = found + _file_likeness(seen, table) - missing - unused if len(match.columns) > 1 else 0.0
    essential = ESSENTIAL.get(table.name, ())
    if (table.refers_to and "person_id" not in match.columns) or (essential and not set(essential) & set(match.columns)):
        match.score = 0.0
    if table.key == ["person_id"] and "person_id" in match.columns and not match.columns["person_id"][0].unique:
        match.score -= 3
    return match


def _file_likeness(seen: FileProfile, table: Table) -> float:
    """Say how much the name of a file, or of a table of a database, sounds like a table."""
    name = words(seen.table or seen.file.split(".")[0])
    listed = TABLE_WORDS[table.name].split()
    exact = [w for w in name if w in listed]
    return 2.0 if exact else 1.5 if any(w.startswith(k) for w in name for k in listed if len(k) > 4) else 0.0


def likeness(table: Table, column: Column, c: ColumnProfile) -> float:
    """Say how likely a column of the extract is a column of a table: 0 (excluded by its content) to 1."""
    content = _content(table, column, c)
    if content <= 0 or not c.filled:
        return 0.0
    name = max(_name_likeness(table, column.name, c.name), 0.9 * _name_likeness(table, column.name, c.label) if c.label else 0)
    return 0.6 * name + 0.4 * content if name > 0.3 or content >= 1 else 0.0


def _name_likeness(table: Table, column: str, name: str) -> float:
    own, short = words(name), squeezed(name)
    best = 0.0
    own_words, for_all = COLUMN_WORDS.get(table.name, {}).get(column, ""), COLUMN_WORDS[""].get(column, "")
    phrases = ";".join([own_words, for_all, column.replace("_", " ")])
    for phrase in filter(None, (p.strip() for p in phrases.split(";"))):
        told, joined = phrase.split(), squeezed(phrase)
        if joined == short:
            best = max(best, 1.0)
        elif all(w in own for w in told):
            best = max(best, 0.7 + 0.25 * len(told) / len(own))
        elif len(joined) > 3 and joined in short:
            best = max(best, 0.6)
        else:
            near = SequenceMatcher(None, joined, short).ratio()
            best = max(best, 0.6 * near if near > 0.8 else 0.0)
    return best


def _content(table: Table, column: Column, c: ColumnProfile) -> float:
    """Say how well the values fit: 0 excludes."""
    if column.name == "person_id":
        if c.share("hex64") > 0.9:
            return 1.0
        plain = not c.codes and not c.date_form and not c.share("lsoa", "ward")
        return 0.0 if not plain else 0.6 if c.unique == (table.key == ["person_id"]) else 0.3
    if column.type in ("date", "timestamp"):
        return 1.0 if c.date_form else 0.0
    if column.name in PATTERN_FORMS:
        return 1.0 if c.share(*PATTERN_FORMS[column.name]) > 0.9 else 0.0
    if column.name == "code":
        coded = c.share("icd10", "snomed") > 0.15 and c.share("icd10") + c.share("snomed") > 0.9
        return 0.0 if not coded else 0.6 if c.codes else 1.0  # a few codes only: its name must say it, too
    if column.type in ("integer", "number"):
        fits = c.lowest is not None and (column.lowest is None or c.lowest >= column.lowest)
        fits = fits and (column.highest is None or (c.highest or 0) <= column.highest)
        return 0.7 if fits and not c.date_form and c.share("hex64") == 0 else 0.0
    if column.values or column.type == "boolean":
        if not c.codes:
            return 0.0
        known = sum(n for code, n in c.codes.items() if meaning(column, code, c.labels.get(code, "")) is not None
                    or squeezed(code) in TOTALS or code in c.declared)  # fmt: skip
        return known / sum(c.codes.values()) if known else 0.15 if len(c.codes) <= len(column.values) + 2 else 0.0
    if column.name in OFTEN_BY_NUMBER:
        return 0.8 if c.unique and c.share("hex64") == 0 and not c.date_form else 0.0
    plain = not c.date_form and not c.share("hex64", "lsoa", "ward") > 0.9
    return 0.4 if plain and (column.name in UNSEEN or column.key) else 0.0


def meaning(column: Column, code: str, label: str = "") -> str | bool | None:
    """Give the code of the data model that a code of the extract stands for, by its label or by itself; None if unknown.

    >>> sex = TABLES["person"].column("sex")
    >>> meaning(sex, "Female"), meaning(sex, "1", "Male"), meaning(sex, "2"), meaning(sex, "7")
    ('F', 'M', 'F', None)
    """
    for text in filter(None, (label, code if not label else "")):
        short = squeezed(text)
        if column.type == "boolean":
            if short in YES | NO or (short in ("0", "1") and not label):
                return short in YES | {"1"}
            continue
        for ours, listed in CODE_WORDS.get(column.name, {}).items():
            if short in listed.split():
                return ours
        for ours, told in column.values.items():
            if short == squeezed(ours) or short == squeezed(told):
                return ours
        near = [ours for ours, told in column.values.items() if SequenceMatcher(None, short, squeezed(told)).ratio() > 0.85]
        if len(near) == 1 and label:
            return near[0]
    return None if label else NUMBERS.get(column.name, {}).get(code)
