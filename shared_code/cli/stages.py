"""The stages of a study as functions; the Snakefile and the command line call these and nothing else."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import Any

from shared_code.config import Site, Study, rooms, sites_of
from shared_code.config.private import POSIX, for_owner_only, kept_private
from shared_code.config.site import SITES
from shared_code.model import Problem, Refused

ROOT = Path(".")
PROBLEMS = "logs/problems.txt"  # in a site's private room


def extract_demo(name: str, people: int, study: Study) -> str:
    """Make up the extract of a demonstration site."""
    from shared_code.releases import ledger
    from shared_code.synthetic import make_extract

    site = Site.read(name)
    if not site.made_up:
        wrong = "only demonstration sites have made-up data"
        raise Refused(name, [Problem(f"config/sites/{name}.yaml", wrong, "a site named demo_…", "Extract it yourself")])
    make_extract(site, people, rooms.extract(name), study.index_date, study.period.start)
    ledger.start_anew(rooms.ledger(name), "the people of this demonstration site were made up anew", sent_of(name))
    return f"Made up {people:,} people for {site.title} in {rooms.extract(name)}."


def prepare(name: str, say: Any) -> str:
    """Turn a site's extract into prepared tables; link its records first, where the site asks for it."""
    from shared_code.linkage.keep import up_to_date
    from shared_code.sources.prepare import prepare as prepare_site

    site = Site.read(name)
    site.in_force(dt.date.today())
    close_room(name)
    folder = site.extract_folder
    if site.linkage is not None and not up_to_date(site, folder, rooms.linkage(name)):
        say(link(name, say))
    try:
        rows = prepare_site(site, folder, rooms.prepared(name), say)
    except Refused as refused:
        raise refused.without_values(kept_private(rooms.PRIVATE / name, PROBLEMS, f"{refused}\n").as_posix()) from None
    return f"Prepared {len(rows)} tables of {site.title} in {rooms.prepared(name)}: {rows.get('person', 0):,} people."


def link(name: str, say: Any) -> str:
    """Link the records of a site to its people, and say how it went: counts only."""
    import pandas as pd

    from shared_code.linkage.site import link_site
    from shared_code.reporting.linkage import linkage_page, told

    site = Site.read(name)
    site.in_force(dt.date.today())
    room = close_room(name)
    try:
        report = link_site(site, site.extract_folder, room, say)
    except Refused as refused:
        raise refused.without_values(kept_private(room, PROBLEMS, f"{refused}\n").as_posix()) from None
    page = rooms.linkage(name) / "linkage.html"
    counts = pd.read_parquet(rooms.linkage(name) / "linkage.parquet")
    page.write_text(linkage_page(site.title, report, counts, site.made_up), "utf-8")
    register = f"{report['index']['people']:,} people in the index (version {report['version']})"
    return "\n".join([f"Linked the records of {site.title}: {register}.",
                      *(told(source, found) for source, found in report["sources"].items()),
                      f"How it went, and who is missed: {page}. It stays here."])  # fmt: skip


def close_room(name: str) -> Path:
    """Close a site's private room to everyone but its owner, and create what follows for the owner only."""
    if POSIX:
        os.umask(0o077)
    return for_owner_only(rooms.PRIVATE / name)


