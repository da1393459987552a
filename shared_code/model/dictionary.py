"""Files made from the declared tables: the data dictionary page and the empty site settings."""

from __future__ import annotations

from shared_code.model.layouts import LAYOUTS, STATUSES
from shared_code.model.tables import SENSITIVITIES, TABLES, TYPES, Column, Table


def dictionary_page() -> str:
    """Write the data dictionary: every table, column and allowed value, and the layouts of results."""
    parts = [
        "# Data dictionary\n",
        "Made from `shared_code/model` by `cohortium generate`; do not edit by hand.\n",
        "A site's extract, in whatever form, becomes these **prepared tables**: Parquet, pseudonymous, one row per fact.",
        "A missing value is empty, never 0 or \"\". Intervals are half-open: the end is not part of them.\n",
    ]  # fmt: skip
    parts += ["## Sensitivity of columns\n", "| sensitivity | means |", "|---|---|"]
    parts += [f"| {name} | {meaning} |" for name, meaning in SENSITIVITIES.items()] + [""]
    for table in TABLES.values():
        parts += _table(table)
    parts += ["## Layouts of results\n", "Numbers leave a site only in one of these shapes.\n"]
    for layout in LAYOUTS.values():
        parts += [f"### {layout.name}\n", f"{layout.meaning[0].upper()}{layout.meaning[1:]}.\n",
                  "| statistic | meaning |", "|---|---|"]  # fmt: skip
        parts += [f"| `{name}` | {meaning} |" for name, meaning in layout.statistics.items()]
        parts.append("")
    parts += ["### Status of a released value\n", "| status | meaning |", "|---|---|"]
    parts += [f"| `{status}` | {meaning} |" for status, meaning in STATUSES.items()]
    return "\n".join(parts) + "\n"


def _table(table: Table) -> list[str]:
    lines = [f"## {table.name}\n", f"A row is {table.row}.\n",
             "| column | type | meaning | allowed | sensitivity |", "|---|---|---|---|---|"]  # fmt: skip
    for column in table.columns:
        marks = "key" if column.key else "required" if column.required else ""
        name = f"`{column.name}`" + (f" ({marks})" if marks else "")
        allowed = _allowed(column).replace("|", "\\|")
        lines.append(f"| {name} | {TYPES[column.type]} | {column.meaning} | {allowed} | {column.sensitivity} |")
    for column_name, other in table.refers_to.items():
        lines.append(f"\n`{column_name}` refers to [{other}](#{other}).")
    return [*lines, ""]


def _allowed(column: Column) -> str:
    if column.values:
        return "; ".join(f"`{code}` {meaning}" for code, meaning in column.values.items())
    if column.pattern:
        return f"form `{column.pattern}`"
    if column.lowest is not None or column.highest is not None:
        return f"{column.lowest:g} to {column.highest:g}" if column.highest is not None else f"{column.lowest:g} or more"
    return "any"


def site_template() -> str:
    """Write the empty site settings: every table and column, to be filled in or deleted."""
    parts = [
        "# Settings of one site. Copy this file to config/sites/NAME.yaml and fill it in; delete the tables you lack.",
        "# Made from shared_code/model by `cohortium generate`. docs/site.md explains every key.",
        "site: NAME                      # the name of this file; also the name of your rooms",
        "title: Name of the place",
        "controller: Organisation that is responsible for the data",
        "studies: []                     # studies you take part in, for example [demonstration]",
        "folder: data/NAME               # where your extract lies",
        "extract_date: 2026-04-30      # no earlier than the study's last day",
        "# disclosure: {threshold: 15, rounding: 5}   # only if your own rules are stricter than the study's",
        "people: {}                      # who approves: NAME: {roles: [analyst], key: \"…\"}, from `cohortium keys new NAME`",
        'site_key: ""                    # public key of the site itself, from `cohortium keys new SITE`',
        "",
        "tables:",
    ]
    for table in TABLES.values():
        parts += ["", f"  {table.name}:                      # a row is {table.row}",
                  "    file: FILE.csv              # .csv .tsv .sav .dta .xpt .sas7bdat .parquet .xlsx .sqlite .duckdb",
                  "    columns:"]  # fmt: skip
        for column in table.columns:
            if column.name == "person_id":
                parts.append("      # leave pseudonymise out if your extract already holds 64-digit pseudonyms")
                parts.append("      person_id: {from: YOUR_COLUMN, pseudonymise: true}")
                continue
            hint = column.meaning + (" (required)" if column.never_missing else "")
            if column.values:
                codes = ", ".join(f"YOUR_CODE: {code!r}" if code.isdigit() else f"YOUR_CODE_{i}: {code}"
                                  for i, code in enumerate(list(column.values)[:3], 1))  # fmt: skip
                more = ", …" if len(column.values) > 3 else ""
                parts.append(f"      {column.name}:                # {hint}")
                parts.append("        from: YOUR_COLUMN")
                parts.append(f"        # values: {{{codes}{more}}}")
            else:
                parts.append(f"      {column.name}: {{from: YOUR_COLUMN}}   # {hint}")
    return "\n".join(parts) + "\n"
