"""Link made-up records to a made-up index and measure it: time, peak memory, and the quality against planted truth.

    .venv/bin/python benchmarks/linkage.py [--people 1000000] [--hidden] [--memory 4GB] [--out FILE.json] [--into results.json]

As many records as people, of one source, with the errors that `shared_code/synthetic/identifiers.py` plants. --hidden
leaves out every NHS number, the hardest case: only names, dates, sex and postcodes are left. Making the people is not
measured; the linkage runs in a process of its own, so that its peak memory is its own. Other work on the machine spoils
the times. Everything lies in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEBIBYTE = 2**20


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hidden", action="store_true", help="leave out every NHS number of the records")
    parser.add_argument("--memory", default="4GB", help="what the engine may use before it spills (4GB)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file as well")
    parser.add_argument("--into", type=Path, help="put time, memory and quality into the table of results as well")
    parser.add_argument("--step", choices=["make", "link"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.step:
        {"make": make_step, "link": link_step}[chosen.step](chosen)
        return 0
    with tempfile.TemporaryDirectory(prefix="cohortium-linkage-") as name:
        for step in ("make", "link"):
            passed = sys.argv[1:] if arguments is None else arguments
            command = [sys.executable, str(Path(__file__)), *passed, "--step", step, "--folder", name]
            if subprocess.run(command, check=False).returncode:
                return 1
        measured = json.loads((Path(name) / "measured.json").read_text(encoding="utf-8"))
    print(json.dumps(measured, indent=1))
    if chosen.out:
        chosen.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    if chosen.into:
        import run as whole

        whole.put_into(chosen.into, rows(measured))
    return 0


def rows(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Make the rows of the table of results: nothing stands beside them."""
    hidden = " without NHS numbers" if measured["numbers_hidden"] else ""
    what = (f"{measured['records']:,} records{hidden} to an index of {measured['people']:,} people: precision "
            f"{100 * measured['precision']:.2f} %; recall {100 * measured['recall']:.2f} %")  # fmt: skip
    base = {"section": "Linkage", "what": what, "compared_with": "", "other": None, "ratio": None, "repeats": 1,
            "ours_all": measured, "other_all": None, "date": dt.date.today().isoformat(),
            "load": measured["load_before"]}  # fmt: skip
    return [base | {"quantity": name, "ours": measured[name]} for name in ("seconds", "cpu_seconds", "peak_mb")]


def make_step(chosen: argparse.Namespace) -> None:
    """Make people, records and truth as Parquet files."""
    import pandas as pd

    from shared_code.synthetic.identifiers import make

    say(f"making {chosen.people:,} people and as many records", time.monotonic())
    made = make(chosen.people, chosen.people, chosen.seed)
    records = made.records
    if chosen.hidden:
        records["nhs_number"] = pd.Series(pd.NA, records.index, dtype="string")
    records.to_parquet(chosen.folder / "records.parquet")
    made.people.to_parquet(chosen.folder / "people.parquet")
    made.truth.to_parquet(chosen.folder / "truth.parquet")


def link_step(chosen: argparse.Namespace) -> None:
    """Link in this process, then compare with the truth (which is not measured)."""
    from shared_code.linkage.run import link
    from shared_code.linkage.settings import Settings

    before, start, spent = load(), time.monotonic(), time.process_time()
    settings = Settings(chosen.folder / "private", made_up=True, threads=chosen.threads, memory=chosen.memory)
    linked = link(chosen.folder / "records.parquet", chosen.folder / "people.parquet", settings, say=lambda t: say(t, start))
    seconds, spent = time.monotonic() - start, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / MEBIBYTE
    say("linked; comparing with the truth", start)
    measured: dict[str, Any] = {
        "people": chosen.people, "records": chosen.people, "numbers_hidden": chosen.hidden, "threads": chosen.threads,
        "engine_memory": chosen.memory, "seconds": round(seconds, 1), "cpu_seconds": round(spent, 1), "peak_mb": round(peak),
        "load_before": before,
        "load_after": load(), **quality(linked.links, chosen.folder),
        **{k: linked.report[k] for k in ("methods", "left_for_probabilistic", "pairs_scored", "vetoed", "review")},
    }  # fmt: skip
    (chosen.folder / "measured.json").write_text(json.dumps(measured), encoding="utf-8")


def quality(links: Any, folder: Path) -> dict[str, Any]:
    import pandas as pd

    from shared_code.linkage.quality import compare, measure
    from shared_code.sources.pseudonyms import MADE_UP_KEY, pseudonym

    truth = pd.read_parquet(folder / "truth.parquet", columns=["record_id", "source", "nhs_number"])
    meant = [None if pd.isna(n) else pseudonym(MADE_UP_KEY, "NHS", n) for n in truth["nhs_number"]]
    found = measure(compare(links, truth.assign(person_id=meant).drop(columns="nhs_number")))
    return {"right": found.right, "wrong": found.wrong, "missed": found.missed, "precision": round(found.precision, 5),
            "recall": round(found.recall, 5), "f1": round(found.f1, 5)}  # fmt: skip


def load() -> float | None:
    import os

    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def say(text: str, start: float) -> None:
    print(f"[{time.monotonic() - start:6.1f} s] {text}", flush=True)


if __name__ == "__main__":
    sys.path.append(str(ROOT))  # behind: a run.py lies there, too
    sys.exit(main())
