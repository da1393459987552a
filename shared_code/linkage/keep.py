"""What stays of a linkage, in `private/<site>/linkage/`: pseudonyms, methods, bands, positions of rows and counts.

links/<source>.parquet   record (pseudonym of the source's own number), person_id (missing: unlinked), link_method, weight_band,
                         linker_version
index.parquet            the person master index with its history: one row a person and version, never overwritten
merges.parquet           superseded and current pseudonyms, versioned; there only if numbers were ever merged
versions.json            version -> date of the extract and linker that made it
review.csv               pairs for a person to look at: source, row, index_row, reason, probability
to_check.csv             a sample of links to check: source, row, index_row, weight_band, stands_for, right (to be filled in).
                         Saved as checked.csv beside it, it is read by the next run
linkage.parquet, linkage.json   counts for data quality (see `counters`)

`row` and `index_row` are positions in the source and in the register as delivered, counted from 1.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config.digests import of_json
from shared_code.config.private import for_owner_only
from shared_code.config.site import Site
from shared_code.linkage import counters
from shared_code.linkage.counters import STRATA, counted
from shared_code.linkage.index import FIRST, LAST, build, revise
from shared_code.linkage.people import People
from shared_code.linkage.plausible import implausible
from shared_code.linkage.quality import Quality, checked_precision, to_check
from shared_code.linkage.settings import EXACT_BAND, LINKER_VERSION, METHODS, REVIEW
from shared_code.linkage.source import Source
from shared_code.sources.pseudonyms import pseudonym, record_pseudonym

CHECKED = "checked.csv"
LOOSE, STRICT, STRICT_BAND = 0.95, 0.999, "0.999+"  # accepting thresholds of the sensitivity analysis
YES, NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


@dataclass
class Earlier:
    """Hold what an earlier linkage of the site left; version 0 if there was none."""

    version: int = 0
    versions: tuple[dict[str, Any], ...] = ()
    index: pd.DataFrame | None = None
    merges: pd.DataFrame | None = None
    checked: pd.DataFrame | None = None


def earlier(folder: Path) -> Earlier:
    """Read what an earlier linkage left."""
    versions = json.loads((folder / "versions.json").read_text("utf-8")) if (folder / "versions.json").is_file() else []
    kept = [folder / name for name in ("index.parquet", "merges.parquet")]
    index, merges = (pd.read_parquet(path) if path.is_file() else None for path in kept)
    checked = pd.read_csv(folder / CHECKED, dtype="string") if (folder / CHECKED).is_file() else None
    return Earlier(max((v["version"] for v in versions), default=0), tuple(versions), index, merges, checked)


def write(connection: Any, site: Site, key: bytes, sources: list[Source], people: People, before: Earlier, folder: Path,
          target: Path) -> dict[str, Any]:  # fmt: skip
    """Write everything that stays beside the place it will have, then put it there; returns what linkage.json holds."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "links").mkdir(parents=True)
    for_owner_only(partial)
    try:
        for source in sources:
            _links(source, site.site, key).to_parquet(partial / "links" / f"{source.name}.parquet", index=False)
        _seen(connection, site, sources, people)
        version, changed = _index(connection, site, people, before, partial)
        review, sample = _to_look_at(sources, people)
        review.to_csv(partial / "review.csv", index=False)
        sample.to_csv(partial / "to_check.csv", index=False)
        if before.checked is not None:
            before.checked.to_csv(partial / CHECKED, index=False)
        tables = [counted(s.name, s.facts, _hidden(s), s.of_index) for s in sources[1:]]
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(counters.COLUMNS))
        table.to_parquet(partial / "linkage.parquet", index=False)
        report = _report(site, key, sources, people, version, changed, before, folder) | {
            "implausible": implausible(connection.con, "seen").to_dict("records")}  # fmt: skip
        (partial / "linkage.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return report


def digest(site: Site, folder: Path) -> str:
    """Digest what a linkage depends on: settings, and name, size and time of every file it may read."""
    assert site.linkage is not None
    sources = [*site.linkage.records.values(), *([site.linkage.superseded] if site.linkage.superseded else [])]
    places = [place for s in sources for place in (s, *getattr(s, "join", []), *getattr(s, "look_up", []))]
    named = {name for place in places for name in (place.file, *place.files) if name}
    files = sorted({path for name in named for path in folder.glob(name) if path.is_file()})
    areas = site.tables["area_lookup"].model_dump(mode="json") if "area_lookup" in site.tables else None
    return of_json([site.linkage.model_dump(mode="json"), site.extract_date, areas, LINKER_VERSION,
                    [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]])  # fmt: skip


def up_to_date(site: Site, folder: Path, target: Path) -> bool:
    """Tell whether the linkage in a folder is that of these settings and files."""
    path = target / "linkage.json"
    return path.is_file() and json.loads(path.read_text("utf-8")).get("made_from") == digest(site, folder)


def _links(source: Source, site: str, key: bytes) -> pd.DataFrame:
    facts = source.facts
    record = [record_pseudonym(key, site, source.name, str(r)) for r in facts["record"]]
    words = {name: facts[name].astype("category") for name in ("link_method", "weight_band")}
    return pd.DataFrame({"record": record, "person_id": facts["person_id"], **words, "linker_version": LINKER_VERSION})


def _seen(connection: Any, site: Site, sources: list[Source], people: People) -> None:
    """Make the table `seen`: what every source saw of people it is linked to."""
    parts = []
    for place, source in enumerate(sources):
        who = source.facts[["row", "person_id"]]
        who = who.assign(original=people.rows["original"].to_numpy() if place == 0 else who["person_id"])
        connection.con.register(f"who_{source.name}", who[who["person_id"].notna()])
        parts.append(f"""SELECT w.original AS person_id_seen, w.person_id, '{source.name}' AS source_name,
            '{source.settings.kind}' AS source, {place == 0} AS is_index, seen_on, death_date, provider, practice_code, lsoa21,
            sex, date_trunc('month', birth)::DATE AS birth_month
            FROM tidy_{source.name} t JOIN who_{source.name} w USING (row)""")
    connection.con.execute(f"CREATE OR REPLACE TABLE sightings AS {' UNION ALL '.join(parts)}")
    connection.con.execute("CREATE OR REPLACE VIEW seen AS SELECT * EXCLUDE (source, source_name), source_name AS source "
                           "FROM sightings")  # fmt: skip


def _index(connection: Any, site: Site, people: People, before: Earlier, partial: Path) -> tuple[int, int]:
    """Write the index, the merges and the versions; returns the version and how many people it changed or added."""
    assert site.linkage is not None
    day = site.extract_date.isoformat()
    connection.con.execute(f"""CREATE OR REPLACE VIEW for_index AS SELECT person_id_seen AS person_id, source,
        coalesce(seen_on, DATE '{day}') AS seen_on, birth_month, sex, practice_code, lsoa21, death_date FROM sightings""")
    pairs = pd.DataFrame({"superseded": list(people.current), "current": list(people.current.values())}, dtype=object)
    merges = connection.create_table("merges_now", pairs, temp=True) if len(pairs) else None
    now = build(connection.table("for_index"), merges, precedence=site.linkage.precedence).execute()
    version = before.version + 1
    history = revise(before.index, now, version)
    changed = int((history[FIRST] == version).sum())
    closed = int((history[LAST] == version).sum())
    versions = list(before.versions)
    if changed or closed or people.new_merges or not versions:
        versions.append({"version": version, "extract_date": day, "linker_version": LINKER_VERSION, "people": len(now)})
    else:
        version = before.version
        history = before.index
    history.to_parquet(partial / "index.parquet", index=False)
    if people.merges is not None:
        people.merges.to_parquet(partial / "merges.parquet", index=False)
    (partial / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", "utf-8")
    return version, changed


def _to_look_at(sources: list[Source], people: People) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the pairs to review and the links to check, by positions of rows."""
    place = people.rows.drop_duplicates("original").set_index("original")["row"]
    review, sample = [], []
    for source in [s for s in sources if s.linked is not None]:
        pairs = source.linked.review
        review.append(pd.DataFrame({
            "source": source.name, "row": pairs["record_id"].astype("int64"), "index_row": pairs["person_id"].map(place),
            "reason": pairs["reason"], "probability": pairs["probability"].round(4), "why": pairs["reason"].map(REVIEW),
        }))  # fmt: skip
        drawn = to_check(source.linked)
        sample.append(pd.DataFrame({
            "source": source.name, "row": drawn["record_id"].astype("int64"), "index_row": drawn["person_id"].map(place),
            "weight_band": drawn["weight_band"].astype(str), "stands_for": drawn["stands_for"].round(6), "right": "",
        }))  # fmt: skip
    both = [pd.concat(x, ignore_index=True).sort_values(["source", "row"], kind="stable") if x else pd.DataFrame()
            for x in (review, sample)]  # fmt: skip
    return both[0], both[1]


def _hidden(source: Source) -> pd.DataFrame:
    nothing = pd.DataFrame({c: pd.Series(dtype=object) for c in ("right", "wrong", "missed", *STRATA)})
    return nothing if source.hidden is None else source.hidden


def _report(site: Site, key: bytes, sources: list[Source], people: People, version: int, changed: int, before: Earlier,
            folder: Path) -> dict[str, Any]:  # fmt: skip
    return {
        "format": counters.FORMAT, "site": site.site, "extract_date": site.extract_date.isoformat(),
        "linker_version": LINKER_VERSION, "key_id": pseudonym(key, "key-id", "")[:8], "version": version,
        "made_from": digest(site, folder),
        "index": {"source": sources[0].name, "people": int(sources[0].facts["person_id"].nunique()),
                  "rows": len(people.rows), "without_valid_number": people.without_number, "sharing_a_number": people.sharing,
                  "merges": len(people.current), "new_merges": people.new_merges, "changed": changed,
                  "numbers": sources[0].numbers},
        "sources": {s.name: _of_source(s, before.checked, people, site) for s in sources[1:]},
    }  # fmt: skip


def _of_source(source: Source, checked: pd.DataFrame | None, people: People, site: Site) -> dict[str, Any]:
    assert source.linked is not None and site.linkage is not None
    facts, report = source.facts, source.linked.report
    methods = facts["link_method"].value_counts()
    reasons: dict[str, int] = {}
    for row in source.numbers:
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + row["rows"]
    return {
        "kind": source.settings.kind, "records": len(facts), "identities": int(report["records"]),
        "with_identifier": int(facts["with_identifier"].sum()), "linked": int(facts["person_id"].notna().sum()),
        "methods": {name: int(methods.get(name, 0)) for name in METHODS},
        "bands": {str(k): int(v) for k, v in facts["weight_band"].value_counts().sort_index().items()},
        "numbers": source.numbers, "reasons": reasons, "review": report["review"], "vetoed": report["vetoed"],
        "thresholds": _thresholds(source), "model": report["model"]["origin"], "accept": site.linkage.accept,
        "clerical": site.linkage.clerical, "quality": _quality(source.hidden), "checked": _checked(source, checked, people),
    }  # fmt: skip


def _quality(hidden: pd.DataFrame | None) -> dict[str, Any] | None:
    if hidden is None:
        return None
    found = Quality(*(int(hidden[c].sum()) for c in ("right", "wrong", "missed")))
    measures = {}
    for measure, value, lower, upper in found.table().itertuples(index=False):
        measures[measure] = value
        if measure != "f1":
            measures |= {f"{measure}_lower": lower, f"{measure}_upper": upper}
    clean = {k: round(float(v), 6) if v == v else None for k, v in measures.items()}
    return {"hidden": len(hidden), "right": found.right, "wrong": found.wrong, "missed": found.missed, **clean}


def _thresholds(source: Source) -> list[dict[str, Any]]:
    """Count records linked if fewer or more pairs were accepted (sensitivity, specification 12.6).

    From the probabilities at hand: a lower threshold would accept pairs that are now listed for review as clerical.
    """
    assert source.linked is not None
    pairs, bands = source.linked.review, source.facts["weight_band"]
    more = pairs.loc[(pairs["reason"] == "clerical") & (pairs["probability"] >= LOOSE), "record_id"].astype("int64")
    unit = "row" if source.settings.one_record_a_person else "identity"
    linked = int(source.facts["person_id"].notna().sum())
    return [{"accept": LOOSE, "linked": linked + int(source.facts[unit].isin(more).sum())},
            {"accept": STRICT, "linked": int(bands.isin([EXACT_BAND, STRICT_BAND]).sum())}]  # fmt: skip


def _checked(source: Source, checked: pd.DataFrame | None, people: People) -> dict[str, Any] | None:
    """Read what a person found of the sample; answers about links that are no longer made do not count."""
    if checked is None or not {"source", "row", "index_row", "weight_band", "stands_for", "right"} <= set(checked.columns):
        return None
    answer = checked["right"].str.strip().str.lower()
    said = checked[(checked["source"] == source.name) & answer.isin(YES + NO)]
    kinds = {"row": "int64", "index_row": "float64", "stands_for": "float64"}
    said = said.assign(right=answer.loc[said.index].isin(YES)).astype(kinds)
    then = said["index_row"].map(people.rows.set_index("row")["person_id"])
    now = said["row"].map(source.facts.set_index("row")["person_id"])
    said = said[then.notna() & (then == now)]
    if said.empty:
        return None
    precision, error = checked_precision(said)
    return {"links": len(said), "precision": round(precision, 6), "se": round(error, 6)}
