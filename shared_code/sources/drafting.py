"""Drafting: a first site file, with best guesses, and questions where a person must decide.

What a draft may hold: names of files and columns, forms of dates, and codes of at least `FLOOR` rows in columns that were
matched with a list of codes and understood. Never a value of an identifier, a name, an address, a text or a date.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

import ibis

from shared_code.model import TABLES, Column, few
from shared_code.sources.draft_words import NO_ANSWER, TOTALS, squeezed, words
from shared_code.sources.holdings import FLOOR
from shared_code.sources.matching import OFTEN_BY_NUMBER, SURE, Match, assign, meaning
from shared_code.sources.profiling import ColumnProfile, FileProfile, profile

BLANK = "YOUR_COLUMN"
NO_DATE = "2000-01-01"  # stands where a person must write the date of the extract
WIDTH = 125  # characters of a line
WIDE = {"females": "F", "males": "M", "women": "F", "men": "M", "female": "F", "male": "M"}


def draft_site(name: str, files: Iterable[Path]) -> str:
    """Write the first settings of a site from the files of its extract.

    name   of the site; the draft is meant for config/sites/NAME.yaml
    Returns YAML that `Site.read` accepts; blanks are marked YOUR_COLUMN and questions begin with "# ?".
    Raises model.Refused where a file cannot be read.
    """
    paths = [Path(path) for path in files]
    connection = ibis.duckdb.connect()
    try:
        with tempfile.TemporaryDirectory() as place:
            seen = [found for path in paths for found in profile(path, Path(place), connection)]
    finally:
        connection.disconnect()
    matches, left = assign(seen)
    folders = sorted({path.parent.as_posix() for path in paths})
    lines = [
        f"# A first draft for {name}, made by `cohortium new-site` from {len(paths)} file{'s' if len(paths) != 1 else ''}.",
        "# Lines with # ? are questions: answer them, then remove the line. YOUR_COLUMN stands where nothing was found.",
        f"# `cohortium check {name}` says what fits and what is missing. docs/site.md explains every key.",
        f"site: {name}",
        f"title: {name.replace('_', ' ').title()}                    # ? the name of the place, as reports show it",
        "controller: YOUR ORGANISATION       # ? the organisation that is responsible for the data",
        "studies: []                         # ? the studies you take part in, for example [demonstration]",
        f"folder: {folders[0] if folders else 'data/' + name}",
        f"extract_date: {NO_DATE}            # ? the day on which the extract was made",
        "",
        "tables:",
    ]
    if len(folders) > 1:
        lines.insert(-2, f"# ? the files lie in {len(folders)} folders: put them into one")
    for match in matches:
        lines += _table(match)
    if not matches:
        lines[-1] = "tables: {}       # ? no file looks like a table of the data model; see docs/data-dictionary.md"
    for seen_file in left:
        named = " ".join(filter(None, (seen_file.file, seen_file.table)))
        lines.append(f"# not used: {named} (fits no table, or a table that has a better file)")
    return "\n".join(lines) + "\n"


def _table(match: Match) -> list[str]:
    seen, table = match.seen, match.table
    lines = ["", f"  {table.name}:                      # a row is {table.row}; {_about(seen.rows)}"]
    lines.append(f"    file: {_text(seen.file)}")
    if seen.table:
        lines.append(f"    table: {_text(seen.table)}")
    if seen.delimiter != ",":
        lines.append(f"    delimiter: {_text(seen.delimiter)}")
    if seen.encoding != "utf-8":
        lines.append(f"    encoding: {seen.encoding}")
    if match.joined:
        lines += ["    join:", *(f"      - {{file: {_text(f.file)}, by: {_text(by)}}}" for f, by in match.joined)]
    if match.present:
        lines.append(f"    present: [{', '.join(map(_text, match.present))}]   # rows without it are people who are alive")
    if table.name == "admission" and any("epiorder" in squeezed(c.name) or "episode" in words(c.name) for c in seen.columns):
        lines.append("    # ? are the rows episodes of a spell? Then add steps: [spells_from_episodes: …], see docs/site.md")
    nothing = sorted({code for c, _ in match.columns.values() for code in c.nothing})
    if nothing:
        lines.append(f"    missing: [{', '.join(map(_text, nothing))}]")
    totals = {c.name: [k for k in c.codes if squeezed(k) not in TOTALS] for name, (c, _) in match.columns.items()
              if name == "sex" and any(squeezed(k) in TOTALS for k in c.codes)}  # fmt: skip
    for name, kept in totals.items():
        lines.append(f"    where: {{{_text(name)}: [{', '.join(map(_text, kept))}]}}   # ? the file also has rows for totals")
    wide = _wide(match)
    if "person_id" not in table.key and table.key[0] in OFTEN_BY_NUMBER and table.key[0] not in match.columns:
        lines.append(f"    number: {table.key[0]}                  # the file has no identifier of its own")
    lines.append("    columns:")
    for column in table.columns:
        if column.name in match.columns:
            lines += _column(column, *match.columns[column.name], totals)
        elif column.never_missing and column.name not in wide and f"    number: {column.name}" not in "".join(lines):
            lines += _blank(column, match)
    if wide:
        lines.append("    rows:                                     # one row of the extract becomes several")
        lines += [f"      - columns: {{sex: {{constant: {sex}}}, population: {{from: {_text(c)}}}}}"
                  for c, sex in sorted(wide["sex"].items(), key=lambda pair: pair[1])]  # fmt: skip
    used = {c.name for c, _ in match.columns.values()} | set(wide.get("sex", {})) | {by for _, by in match.joined}
    others = [c.name for f in [seen, *(f for f, _ in match.joined)] for c in f.columns if c.name not in used]
    if others:
        lines.append(f"    # not used: {few(others, 30)}")
    return lines


def _column(column: Column, c: ColumnProfile, score: float, totals: dict) -> list[str]:
    """Write the mapping of one column, and what is not sure about it."""
    keys, asks = [f"from: {_text(c.name)}"], []
    if score < SURE:
        asks.append(f"is {c.name} the right column? It holds: {column.meaning}")
    if column.name == "person_id" and c.share("hex64") < 0.9:
        keys.append("pseudonymise: true")
    if c.date_form and c.date_form != "%Y-%m-%d":
        keys.append(f'date: "{c.date_form}"')
        if c.share("%d/%m/%Y") > 0.99 and c.share("%m/%d/%Y") > 0.99:
            asks.append("day before month, or month before day?")
    if column.month:
        keys.append("first_of_month: true")
    if column.type == "timestamp" and c.date_form:
        asks.append("if the clock time stands in another column, add time: with its name")
    if column.name in ("code", "underlying_icd10", "primary_icd10"):
        keys.append("icd10: true")
    if column.name == "lsoa21" and not any("21" in w for w in (c.name, c.label)):
        asks.append("of the 2021 edition? (2011: rename this to lsoa11)")
    if column.values or column.type == "boolean":
        found, doubts = recodes(column, c, totals)
        if found:
            keys.append(f"values: {{{', '.join(found)}}}")
            understood = [k for k in c.codes if meaning(column, k, c.labels.get(k, "")) is not None]
            if len(found) < len(understood):
                keys.append("any_case: true")
        asks += doubts
    body = f"      {column.name}: {{{', '.join(keys)}}}"
    if len(body) > WIDTH:
        body = "\n".join([f"      {column.name}:", *(textwrap.fill(k, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10,
                                                                 break_long_words=False, break_on_hyphens=False) for k in keys)])
    return [f"      # ? {column.name}: {ask}" for ask in asks] + [body]


def recodes(column: Column, c: ColumnProfile, totals: dict) -> tuple[list[str], list[str]]:
    """Translate the frequent codes of a column that were understood; what was not becomes a question."""
    codes = [k for k in c.codes if not (c.name in totals and squeezed(k) in TOTALS)]
    means = {k: meaning(column, k, c.labels.get(k, "")) for k in codes}
    known = {k: v for k, v in means.items() if v is not None}
    asks = []
    unknown = [k for k in codes if means[k] is None and k not in c.declared and squeezed(c.labels.get(k, "")) not in NO_ANSWER]
    if unknown:
        shown = f" ({few(unknown)})" if len(known) >= len(unknown) or all(len(k) <= 2 for k in unknown) else ""
        allowed = few(column.values, 20) if column.values else "true, false"
        asks.append(f"{len(unknown)} of its codes{shown} not understood: write them under values: with one of {allowed}")
    if c.rare and not c.nothing:
        asks.append(f"some codes occur in fewer than {FLOOR} rows each and are not named here; ask `cohortium check`")
    if any(k in ("0", "1", "2", "9") and not c.labels for k in known) and column.name == "sex":
        asks.append("numbers were taken as in the NHS Data Dictionary: 1 male, 2 female, 9 indeterminate")
    if all(k == v for k, v in known.items()) and not unknown:
        return [], asks
    known = _one_case(known)
    order = list(column.values)
    listed = sorted(known.items(), key=lambda kv: (order.index(str(kv[1])) if str(kv[1]) in order else 0, kv[0]))
    return [f"{_text(k)}: {_text(v) if isinstance(v, bool) or not v.isdigit() else repr(v)}" for k, v in listed], asks


def _one_case(known: dict[str, str | bool]) -> dict[str, str | bool]:
    """Keep one spelling, the most frequent, of codes that differ in capitals only and mean the same."""
    kept: dict[str, tuple[str, str | bool]] = {}
    for code, means in known.items():
        if kept.setdefault(code.upper(), (code, means))[1] != means:
            return known
    return dict(kept.values())


def _blank(column: Column, match: Match) -> list[str]:
    """Mark a required column that was not found; guess what can be a constant."""
    names = " ".join(w for c in match.seen.columns for w in words(c.name) + words(c.label))
    if column.name == "imd_version":
        guess = [f"IoD{year}" for year in ("2025", "2019") if year in names]
        told = f"{{constant: {guess[0]}}}" if guess else f"{{from: {BLANK}}}"
        return [
            f"      # ? {column.name}: which edition of the index? {{constant: IoD2025}} or {{constant: IoD2019}}",
            f"      {column.name}: {told}",
        ]
    if column.name == "code_system":
        system = next((s for form, s in (("icd10", "ICD10"), ("snomed", "SCT")) for c, _ in [match.columns.get("code", (None, 0))]
                       if c and c.share(form) > 0.99), "")  # fmt: skip
        if system:
            return [f"      {column.name}: {{constant: {system}}}"]
    hint = f" Or, for all rows, {{constant: …}} with one of {few(column.values)}" if column.values else ""
    hint = " Or, for all rows, {constant: 2024-05}" if column.name == "ward_vintage" else hint
    asked = f"      # ? {column.name}: which column holds this: {column.meaning}?{hint}"
    more = ", pseudonymise: true" if column.name == "person_id" else ""
    return [asked, f"      {column.name}: {{from: {BLANK}{more}}}"]


def _wide(match: Match) -> dict[str, dict[str, str]]:
    """Recognise a population with women and men side by side."""
    if match.table is not TABLES["area_population"] or "sex" in match.columns:
        return {}
    found = {c.name: WIDE[squeezed(c.name)] for c in match.seen.columns if squeezed(c.name) in WIDE}
    if len(found) != 2:
        return {}
    match.columns.pop("population", None)
    return {"sex": found, "population": found}


def _about(rows: int) -> str:
    return f"about {round(rows, -2):,} rows" if rows >= 100 else "fewer than 100 rows"


def _text(value: object) -> str:
    """Write a value so that YAML reads it back as it was."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    plain = text.replace("_", "").replace(" ", "").replace(".", "").replace("/", "").isalnum() and not text[:1].isdigit()
    if plain and text.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null"):
        return text
    if text.isdigit() and (text == "0" or not text.startswith("0")) and len(text) < 10:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


__all__ = ["BLANK", "FileProfile", "draft_site", "recodes"]
