"""A site file: who the team is, where its extract lies, and how its columns become the common data model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shared_code.config import rooms
from shared_code.config.columns import ColumnMap, FixedColumn, Join, RowMap, TableMap, table_faults
from shared_code.config.linkage import Linkage, linkage_faults
from shared_code.config.people import Person, borrowed_keys, key_bytes, shared_keys
from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.specification import Deviation
from shared_code.config.strict import STEM, Fault, Strict, mapping, unknown
from shared_code.config.study import Policy
from shared_code.model import TABLES, Problem, Refused

SITES = Path("config/sites")


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
    statistics   statistic of the layout -> column with numbers, or columns that are added; optional ones may be lacking
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
    statistics: dict[str, str | list[str]]
    list_size: str = ""
    withheld: dict[str, tuple[int, int | None]] = {}
    not_collected: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _only_what_is_read(self) -> PublishedTable:
        allowed = {"from_", "constant", "values", "date"}
        for name, mapped in {**self.dimensions, **({"breakdown": self.breakdown} if self.breakdown else {})}.items():
            other = sorted(mapped.model_fields_set - allowed)
            if other:
                unknown = ", ".join(other)
                raise ValueError(f"{name} uses {unknown}; published tables know from, constant, values and date")
        if self.breakdown and not (self.breakdown.from_ and self.breakdown.values):
            raise ValueError("breakdown needs from (a column) and values (published name -> dimension, or all)")
        for mark, (lower, upper) in self.withheld.items():
            if lower < 0 or (upper is not None and upper < lower):
                raise ValueError(f"withheld {mark!r}: the range {lower} to {upper} holds no count")
        return self

    @property
    def columns(self) -> dict[str, list[str]]:
        """Give the columns of every number that is read: statistic, or list_size -> columns that are added."""
        named = {**self.statistics, **({"list_size": self.list_size} if self.list_size else {})}
        return {name: [column] if isinstance(column, str) else list(column) for name, column in named.items()}

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
    recorded_dates: bool = False  # whether diagnoses carry the day on which they were written down (the shape spss)
    hospital: Literal["", "patients", "episodes"] = ""  # its records come with identifiers only: a list of patients, or episodes


class Governance(Strict):
    """Under which authority a site takes part: shown in the catalogue; a run after the agreement's end is refused."""

    legal_basis: str
    dpia: str = ""
    agreement_expires: dt.date
    contact: str = ""


