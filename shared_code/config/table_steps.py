"""Steps that change the rows of a table while it is prepared: a closed list of words, each with its settings.

Some work on rows of the extract before its columns are mapped, others on the prepared rows afterwards; docs/site.md says
which. `shared_code/sources/table_steps.py` holds what each does. There is no way to write code or SQL here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, model_validator

from shared_code.config.strict import Fault, Strict, mapping, unknown
from shared_code.model import Table, few


class SpellsFromEpisodes(Strict):
    """One row per hospital spell: what the first episode says, and from the last episode the columns named.

    A spell is all episodes of one person, at one provider, with one date of admission (columns of the extract).
    """

    person: str
    admitted: str
    order: str  # number of the episode in its spell
    episode: str  # identifier of the episode; decides where two have the same number
    provider: str = ""
    last: list[str] = []


class RowsFromColumns(Strict):
    """One row per filled column: DIAG_01, DIAG_02, … become rows with the value and its position, 1 being the first.

    Empty columns, and codes that the table's `missing` names, make no row. `value` and `position` name new columns.
    """

    columns: list[str] = Field(min_length=2)
    value: str
    position: str = ""


class OneAttendance(Strict):
    """Keep the first of several arrivals of a person, each at most so many minutes after the one before."""

    minutes: int = Field(10, ge=0, le=24 * 60)


class TableStep(Strict):
    """One step: exactly one of these words.

    On rows of the extract, before columns are mapped:
    leave_out             rows that hold these codes: column -> code or codes
    spells_from_episodes  one row per spell       rows_from_columns  one row per filled column
    On prepared rows (columns of the data model):
    distinct_rows         drop rows that are equal in every column
    latest_by, earliest_by   of several rows with one key, keep the one with the latest (earliest) value of this column
    one_attendance_from_duplicates   one row per attendance
    """

    leave_out: dict[str, Any] | None = None
    spells_from_episodes: SpellsFromEpisodes | None = None
    rows_from_columns: RowsFromColumns | None = None
    distinct_rows: bool = False
    latest_by: str = ""
    earliest_by: str = ""
    one_attendance_from_duplicates: OneAttendance | None = None

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, content: Any) -> Any:
        """A word may stand alone where its settings have defaults: `- distinct_rows`."""
        alone = {"distinct_rows": True, "one_attendance_from_duplicates": {}}
        return {content: alone.get(content, {})} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _one_word(self) -> TableStep:
        if len(self.words) != 1:
            raise ValueError(f"a step is one word, not {few(self.words) or 'none'}; write each on a line of its own")
        return self

    @property
    def words(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) not in (None, False, "")]

    @property
    def word(self) -> str:
        return self.words[0]

    def extract_columns(self) -> list[str]:
        """Name the columns of the extract that the step reads."""
        if self.leave_out is not None:
            return list(self.leave_out)
        if self.spells_from_episodes:
            spell = self.spells_from_episodes
            return [c for c in (spell.person, spell.provider, spell.admitted, spell.order, spell.episode, *spell.last) if c]
        return list(self.rows_from_columns.columns) if self.rows_from_columns else []

    def new_columns(self) -> list[str]:
        """Name the columns that the step adds to the rows of the extract."""
        wide = self.rows_from_columns
        return [c for c in (wide.value, wide.position) if c] if wide else []


def step_faults(where: tuple[str, ...], table: Table, steps: list[Any]) -> Iterator[Fault]:
    """Find columns of the data model that a step names and the table does not have. `steps` is as written."""
    for i, step in enumerate(steps):
        for word in ("latest_by", "earliest_by"):
            named = [step[word]] if isinstance(step, dict) and isinstance(step.get(word), str) else []
            yield from unknown((*where, str(i), word), named, table.column_names, f"a column of {table.name}")
        attendance = step == "one_attendance_from_duplicates" or "one_attendance_from_duplicates" in mapping(step)
        if attendance and "arrival" not in table.column_names:
            yield Fault((*where, str(i)), f"{table.name} has no arrivals to compare", "the table ed_attendance")
