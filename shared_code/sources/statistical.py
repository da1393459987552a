"""Statistical files: SPSS, Stata and SAS, a chunk of rows at a time, with what they say about their columns.

Runs in the guarded process (see guarded.py): the C library underneath may crash or loop on a damaged file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat

from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources.landing import as_text
from shared_code.sources.moments import converted, kind_of
from shared_code.sources.transport import Member, letters, members, slices

PROGRAMS = {".sav": "SPSS", ".zsav": "SPSS", ".por": "SPSS", ".dta": "Stata", ".xpt": "SAS", ".xpt5": "SAS", ".xpt8": "SAS",
            ".sas7bdat": "SAS"}  # fmt: skip
READERS = {".sav": pyreadstat.read_sav, ".zsav": pyreadstat.read_sav, ".por": pyreadstat.read_por, ".dta": pyreadstat.read_dta,
           ".sas7bdat": pyreadstat.read_sas7bdat}  # fmt: skip
NUMBER, TEXT = 40, 90  # bytes that one cell needs while a chunk is read: measured 25 and 70 and its characters
SHARE = 4  # part of the memory allowed that one chunk may fill
BLOCKS = 10  # spread over a file of which only a part is to be read


class Reader:
    """Read one file; `facts` holds what it says about its columns, complete once the chunks are read."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.path, self.options = path, options
        self.suffix = options["suffix"]
        self.program = PROGRAMS[self.suffix]
        self.missing: dict[str, list] = {}
        self.facts: dict[str, Any] = {"missing": self.missing, "columns": {}}
        self.settings: dict[str, Any] = {"disable_datetime_conversion": True}
        if options.get("encoding"):
            self.settings["encoding"] = options["encoding"]

    def chunks(self) -> Iterator[pa.Table]:
        """Give the rows; refuse a file that does not hold as many as it says."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from self._transport() if self.suffix.startswith(".xpt") else self._counted()

    def _counted(self) -> Iterator[pa.Table]:
        read: Any = READERS[self.suffix]
        if self.suffix != ".por":
            self.settings["user_missing"] = True
        head = read(str(self.path), metadataonly=True, **self.settings)[1]
        said, size, found = head.number_rows, self._size(head), 0
        most = self.options.get("most")
        if most and said is not None and said > most:
            yield from self._spread(read, head, said, most)
            return
        while True:
            frame, meta = read(str(self.path), row_offset=found, row_limit=size, **self.settings)
            if len(frame) or not found:
                yield self._chunk(frame, meta)
            found += len(frame)
            if len(frame) < size or found == said:
                break
            size = self._size(meta, frame)
        if said is not None and said >= 0 and said != found:
            raise ValueError(f"it says that it holds {said} rows, and {found} are there")

    def _spread(self, read: Any, head: Any, said: int, most: int) -> Iterator[pa.Table]:
        """Read only so many rows, in blocks spread over the file from its first row to its last."""
        self.facts["of"] = said
        block = max(1, most // BLOCKS)
        for i in range(BLOCKS):
            start = (said - block) * i // (BLOCKS - 1)
            at = start
            while at < start + block:
                size = min(self._size(head), start + block - at)
                frame, meta = read(str(self.path), row_offset=at, row_limit=size, **self.settings)
                if len(frame) < size:
                    raise ValueError(f"it says that it holds {said} rows, and {at + len(frame)} are there")
                yield self._chunk(frame, meta)
                at += size

    def _transport(self) -> Iterator[pa.Table]:
        member = self._member()
        head = next(slices(self.path, member, 1))[0]
        frame, meta = pyreadstat.read_xport(head, **self.settings)
        for file, rows in slices(self.path, member, self._size(meta)):
            frame, meta = pyreadstat.read_xport(file, **self.settings)
            if len(frame) > rows or (len(frame) < rows and file.getvalue()[-member.row :].strip(b" ")):
                raise ValueError(f"{rows} rows are there, and {len(frame)} can be read")
            whole = frame.reindex(range(rows)) if len(frame) < rows else frame
            yield self._chunk(whole, meta, letters(file, member, rows) if rows else {})

    def _member(self) -> Member:
        found, table = members(self.path), self.options.get("table", "")
        names = [m.name for m in found]
        if not found:
            raise ValueError("there is no table in it")
        if (table and table.upper() not in map(str.upper, names)) or (not table and len(found) > 1):
            wrong = f"there is no table {table!r} in it{did_you_mean(table, names)}" if table else "it holds several tables"
            mend = "Name one of them in table: of the site's settings"
            raise Refused(str(self.path), [Problem(str(self.path), wrong, few(names), mend)])
        return next(m for m in found if not table or m.name.upper() == table.upper())

    def _size(self, meta: Any, frame: pd.DataFrame | None = None) -> int:
        """Choose the rows of the next chunk: as many as fit in the memory allowed, by what the last one held."""
        cells = 0.0
        for name, kind in meta.readstat_variable_types.items():
            if kind != "string":
                cells += NUMBER
            elif frame is None or not len(frame):
                cells += TEXT + 2 * meta.variable_storage_width.get(name, 0)
            else:
                sample = frame[name].iloc[:: max(1, len(frame) // 500)]
                cells += TEXT + 4 * float(sample.map(lambda v: len(v) if isinstance(v, str) else 0).max())
        return int(np.clip(self.options["memory"] / SHARE / max(cells, 1), 1, self.options["rows"]))

    def _chunk(self, frame: pd.DataFrame, meta: Any, tags: dict[int, dict[int, str]] | None = None) -> pa.Table:
        arrays = []
        for position, name in enumerate(meta.column_names):
            form = (meta.original_variable_types or {}).get(name) or ""
            declared = [(r["lo"], r["hi"]) for r in (meta.missing_ranges or {}).get(name, [])]
            text = meta.readstat_variable_types.get(name) == "string"
            if text:
                self.missing.update({name: declared} if declared else {})
                arrays.append(pa.array(frame[name].map(as_text, na_action="ignore"), pa.string(), from_pandas=True))
            else:
                arrays.append(self._numbers(frame[name], name, form, declared, (tags or {}).get(position, {})))
            if name not in self.facts["columns"]:
                self._describe(name, form, meta)
        return pa.table(arrays, names=[str(name) for name in meta.column_names])

    def _numbers(self, column: pd.Series, name: str, form: str, declared: list[tuple], tags: dict[int, str]) -> pa.Array:
        """Make numbers or dates of a column; where it says why values are missing, text with codes such as .a."""
        if column.dtype == object:  # numbers among letters
            values = column.to_numpy()
            tags = {i: value for i, value in enumerate(values) if isinstance(value, str)}
            column = pd.Series([np.nan if isinstance(value, str) else value for value in values])
        numbers = column.to_numpy("float64", na_value=np.nan)
        if declared and kind_of(self.program, form):  # a date that means "no value" cannot be explained: it is none
            for low, high in declared:
                numbers = np.where((numbers >= low) & (numbers <= high), np.nan, numbers)
        elif declared:
            self.missing[name] = declared
        array = converted(numbers, self.program, form)
        if not tags:
            return array
        known = {low for low, _ in self.missing.setdefault(name, [])}
        self.missing[name] += [(f".{tag}", f".{tag}") for tag in sorted(set(tags.values())) if f".{tag}" not in known]
        codes = [None if value is None else as_text(value) for value in array.to_pylist()]
        return pa.array([f".{tags[i]}" if i in tags else code for i, code in enumerate(codes)], pa.string())

    def _describe(self, name: str, form: str, meta: Any) -> None:
        labels = (meta.variable_value_labels or {}).get(name) or {}
        if not labels and self.options.get("catalogue"):
            labels = self._catalogue().get(re.sub(r"\d*\.?\d*$", "", form), {})
        text = meta.readstat_variable_types.get(name) == "string"
        said = {"label": (meta.column_names_to_labels or {}).get(name) or "", "format": form,
                "labels": {_code(code, text): str(label) for code, label in labels.items()}}  # fmt: skip
        self.facts["columns"][name] = {key: value for key, value in said.items() if value}

    def _catalogue(self) -> dict[str, dict]:
        if "catalogue" not in self.__dict__:
            self.catalogue = value_labels(Path(self.options["catalogue"]), self.options.get("encoding", ""))
        return self.catalogue


def _code(code: Any, text: bool) -> str:
    """Write a code that has a label; a letter among numbers says why a value is missing."""
    return f".{code}" if isinstance(code, str) and not text else as_text(code)


def value_labels(path: Path, encoding: str = "") -> dict[str, dict]:
    """Read a SAS catalogue: format name -> code -> label (raises model.Refused in one line)."""
    try:
        meta = pyreadstat.read_sas7bcat(str(path), encoding=encoding or None)[1]
    except Exception as error:
        problem = Problem(str(path), "the catalogue cannot be read", "", "Export it again, or leave out catalogue:")
        raise Refused(str(path), [problem]) from error
    return dict(meta.value_labels)
