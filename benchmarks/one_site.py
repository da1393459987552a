"""The section on one site: every stage and every analysis of the demonstration at one large made-up site.

    .venv/bin/python benchmarks/one_site.py [--people 1000000] [--site demo_dunmere] [--release] [--out FILE.json]

Each stage is the command a person would type, an analysis in an ordinary kernel, so that its memory can be measured. Time,
processor time and peak memory of the largest process are put into the results, in the place of earlier ones of this section.
Making up the extract is not part of it. Everything lies in a temporary folder that is removed at the end (TMPDIR says where).
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import HERE, Failed, copy_of_project, median, run

COLD = {"COHORTIUM_COLD": "1"}
FIRST = "data_quality"  # the other analyses ask for what it found
QUANTITIES = ("seconds", "cpu_seconds", "peak_mb")


def measure(folder: Path, site: str, people: int, with_release: bool, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run every stage of one site once; gives rows of the results. Raises Failed where a stage ends with an error."""
    from sections import row

    copy = copy_of_project(folder / "one-site", sites=[site])
    ours = [sys.executable, "-m", "shared_code.cli"]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    say(f"One site: making up {people:,} people")
    made = run([*ours, "extract-demo", site, "--people", people], copy)
    say(f"    made in {made.seconds:.0f} s, {made.peak_mb or 0:,.0f} MB")
    stages = {"prepare": [*ours, "prepare", site]}
    stages |= {f"analyse {stem}": [*ours, "analyse", site, stem] for stem in analyses(copy, site)}
    stages |= {"release": [*ours, "release", site]} if with_release else {}
    noted = {"date": dt.date.today().isoformat(), "load": load}
    rows: list[dict[str, Any]] = []
    for name, command in stages.items():
        took = run(command, copy, **COLD)
        if "Did not run" in took.said:
            raise Failed(f"{name}: {took.said}")
        say(f"    {name}: {took.seconds:.1f} s, of the processor {took.cpu_seconds or 0:.1f} s, {took.peak_mb or 0:,.0f} MB")
        what = name.replace("_", " ")
        section = f"One site of {people:,} people"
        rows += [row(section, what, median([took]), quantity=quantity) | noted for quantity in QUANTITIES]
    return rows


def analyses(copy: Path, site: str) -> list[str]:
    """List the analyses that the site can run, data quality first."""
    from shared_code.config import Site, Study

    study, settings = Study.read(copy / "config" / "study.yaml"), Site.read(site, copy / "config" / "sites")
    found = [stem for stem, entry in study.analyses.items() if settings.can_run(entry)]
    return sorted(found, key=lambda stem: stem != FIRST)


def main(arguments: list[str] | None = None) -> int:
    """Measure one site and put it into the results; return 0, or 1 after a message."""
    import run as whole

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--site", default="demo_dunmere")
    parser.add_argument("--release", action="store_true", help="protect the results as well")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", metavar="FILE.json")
    chosen = parser.parse_args(arguments)
    return whole.by_themselves(chosen.out, lambda folder, say: measure(folder, chosen.site, chosen.people, chosen.release, say))


if __name__ == "__main__":
    sys.path.append(str(HERE.parent))  # behind: a run.py lies there, too
    sys.exit(main())
