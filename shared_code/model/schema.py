"""The data model as a Frictionless Data Package: machine-readable, made from the declarations."""

from __future__ import annotations

from typing import Any

from shared_code.model.tables import SENSITIVITIES, TABLES, Column, Table

FRICTIONLESS_TYPE = {"text": "string", "timestamp": "datetime"}


def data_package() -> dict[str, Any]:
    """Describe every table: fields with types, constraints and sensitivity, keys and references.

    >>> data_package()["resources"][0]["schema"]["primaryKey"]
    ['person_id']
    """
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json", "name": "cohortium-data-model",
        "title": "Common data model of Cohortium", "sensitivities": SENSITIVITIES,
        "resources": [_resource(table) for table in TABLES.values()],
    }  # fmt: skip


def _resource(table: Table) -> dict[str, Any]:
    schema: dict[str, Any] = {"fields": [_field(c) for c in table.columns], "primaryKey": table.key}
    if table.refers_to:
        schema["foreignKeys"] = [
            {"fields": [column], "reference": {"resource": other, "fields": [column]}}
            for column, other in table.refers_to.items()
        ]
    return {"name": table.name, "path": f"{table.name}.parquet", "format": "parquet", "description": f"A row is {table.row}.",
            "schema": schema}  # fmt: skip


def _field(column: Column) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if column.never_missing:
        constraints["required"] = True
    if column.values:
        constraints["enum"] = list(column.values)
    if column.pattern:
        constraints["pattern"] = column.pattern
    if column.lowest is not None:
        constraints["minimum"] = column.lowest
    if column.highest is not None:
        constraints["maximum"] = column.highest
    described: dict[str, Any] = {"name": column.name, "type": FRICTIONLESS_TYPE.get(column.type, column.type),
                 "description": column.meaning, "sensitivity": column.sensitivity}  # fmt: skip
    if column.values:
        described["categories"] = [{"value": code, "label": label} for code, label in column.values.items()]
    return described | ({"constraints": constraints} if constraints else {})
