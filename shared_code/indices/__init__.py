"""Indices of places: tables of indicators from open data, and composite indices computed from them."""

from shared_code.indices.areas import AreaTable, carried, joined
from shared_code.indices.output import tidy, write_index
from shared_code.indices.scoring import Base, Scored, base_of, score
from shared_code.indices.tables import area_table, bounds_of, chosen, compute, read_table, write_table
from shared_code.indices.uncertainty import Uncertain, sensitivity, uncertain

__all__ = [
    "AreaTable",
    "Base",
    "Scored",
    "Uncertain",
    "area_table",
    "base_of",
    "bounds_of",
    "carried",
    "chosen",
    "compute",
    "joined",
    "read_table",
    "score",
    "sensitivity",
    "tidy",
    "uncertain",
    "write_index",
    "write_table",
]  # fmt: skip
