"""The four sections of the benchmark: each measures what is ours beside what it is compared with, in turn."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import HERE, ROOT, Failed, Run, copy_of_project, median, one_after_another, run

from shared_code.config import Study

STUDY = "demonstration"
SITES = {"csv": "demo_dunmere", "spss": "demo_ashvale"}  # shape of the extract -> site that delivers it
ANALYSES = ["long_term_conditions", "life_expectancy"]
BOTH = "both"
WARM_UP_PEOPLE = 1000
COLD = {"COHORTIUM_COLD": "1"}  # an ordinary kernel is a child whose memory can be measured; it costs some seconds
TRIVIAL = 'rule only:\n    output: "done.txt"\n    shell: "touch {output}"\n'
Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What to measure, and where to work."""

    folder: Path
    people: int
    demo_people: int
    repeats: int
    large_repeats: int
    sites: list[str] | None
    say: Callable[[str], None]


def row(section: str, what: str, ours: dict[str, Any], compared_with: str = "", other: dict[str, Any] | None = None,
        quantity: str = "seconds") -> Row:  # fmt: skip
    """Make one row of the results; the ratio is ours over the other."""
    mine, theirs = ours[quantity], other[quantity] if other else None
    return {"section": section, "what": what, "quantity": quantity, "ours": mine, "compared_with": compared_with,
            "other": theirs, "ratio": mine / theirs if mine and theirs else None, "repeats": len(ours["runs"]),
            "ours_all": ours, "other_all": other}  # fmt: skip


def notebooks(options: Options) -> list[Row]:
    """Measure a notebook run against the same code in one process."""
    section = "A notebook"
    options.say(f"{section}: in process, warm kernel, cold kernel ({options.repeats} of each)")
    out = options.folder / "overhead.json"
    run([sys.executable, HERE / "notebook_overhead.py", "--repeats", options.repeats, "--out", out], ROOT)
    found = {way: {"seconds": measured["median"], "runs": measured["runs"]}
             for way, measured in json.loads(out.read_text(encoding="utf-8")).items()}  # fmt: skip
    here, warm, cold = found["in process"], found["warm"], found["cold"]
    return [
        row(section, "notebook, warm kernel", warm, "its code in a process already warm", here),
        row(section, "notebook, warm kernel", warm, "papermill's own command, cold kernel", cold),
        row(section, "papermill's own command, cold kernel", cold, "its code in a process already warm", here),
    ]


def demonstration(options: Options) -> list[Row]:
    """Measure the demonstration from nothing against the same stages in one process; and a rerun with nothing to do."""
    section, pooled_tables = "The demonstration", Path("public") / STUDY / "pooled"
    pooled, drawn, floor = [], [], []
    for number in range(1, options.repeats + 1):
        workflow = copy_of_project(options.folder / f"workflow-{number}", options.sites)
        alone = copy_of_project(options.folder / f"one-process-{number}", options.sites)
        options.say(f"{section} from nothing, {number} of {options.repeats}: up to the pooled tables")
        pooled.append(run(snakemake(options, pooled_tables.parent / "pool.stamp"), workflow))
        options.say(f"{section} from nothing, {number} of {options.repeats}: the same stages in one process")
        floor.append(run([sys.executable, HERE / "one_process.py", options.demo_people], alone))
        if len({(copy / pooled_tables / "results.csv").read_bytes() for copy in (workflow, alone)}) != 1:
            raise Failed("The workflow and the one process pooled different numbers: the comparison is void.")
        shutil.rmtree(alone)
        options.say(f"{section}, {number} of {options.repeats}: the figures and reports")
        drawn.append(run(snakemake(options), workflow))
        if number < options.repeats:
            shutil.rmtree(workflow)
    sites = len(list((workflow / "inbox" / STUDY).glob("*.zip")))
    analyses = len(Study.read(workflow / "config" / "study.yaml").analyses)
    made = f"{sites} sites of {options.demo_people:,} people, {analyses} analyses, from nothing"
    whole = [one_after_another(both) for both in zip(pooled, drawn)]
    rows = [row(section, f"{made} to the pooled tables", median(pooled), "the same stages in one process", median(floor)),
            row(section, f"{made} to figures and reports", median(whole))]  # fmt: skip
    return rows + rerun(options, workflow, analyses)


