"""A site file: who the team is, where its extract lies, and how its columns become the common data model."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.study import STEM, Policy, Strict
from shared_code.model import TABLES, did_you_mean

SITES = Path("config/sites")


class ColumnMap(Strict):
    """How one column of a prepared table is made from the extract: one source, then named transformations.

    from         column of the extract           constant     the same value in every row
    values       code of the extract -> code of the data model; a code that is not listed is an error
    missing      codes of this column that mean "no value" (added to the table's own `missing`)
    date         format of a text date, as in strptime, e.g. "%d/%m/%Y"
    first_of_month   keep only the month of a date
    months_before    birth month = `at` minus this many months of age given in `from`
    years_before     the same with completed years (half a year is assumed)
    months_after     date = `at` plus the months given in `from`
    pseudonymise     keyed HMAC-SHA-256 of the identifier (see docs/site.md for the key)
    icd10            upper case, no dot, no dagger or asterisk
    prefix           text put before the value
    """

    from_: str = Field("", alias="from")
    constant: Any = None
    values: dict[str, Any] = {}
    missing: list[Any] = []
    date: str = ""
    first_of_month: bool = False
    months_before: dt.date | None = None
    years_before: dt.date | None = None
    months_after: dt.date | None = None
    pseudonymise: bool = False
    icd10: bool = False
    prefix: str = ""
    model_config = {"extra": "forbid", "frozen": True, "populate_by_name": True}

    @model_validator(mode="before")
    @classmethod
    def _yaml_keys_are_text(cls, content: Any) -> Any:
        if isinstance(content, dict) and isinstance(content.get("values"), dict):
            return {**content, "values": {str(k): v for k, v in content["values"].items()}}
        return content

    @model_validator(mode="after")
    def _one_source(self) -> ColumnMap:
        if bool(self.from_) == (self.constant is not None):
            raise ValueError("give exactly one of from or constant")
        return self


class RowMap(Strict):
    """One kind of row made from a wide extract: which rows qualify, and the columns that differ."""

    where: dict[str, Any] = {}
    columns: dict[str, ColumnMap] = {}


class FixedColumn(Strict):
    """A column of a fixed-width file: first and last character, counted from 1."""

    first: int = Field(ge=1)
    last: int = Field(ge=1)


class Join(Strict):
    """Another file of the extract whose columns are added where the identifier `by` agrees."""

    file: str
    by: str
    fixed_width: dict[str, FixedColumn] = {}


class TableMap(Strict):
    """How one prepared table is made: the file (and sheet, or table of a database), and its columns."""

    file: str
    table: str = ""
    sheet: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    fixed_width: dict[str, FixedColumn] = {}
    missing: list[Any] = []
    where: dict[str, Any] = {}
    present: list[str] = []  # keep only rows that have a value in these columns of the extract
    join: list[Join] = []
    columns: dict[str, ColumnMap]
    rows: list[RowMap] = []
    number: str = ""  # column of the data model that numbers the rows (an identifier the extract lacks)


class PublishedTable(Strict):
    """How a results table is read from tables that were already published (a tables-only site): YAML, never code.

    file, sheet  the published file in the site's `folder`, and the sheet of a workbook (column names in its first row)
    analysis, results   the results table of the study that is filled; several entries may fill one table together
    where        which rows are this site's: column -> value or list of values
    leave_out    rows known and not wanted: column -> values (a row that is neither explained nor left out is an error)
    dimensions   dimension -> from or constant, and values (published -> ours) or date (format of a month)
    breakdown    column that names what a row is broken out by, for files with one column for the levels of all
                 breakdowns; its values lead to one of our dimensions or to "all". A dimension named there holds "all"
                 in every row that is broken out by something else
    statistics   statistic of the layout -> column with whole numbers; optional ones may be lacking
    list_size    column with the number of people at risk, for tables by month: person_days = it x days in the month
    withheld     text that stands for a number the publisher withheld -> the range it lies in; ["<5": [1, 4]]; an
                 upper end of null is unknown
    not_collected  dimension -> level the site has no figures for -> why, in a few words for the report
    """

    file: str
    sheet: str = ""
    analysis: str
    results: str
    where: dict[str, Any] = {}
    leave_out: dict[str, list[Any]] = {}
    dimensions: dict[str, ColumnMap]
    breakdown: ColumnMap | None = None
    statistics: dict[str, str]
    list_size: str = ""
    withheld: dict[str, tuple[int, int | None]] = {}
    not_collected: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _only_what_is_read(self) -> PublishedTable:
        allowed = {"from_", "constant", "values", "date"}
        for name, mapped in {**self.dimensions, **({"breakdown": self.breakdown} if self.breakdown else {})}.items():
            other = sorted(mapped.model_fields_set - allowed)
            if other:
                raise ValueError(f"{name} uses {', '.join(other)}; published tables know from, constant, values and date")
        if self.breakdown and not (self.breakdown.from_ and self.breakdown.values):
            raise ValueError("breakdown needs from (a column) and values (published name -> dimension, or all)")
        return self

    @property
    def broken_out(self) -> set[str]:
        """Give the dimensions whose levels stand in rows that `breakdown` names."""
        return set(self.breakdown.values.values()) if self.breakdown else set()


class Demonstration(Strict):
    """Settings of a made-up site: how many people, from which seed, and in which shape they are delivered."""

    seed: int
    shape: Literal["spss", "stata", "sas", "csv", "sqlite"]
    deprivation: list[float] = Field(min_length=10, max_length=10)
    ethnicity: dict[str, float]
    wards: list[str]
    lacks: list[str] = []


class Site(Strict):
    """One team with its own data. `site` is the name of its rooms and of its file."""

    site: str = Field(pattern=f"^{STEM}$")
    title: str
    controller: str
    studies: list[str]
    folder: str = ""
    extract_date: dt.date
    disclosure: Policy | None = None
    tables: dict[str, TableMap] = {}
    published: list[PublishedTable] = []
    demonstration: Demonstration | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _known(self) -> Site:
        for name, mapped in self.tables.items():
            if name not in TABLES:
                raise ValueError(f"tables.{name} is not a table of the data model{did_you_mean(name, TABLES)}")
            known = TABLES[name].column_names
            used = [*mapped.columns, *(c for row in mapped.rows for c in row.columns)]
            for column in used:
                if column not in known:
                    raise ValueError(
                        f"tables.{name}.columns.{column} is not a column of {name}{did_you_mean(column, known)}"
                    )
        if self.demonstration is not None and not self.site.startswith("demo_"):
            raise ValueError("only a site whose name begins with demo_ may hold made-up data")
        return self

    @classmethod
    def read(cls, name_or_path: str | Path, sites: Path = SITES) -> Site:
        """Read a site file by the site's name or its path (raises model.Refused with every problem)."""
        path = Path(name_or_path)
        if path.suffix != ".yaml":
            path = sites / f"{name_or_path}.yaml"
        site = refuse_if_invalid(cls, read_yaml(path), path)
        if path.stem not in (site.site, "_template"):
            from shared_code.model import Problem, Refused

            wrong = f"the file is named {path.stem} but says site: {site.site}"
            raise Refused(str(path), [Problem(f"{path}, site", wrong, "", "Use the same name for both")])
        return site

    @property
    def made_up(self) -> bool:
        return self.demonstration is not None

    def can_run(self, analysis: Any) -> bool:
        """Tell whether the site has every table the analysis needs."""
        return not analysis.tables_only and all(table in self.tables for table in analysis.needs)


def sites_of(study: str, sites: Path = SITES) -> list[Site]:
    """Read every site file that takes part in a study, by name."""
    found = [Site.read(path) for path in sorted(sites.glob("*.yaml")) if not path.name.startswith("_")]
    return [site for site in found if study in site.studies]