def analyse(name: str, stem: str, study_file: Path, study: Study, run: Any = None) -> str:
    """Run one notebook on one site's prepared tables; run is how, where it is not by a kernel of its own."""
    from shared_code.config.minimum_quality import missed
    from shared_code.config.study import QUALITY
    from shared_code.execution import run_notebook

    study.analysis(stem)
    site = Site.read(name)
    site.in_force(dt.date.today())
    site.takes_part(study)
    close_room(name)
    results = rooms.results(name, study.study) / stem
    shutil.rmtree(results, ignore_errors=True)
    reasons = missed(study, results.parent, stem)
    if reasons:
        from shared_code.quality import record

        record.write_not_run(results, rooms.notebook(name, study.study, stem), stem, reasons)
        return f"Did not run {stem} for {name}: below the minimum quality ({'; '.join(reasons)})."
    parameters = {"study": study_file.as_posix(), "prepared": rooms.prepared(name).as_posix(),
                  "results": results.as_posix()}  # fmt: skip
    run = run or run_notebook
    run(Path("notebooks") / f"{stem}.ipynb", rooms.notebook(name, study.study, stem), parameters, ROOT)
    if stem == QUALITY:
        from shared_code.cli.quality import quality_before
        from shared_code.quality import record

        checks = record.write_quality(study, results, rooms.prepared(name), quality_before(name, study))["checks"].values()
        say = {word: sum(check["verdict"] == word for check in checks) for word in ("stop", "look")}
        return (f"Ran {stem} for {name}: {say['stop']} checks say stop, {say['look']} say look; {results / record.WORDS} "
                "says why, in words.")  # fmt: skip
    return f"Ran {stem} for {name}; its tables are in {results}."


def release(name: str, study: Study) -> str:
    """Protect all results of a site, also against what it released before, and write a draft of its package."""
    from shared_code.releases import ledger
    from shared_code.releases.release import release as release_site

    target = rooms.draft(name, study.study)
    site = Site.read(name)
    site.in_force(dt.date.today())
    site.takes_part(study)
    close_room(name)
    earlier = ledger.read(rooms.ledger(name), study.study, sent_of(name))
    manifest = release_site(site, study, rooms.results(name, study.study), target, rooms.prepared(name), earlier)
    tables = manifest["disclosure"]["tables"].values()
    withheld, cells = (sum(t.get(key, 0) for t in tables) for key in ("withheld", "cells"))
    return f"Wrote {target}: {cells:,} numbers, {withheld:,} of them withheld. People approve it next."


def sent_of(name: str) -> list[str]:
    """List the digests of everything that a site is known to have sent, in every study (the records in the outbox)."""
    from shared_code.releases.approve import sent_before

    return [entry["content"] for path in sorted(rooms.OUTBOX.glob(f"*/{name}.sent.jsonl")) for entry in sent_before(path)]


def carry_demo(name: str, study: Study) -> str:
    """Play the person who carries a release, for a demonstration site and for no other, and the one who receives it."""
    from shared_code.pooling.receiving import take_in

    if not name.startswith(rooms.DEMONSTRATION) or not Site.read(name).made_up:
        wrong = f"{name} is a real site: a person carries its release"
        raise Refused(name, [Problem(name, wrong, "sites whose name begins with demo_", "Copy the package by hand")])
    target, today = rooms.incoming(name, study.study), dt.date.today()
    take_in(rooms.outgoing(name, study.study), study, {name: Site.read(name)}, target.parent, rooms.quarantine(), today)
    return f"Carried {target}."


def expected_sites(study: Study) -> dict[str, Site]:
    """List who takes part in a study: site -> settings."""
    return {site.site: site for site in sites_of(study.study, SITES)}


def pool(study: Study) -> str:
    """Pool whatever releases are in the inbox."""
    from shared_code.pooling.pool import pool as pool_study

    target = rooms.pooled(study.study)
    publications = rooms.publications(study.study)
    done = pool_study(study, rooms.INBOX / study.study, target, expected_sites(study), publications,
                      rooms.models(study.study))  # fmt: skip
    missing = f", {done['missing']} missing" if done["missing"] else ""
    return f"Pooled the releases of {done['releases']} sites{missing}: {done['results']:,} results in {target}."


def tables(name: str, study: Study) -> str:
    """Package tables that were already published, for a site that runs no code."""
    from shared_code.releases.published import release_published

    target = rooms.draft(name, study.study)
    rows = release_published(Site.read(name), study, target)
    return f"Wrote {target} from published tables: {rows:,} numbers. Whoever typed the settings approves it next."