class Site(Strict):
    """One team with its own data. `site` is the name of its rooms and of its file.

    people    who may approve its releases: name -> roles and public key
    deviations  analysis -> departures from its plan at this site alone
    site_key  public key with which the site signs what it sends
    """

    site: str = Field(pattern=f"^{STEM}$")
    title: str
    controller: str
    studies: list[str]
    folder: str = ""
    extract_date: dt.date
    disclosure: Policy | None = None
    linkage: Linkage | None = None
    tables: dict[str, TableMap] = {}
    published: list[PublishedTable] = []
    demonstration: Demonstration | None = None
    notes: str = ""
    governance: Governance | None = None
    people: dict[str, Person] = {}
    site_key: str = ""
    deviations: dict[str, list[Deviation]] = {}

    @field_validator("site_key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        if text:
            key_bytes(text)
        return text

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find tables, columns and values that the data model does not have, and made-up data at a real site."""
        tables = mapping(content, "tables")
        yield from unknown(("tables",), tables, TABLES, "a table of the data model")
        for name in [n for n in tables if n in TABLES]:
            yield from table_faults(("tables", name), TABLES[name], mapping(tables, name))
        yield from linkage_faults(mapping(content, "linkage"), tables)
        if content.get("demonstration") is not None and not str(content.get("site")).startswith("demo_"):
            yield Fault(("demonstration",), "only a site whose name begins with demo_ may hold made-up data")
        yield from shared_keys(content)

    @classmethod
    def read(cls, name_or_path: str | Path, sites: Path = SITES) -> Site:
        """Read a site file by the site's name or its path (raises model.Refused with every problem)."""
        path = Path(name_or_path)
        if path.suffix != ".yaml":
            path = sites / f"{name_or_path}.yaml"
        site = refuse_if_invalid(cls, read_yaml(path), path)
        if path.stem not in (site.site, "_template"):
            wrong = f"the file is named {path.stem} but says site: {site.site}"
            raise Refused(str(path), [Problem(f"{path}, site", wrong, "", "Use the same name for both")])
        return site

    def in_force(self, today: dt.date) -> None:
        """Refuse to go on after the site's agreement has ended (raises model.Refused)."""
        if self.governance and today > self.governance.agreement_expires:
            where = f"config/sites/{self.site}.yaml, governance.agreement_expires"
            wrong = f"the agreement ended on {self.governance.agreement_expires}"
            raise Refused(f"A run of {self.title} ({self.site})",
                          [Problem(where, wrong, "a day that has not passed", "Renew the agreement, then change the date")])

    @property
    def extract_folder(self) -> Path:
        """Where the extract lies: where `folder` says, else in its room."""
        return Path(self.folder) if self.folder else rooms.extract(self.site)

    @property
    def made_up(self) -> bool:
        return self.demonstration is not None

    def has(self, need: str) -> bool:
        """Tell whether the site maps a table, or a column of it written table.column."""
        table, _, column = need.partition(".")
        if table not in self.tables:
            return False
        mapped = self.tables[table]
        return not column or column in mapped.columns or column == mapped.number or any(column in r.columns for r in mapped.rows)

    def lacks(self, analysis: Any) -> list[str]:
        """List what an analysis needs and the site does not have."""
        lacking = [need for need in analysis.needs if not self.has(need)]
        return [need for need in lacking if "." not in need or need.partition(".")[0] not in lacking]

    def can_run(self, analysis: Any) -> bool:
        """Tell whether the site has every table and column the analysis needs."""
        return not analysis.tables_only and not self.lacks(analysis)

    def takes_part(self, study: Any) -> None:
        """Refuse to run a study the site takes no part in, or one that asks for days after the extract."""
        where = f"config/sites/{self.site}.yaml"
        problems = []
        if study.study not in self.studies:
            mend = f"Add {study.study} to studies, if your organisation has agreed"
            problems.append(Problem(f"{where}, studies", f"{study.study} is not among them", "", mend))
        last = max(study.index_date, study.period.end - dt.timedelta(days=1))
        if self.extract_date < last:
            wrong = f"the extract of {self.extract_date} ends before the study does"
            problems.append(Problem(f"{where}, extract_date", wrong, f"{last} or later", "Extract again"))
        if problems:
            raise Refused(f"A run of {self.title} ({self.site}) in the study {study.study}", problems)


def sites_of(study: str, sites: Path = SITES) -> list[Site]:
    """Read every site file that takes part in a study, by name (raises model.Refused with the problems of all files)."""
    found: list[Site] = []
    problems: list[Problem] = []
    for path in sorted(sites.glob("*.yaml")):
        if path.name.startswith("_"):
            continue
        try:
            found.append(Site.read(path))
        except Refused as refused:
            if study in str(_studies_named_in(path)):
                problems += refused.problems
    for site in found:
        for key in borrowed_keys(site, found):
            wrong = "it is a key of a made-up site, which everybody can make"
            mend = "Make one of your own: cohortium keys new NAME"
            problems.append(Problem(f"{sites / site.site}.yaml, {key}", wrong, "", mend))
    if problems:
        raise Refused(f"The site files in {sites}", problems)
    return [site for site in found if study in site.studies]


def _studies_named_in(path: Path) -> Any:
    """Read which studies an unusable file names, so that a half-written site stops only the studies it names."""
    try:
        return read_yaml(path).get("studies", "")
    except Refused:
        return path.read_bytes().decode("utf-8", "replace")


__all__ = ["SITES", "ColumnMap", "FixedColumn", "Join", "PublishedTable", "RowMap", "Site", "TableMap", "sites_of"]