def rerun(options: Options, copy: Path, analyses: int) -> list[Row]:
    """Measure Snakemake on the finished demonstration against starting Snakemake for next to nothing."""
    section = "A rerun when everything is up to date"
    options.say(f"{section} ({options.repeats} of each)")
    trivial = options.folder / "trivial"
    trivial.mkdir()
    (trivial / "Snakefile").write_text(TRIVIAL, encoding="utf-8")
    start = [sys.executable, "-m", "snakemake"]
    ways = {"ours": (snakemake(options), copy), "trivial": ([*start, "--cores", "all"], trivial),
            "version": ([*start, "--version"], trivial)}  # fmt: skip
    run(*ways["trivial"])  # the demonstration has just run; now this one is up to date, too
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for _ in range(options.repeats):
        for way, (command, folder) in ways.items():
            finished = run(command, folder)
            if way != "version" and "Nothing to be done" not in finished.said:
                raise Failed(f"{section}: it was not up to date\n{finished.said[-2000:]}")
            runs[way].append(finished)
    ours, other, version = (median(runs[way]) for way in ("ours", "trivial", "version"))
    return [
        row(section, f"the demonstration of {analyses} analyses", ours, "a Snakefile of one rule", other),
        row(section, f"the demonstration of {analyses} analyses", ours, "snakemake --version", version),
    ]


def snakemake(options: Options, *targets: Path) -> list[Any]:
    """Give the command a person would type, on all cores."""
    return [sys.executable, "-m", "snakemake", "--cores", "all", *targets, "--config", f"people={options.demo_people}"]


def large(options: Options) -> tuple[list[Row], dict[str, Any]]:
    """Measure prepare and analyse at one big site against plain pandas, from text and from SPSS files.

    Also gives how long it took to make up the extracts.
    """
    rows: list[Row] = []
    extracts = {}
    for shape, site in SITES.items():
        section = f"{options.people:,} people from {shape} files"
        if options.people > WARM_UP_PEOPLE:
            options.say(f"{section}: warming up with {WARM_UP_PEOPLE:,}")
            small = copy_of_project(options.folder / f"warm-up-{shape}")
            extract(small, site, WARM_UP_PEOPLE)
            turn(small, shape, site)
            shutil.rmtree(small)
        copy = copy_of_project(options.folder / f"large-{shape}")
        options.say(f"{section}: making them up")
        made = extract(copy, site, options.people)
        size = sum(path.stat().st_size for path in (copy / "data" / site).iterdir() if path.name != "truth.json")
        extracts[shape] = {"seconds": round(made.seconds, 2), "megabytes": round(size / 1e6, 1)}
        turns = []
        for number in range(1, options.large_repeats + 1):
            options.say(f"{section}: {number} of {options.large_repeats}")
            turns.append(turn(copy, shape, site, options.say))
        shutil.rmtree(copy)
        rows += large_rows(section, turns)
    return rows, extracts


def extract(copy: Path, site: str, people: int) -> Run:
    """Make up the extract of a site."""
    return run([sys.executable, "-m", "shared_code.cli", "extract-demo", site, "--people", people], copy)


def turn(copy: Path, shape: str, site: str, say: Callable[[str], None] = lambda text: None) -> dict[str, Run]:
    """Run every stage of ours and every program of plain pandas once, in turn; raises Failed where results differ."""
    ours = [sys.executable, "-m", "shared_code.cli"]
    shutil.rmtree(copy / "private", ignore_errors=True)
    took = {"prepare": run([*ours, "prepare", site], copy)}
    say(f"    prepare: {took['prepare'].seconds:.1f} s")
    for name, analyses in {**{stem: [stem] for stem in ANALYSES}, BOTH: ANALYSES}.items():
        out = copy / "plain" / name
        command = [sys.executable, HERE / "plain_pandas.py", shape, copy / "data" / site, out, *analyses]
        took[f"plain {name}"] = run(command, copy)
        say(f"    plain pandas, {name}: {took[f'plain {name}'].seconds:.1f} s")
        if name != BOTH:
            took[name] = run([*ours, "analyse", site, name], copy, **COLD)
            say(f"    analyse {name}: {took[name].seconds:.1f} s")
    results = copy / "private" / site / STUDY / "results"
    pairs = [(results / stem, copy / "plain" / name) for stem in ANALYSES for name in (stem, BOTH)]
    run([sys.executable, HERE / "same_tables.py", *(folder for pair in pairs for folder in pair)], copy)
    return took


def large_rows(section: str, turns: list[dict[str, Run]]) -> list[Row]:
    """Make the rows of one site: time and memory per analysis, and for both; then the stages one by one."""
    rows = []
    for name, stages in {**{stem: [stem] for stem in ANALYSES}, BOTH: ANALYSES}.items():
        ours = median([one_after_another([took[stage] for stage in ("prepare", *stages)]) for took in turns])
        plain = median([took[f"plain {name}"] for took in turns])
        what = f"prepare and analyse {name.replace('_', ' ')}" if name != BOTH else "prepare once, analyse both"
        rows += [row(section, what, ours, "plain pandas", plain), row(section, what, ours, "plain pandas", plain, "peak_mb")]
    for stage in ("prepare", *ANALYSES):
        what = "of this: prepare" if stage == "prepare" else f"of this: analyse {stage.replace('_', ' ')}"
        rows.append(row(section, what, median([took[stage] for took in turns])))
    return rows
