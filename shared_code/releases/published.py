"""Release of published tables: through the same door, into the same package, as tables that a site has run itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from shared_code import disclosure
from shared_code.config import digests
from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.measures.saving import check_results
from shared_code.model import Refused
from shared_code.releases import package
from shared_code.releases.contents import contents
from shared_code.releases.release import describe
from shared_code.sources.published import read_published


def release_published(site: Site, study: Study, target: Path) -> int:
    """Read and check what a site has published and write the draft package; gives the number of numbers in it.

    The manifest names the files read, by digest. Raises model.Refused, and writes nothing, when anything is wrong.
    """
    read = read_published(site, study)
    problems = [p for (stem, name), found in read.items() for p in check_results(Plan(study, stem), name, found.table)]
    if problems:
        raise Refused(f"The release of {site.title} ({site.site})", problems)
    policy = study.disclosure.stricter(site.disclosure)
    unprotected = {
        f"{stem}.{name}": (study.analyses[stem].results[name], found.table) for (stem, name), found in read.items()
    }
    done = disclosure.protect(unprotected, ledger=[], policy=policy)
    protected = dict(done.tables)
    for (stem, name), found in read.items():
        protected[f"{stem}.{name}"] = _with_ranges(protected[f"{stem}.{name}"], found.withheld)
    manifest = describe(site, study, policy, protected)
    files = sorted({entry.file for entry in site.published if f"{entry.analysis}.{entry.results}" in protected})
    manifest["published_files"] = {name: digests.of_file(Path(site.folder) / name) for name in files}
    package.write(target, manifest, contents(study, manifest, protected, policy, done.record))
    return sum(len(frame) for frame in protected.values())


def _with_ranges(released: pd.DataFrame, withheld: pd.DataFrame) -> pd.DataFrame:
    """Mark the numbers that their publisher withheld, with the published range; no cell with a value can change."""
    if withheld.empty:
        return released
    keys = [c for c in withheld.columns if c not in ("lower", "upper")]
    ranges = released[keys].merge(withheld, on=keys, how="left", validate="one_to_one")
    marked = ranges["lower"].notna().to_numpy() & released["value"].isna().to_numpy()
    changed = released.copy()
    changed.loc[marked, "status"] = "withheld"
    for side in ("lower", "upper"):
        changed.loc[marked, side] = ranges[side].to_numpy()[marked]
    return changed
