"""The linkage of a site: from its files with identifiers to links, a person master index and counts, in the private room.

Identifiers are read into a folder that only its owner can read and that is removed at the end, whatever happens. What
stays (see `keep`) holds pseudonyms, methods, weight bands, positions of rows and counts. Nothing is written until all of it
is, and an earlier linkage stays as it was when this one is refused.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import pandas as pd

from shared_code.config.linkage import Identified
from shared_code.config.site import Site
from shared_code.linkage import keep
from shared_code.linkage.counters import STRATA
from shared_code.linkage.people import People, people_of, tally
from shared_code.linkage.quality import gold_standard
from shared_code.linkage.records import strata_of, tidy
from shared_code.linkage.run import link
from shared_code.linkage.settings import EXACT_BAND, Settings
from shared_code.linkage.source import Source
from shared_code.model import Problem, Refused
from shared_code.sources.identified import deciles, read_identified, read_superseded
from shared_code.sources.landing import quoted
from shared_code.sources.pseudonyms import key_of

Say = Callable[[str], None]
RANDOM_PAIRS_A_PERSON, MOST_RANDOM_PAIRS = 20, 2_000_000
FEWEST_FOR_GOLD = 20  # records linked by number; fewer say nothing about the others
FACTS = ("row", "record", "identity", "number IS NOT NULL AS valid_number", "with_identifier")


def link_site(site: Site, folder: Path, room: Path, say: Say = lambda text: None) -> dict[str, Any]:
    """Link the records of a site to its people; returns what linkage.json holds.

    folder  where the extract lies        room  the site's private room; the result replaces its folder `linkage`
    Raises model.Refused with the problems of every source, and when there is no usable key.
    """
    if site.linkage is None:
        raise Refused(site.site, [Problem(f"config/sites/{site.site}.yaml", "it has no section linkage",
                                          "linkage: {index: …, records: …}", "Add it, or leave this step out")])  # fmt: skip
    key = key_of(site.demonstration.seed if site.demonstration else None, room)  # before anything is read
    room.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="linkage-read-", dir=room))  # mkdtemp: for the owner only
    connection = ibis.duckdb.connect()
    try:
        connection.raw_sql(f"SET temp_directory = {quoted(place / 'spill')}")
        connection.raw_sql("SET temp_file_encryption = true")
        return _linked(connection, site, key, folder, room, place, say)
    except Refused:
        raise
    except Exception as problem:
        if site.made_up:
            raise
        kind = type(problem).__name__
    finally:
        connection.disconnect()
        shutil.rmtree(place, ignore_errors=True)
    # outside the handler, so that no message of an engine, which may show values, hangs on to this one
    raise Refused(f"The records of {site.title} ({site.site})", [Problem(
        f"config/sites/{site.site}.yaml, linkage", f"the linkage stopped with {kind}, whose words may show identifiers", "",
        "Check the types of the columns, or try the same settings on made-up records")])  # fmt: skip


def _linked(connection: Any, site: Site, key: bytes, folder: Path, room: Path, place: Path, say: Say) -> dict[str, Any]:
    section = site.linkage
    assert section is not None
    files = _read(connection, site, folder, place, say)
    areas = deciles(connection, site, folder, place)
    settings = Settings(room, accept=section.accept, clerical=section.clerical, made_up=site.made_up, key=key)
    for name, path in files.items():
        known = connection.read_parquet(areas) if areas else None
        connection.create_table(f"tidy_{name}", tidy(connection.read_parquet(path), settings, site.extract_date, known))
    before = keep.earlier(room / "linkage")
    people = people_of(connection, site.site, key, section.index, list(section.others),
                       read_superseded(connection, site, folder, place), before.merges, before.version + 1, settings)  # fmt: skip
    pairs = min(MOST_RANDOM_PAIRS, RANDOM_PAIRS_A_PERSON * len(people.rows))
    settings = replace(settings, random_pairs=pairs)
    links = people.rows[["row", "person_id"]].assign(link_method="index", weight_band=EXACT_BAND)
    register = section.records[section.index]
    sources = [Source(section.index, register, _facts(connection, section.index, register, links, areas is not None),
                      tally(connection, files[section.index], settings))]  # fmt: skip
    for name, source in section.others.items():
        say(f"{site.title}: linking {name}")
        found = _one_source(connection, name, source, files, section.index, people, settings, place, areas is not None)
        _strata_of_index(found, sources[0])
        _gold(found, files[section.index], place, settings)
        sources.append(found)
    say(f"{site.title}: index of people, counts")
    return keep.write(connection, site, key, sources, people, before, folder, room / "linkage")


def _read(connection: Any, site: Site, folder: Path, place: Path, say: Say) -> dict[str, Path]:
    """Read every source, and name the problems of all of them together."""
    assert site.linkage is not None
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    for name, source in site.linkage.records.items():
        say(f"{site.title}: reading {name}")
        try:
            files[name] = read_identified(connection, name, source, site, folder, place)
        except Refused as refused:
            problems += [problem for problem in refused.problems if problem not in problems]
    if problems:
        raise Refused(f"The records of {site.title} ({site.site})", problems)
    return files


def _one_source(connection: Any, name: str, source: Identified, files: dict[str, Path], index: str, people: People,
                settings: Settings, place: Path, areas: bool) -> Source:  # fmt: skip
    """Link one source. Of records that are equal in every identifier, one is linked where a person may have many."""
    chosen = "" if source.one_record_a_person else f" WHERE row IN (SELECT identity FROM tidy_{name})"
    connection.raw_sql(f"""COPY (SELECT row::VARCHAR AS record_id, {quoted(name)} AS source, nhs_number, surname, forename,
        date_of_birth, sex, postcode FROM read_parquet({quoted(files[name])}){chosen} ORDER BY row)
        TO {quoted(_to_link(place, name))} (FORMAT parquet)""")
    linked = link(_to_link(place, name), files[index], _for(source, settings), superseded=people.superseded)
    links = pd.DataFrame({
        "row": linked.links["record_id"].astype("int64"), "link_method": linked.links["link_method"].astype(str),
        "person_id": linked.links["person_id"].map(lambda i: people.current.get(i, i), na_action="ignore"),
        "weight_band": linked.links["weight_band"].astype(str),
    })  # fmt: skip
    facts = _facts(connection, name, source, links, areas)
    return Source(name, source, facts, tally(connection, files[name], settings), linked)


def _facts(connection: Any, name: str, source: Identified, links: pd.DataFrame, areas: bool) -> pd.DataFrame:
    """Put a source's links beside its records."""
    strata = strata_of(set(source.columns), areas)
    facts = connection.con.execute(f"SELECT {', '.join([*FACTS, *strata])} FROM tidy_{name} ORDER BY row").df()
    by = "row" if len(links) == len(facts) else "identity"
    return facts.merge(links.rename(columns={"row": by}), on=by, how="left", validate="many_to_one")


def _strata_of_index(found: Source, index: Source) -> None:
    """Add the strata that a source does not know, as the index knows them of the people its records are linked to."""
    found.of_index = tuple(c for c in STRATA if c in index.facts and c not in found.facts and c != "month")
    people = index.facts.drop_duplicates("person_id")[["person_id", *found.of_index]]
    found.facts = found.facts.merge(people, on="person_id", how="left")


def _gold(found: Source, people: Path, place: Path, settings: Settings) -> None:
    """Measure a source against its own records with the number hidden."""
    assert found.linked is not None
    if (found.linked.links["link_method"] == "D1").sum() < FEWEST_FOR_GOLD:
        return
    hidden = gold_standard(_to_link(place, found.name), people, found.linked, _for(found.settings, settings))
    hidden = pd.DataFrame({"row": hidden["record_id"].astype("int64"), **{c: hidden[c] for c in ("right", "wrong", "missed")}})
    found.hidden = hidden.merge(found.facts[["row", *[c for c in STRATA if c in found.facts]]], on="row", how="left")


def _for(source: Identified, settings: Settings) -> Settings:
    return replace(settings, one_to_one=source.one_record_a_person)


def _to_link(place: Path, name: str) -> Path:
    return place / f"{name}.to_link.parquet"
