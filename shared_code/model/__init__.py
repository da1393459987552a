"""The data model and the layouts of results: one source of truth for every other layer."""

from shared_code.model.layouts import ALL, CELL_COLUMNS, LAYOUTS, STATUSES, Layout, band_labels, point_labels
from shared_code.model.problems import Problem, Refused, did_you_mean, few
from shared_code.model.tables import ETHNICITY5, TABLES, UNKNOWN, Column, Table

__all__ = [
    "ALL", "CELL_COLUMNS", "ETHNICITY5", "LAYOUTS", "STATUSES", "TABLES", "UNKNOWN", "Column", "Layout", "Problem",
    "Refused", "Table", "band_labels", "did_you_mean", "few", "point_labels",
]  # fmt: skip
