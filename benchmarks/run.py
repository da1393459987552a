"""Measure what Cohortium costs, side by side with what it is compared with, and write the results down.

    .venv/bin/python benchmarks/run.py [--people 1000000] [--quick] [--out benchmarks/results.json]

Five sections: a notebook against its code in one process; the demonstration from nothing against the same stages in one
process; a rerun with nothing to do against starting Snakemake; one big site against plain pandas; onboarding of a large
extract in several shapes against a bare read of the same bytes (onboarding.py, which also measures them one by one, as
linkage.py does with linkage). The results go to a JSON file with every single run and to a Markdown table beside it; what
is not measured in a run keeps its earlier rows. Everything is done in a temporary folder that is removed at the end (TMPDIR
says where; a million people need about 8 GB). Other work on the machine spoils the numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onboarding
import sections
from measuring import LINUX, Failed, machine

DEFAULT = Path(__file__).with_name("results.json")
README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- benchmarks: start -->", "<!-- benchmarks: end -->"
QUICK_PEOPLE, QUICK_DEMO_PEOPLE = 1000, 20_000  # with fewer, nearly every number of a site is small, and protecting takes longer
FEWEST_PEOPLE = 500  # a made-up site cannot be smaller


def main(arguments: list[str] | None = None) -> int:
    """Measure everything and write both files; return 0, or 1 after a message."""
    chosen = parsed(arguments)
    started = time.monotonic()
    say = saying()
    measured: dict[str, Any] = {"machine": machine(), "options": {
        "people": chosen.people, "demo_people": chosen.demo_people, "repeats": chosen.repeats,
        "large_repeats": chosen.large_repeats, "quick": chosen.quick}}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="cohortium-benchmark-", ignore_cleanup_errors=True) as name:
        options = sections.Options(
            Path(name), chosen.people, chosen.demo_people, chosen.repeats, chosen.large_repeats,
            sorted(sections.SITES.values()) if chosen.quick else None, say)  # fmt: skip
        try:
            demonstration, notebook, (rows, extracts), onboarded = measure(options, together=chosen.quick)
        except Failed as problem:
            print(problem, file=sys.stderr)
            return 1
    measured |= {"rows": notebook + demonstration + rows + onboarded, "extracts": extracts}
    measured |= {"minutes": round((time.monotonic() - started) / 60, 1)}
    if chosen.out.is_file():
        earlier = json.loads(chosen.out.read_text("utf-8"))["rows"]
        measured["rows"] = merged(earlier, measured["rows"]) if not chosen.quick else measured["rows"]
    write(chosen.out, measured)
    print(f"\n{as_markdown(measured)}")
    say(f"Wrote {chosen.out} and {chosen.out.with_suffix('.md')}.")
    return 0


def saying() -> Callable[[str], None]:
    """Give a function that says a text with the seconds since now."""
    started = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - started:6.0f} s] {text}", flush=True)


def put_into(out: Path, rows: list[dict[str, Any]]) -> None:
    """Put rows measured by themselves in the place of the earlier ones, and write both files again."""
    measured = json.loads(out.read_text("utf-8")) if out.is_file() else {"machine": machine(), "options": {}, "extracts": {}}
    write(out, measured | {"rows": merged(measured.get("rows", []), rows)})


def by_themselves(out: Path, *measurements: Callable[[Path, Callable[[str], None]], list[dict[str, Any]]]) -> int:
    """Run measurements one after the other, each in a folder that is removed, and put their rows in; 0, or 1 after a message."""
    try:
        for measurement in measurements:
            with tempfile.TemporaryDirectory(prefix="cohortium-benchmark-", ignore_cleanup_errors=True) as name:
                rows = measurement(Path(name), saying())
            put_into(out, rows)
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def merged(earlier: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the rows of what is measured by itself and was not measured again, section by section."""
    def name(row: dict[str, Any]) -> tuple[str, str, str]:
        return row["section"], row["what"], row["quantity"]

    new = {name(row) for row in rows}
    apart = [row for row in earlier if name(row) not in new and ("date" in row or "date" in rows[0])]
    order = list(dict.fromkeys(row["section"] for row in [*apart, *rows] if "date" not in row))
    order += sorted({row["section"] for row in [*apart, *rows] if "date" in row})
    return sorted([*apart, *rows], key=lambda row: order.index(row["section"]))


def write(out: Path, measured: dict[str, Any]) -> None:
    """Write the results and the table beside them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    text = as_markdown(measured)
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    if out.resolve() == DEFAULT.resolve() and README.is_file():  # what the project measured, shown where people look first
        before, start, rest = README.read_text("utf-8").partition(START)
        _, end, after = rest.partition(END)
        sites = [row["section"] for row in measured["rows"] if row["section"].startswith(ONE_SITE)]
        largest = max(sites, key=_people, default="")
        short = as_markdown(measured | {"rows": [row for row in measured["rows"] if not row["section"].startswith(ONE_SITE)
                                                 or row["section"] == largest]})  # fmt: skip
        README.write_text(f"{before}{start}\n{short.partition(chr(10))[2].strip()}\n{end}{after}", encoding="utf-8", newline="\n")


ONE_SITE = "One site of "


def _people(section: str) -> int:
    return int("".join(c for c in section if c.isdigit()))


def measure(options: sections.Options, together: bool) -> list[Any]:
    """Measure all sections one after the other; or two at a time, when no more is asked than whether they work."""
    measurements: list[Callable[[sections.Options], Any]] = [
        sections.demonstration, sections.notebooks, sections.large, onboarded]  # fmt: skip
    if not together:
        return [measurement(options) for measurement in measurements]
    with ThreadPoolExecutor(max_workers=2) as two:
        return list(two.map(lambda measurement: measurement(options), measurements))


def onboarded(options: sections.Options) -> list[dict[str, Any]]:
    """Measure onboarding from every shape; tiny runs leave out the server."""
    shapes = [shape for shape in onboarding.SHAPES if options.people > QUICK_PEOPLE or shape != "postgresql"]
    return [row for shape in shapes for row in onboarding.measure(
        options.folder, shape, options.people, onboarding.EVENTS_A_PERSON * options.people, 1, False, options.say)]  # fmt: skip


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; --quick changes the defaults of what is not given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, help="people at the big site (1,000,000)")
    parser.add_argument("--demo-people", type=int, help="people at each site of the demonstration (20,000)")
    parser.add_argument("--repeats", type=int, help="of everything but the big site (3)")
    parser.add_argument("--large-repeats", type=int, default=1, help="of the big site (1)")
    parser.add_argument("--quick", action="store_true", help="small sizes, two sites, everything once: does it work?")
    parser.add_argument("--out", type=Path, default=DEFAULT, metavar="FILE.json")
    chosen = parser.parse_args(arguments)
    chosen.people = chosen.people or (QUICK_PEOPLE if chosen.quick else 1_000_000)
    chosen.demo_people = chosen.demo_people or (QUICK_DEMO_PEOPLE if chosen.quick else 20_000)
    chosen.repeats = chosen.repeats or (1 if chosen.quick else 3)
    if min(chosen.people, chosen.demo_people) < FEWEST_PEOPLE or min(chosen.repeats, chosen.large_repeats) < 1:
        parser.error(f"at least {FEWEST_PEOPLE} people and one repeat")
    return chosen


def as_markdown(measured: dict[str, Any]) -> str:
    """Write the results as a page with one table."""
    on, options = measured["machine"], measured["options"]
    packages = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
    lines = [
        "# Benchmarks", "", *(_head(on, options, packages) if options else []),
        "| what | ours | processor | memory | compared with | | memory | ratio of times |",
        "|---|---:|---:|---:|---|---:|---:|---:|",
    ]  # fmt: skip
    section, apart = "", [row for row in measured["rows"] if "date" in row]
    lined: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in measured["rows"]:
        lined.setdefault((row["section"], row["what"], row["compared_with"]), {})[row["quantity"]] = row
    for (heading, what, other), of in lined.items():
        if heading != section:
            section = heading
            lines.append(f"| **{section}** | | | | | | | |")
        given = {(q, side): shown(of[q], side) if q in of else "" for q in QUANTITIES for side in ("ours", "other")}
        ratio = of["seconds"]["ratio"] if "seconds" in of else None
        cells = [what, *(given[q, "ours"] for q in QUANTITIES), other, given["seconds", "other"], given["peak_mb", "other"],
                 f"{ratio:.2f}" if ratio else ""]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    if apart:
        loads: dict[str, list[float]] = {}
        for row in apart:
            loads.setdefault(f"{row['section']} on {row['date']}", []).append(row["load"] or 0.0)
        made = [f"{what} at a load of {min(found):g}" + (f" to {max(found):g}" if max(found) > min(found) else "")
                for what, found in sorted(loads.items())]  # fmt: skip
        lines += ["", f"Measured by themselves: {'; '.join(made)}. {ONBOARDING}"]
    if not options:
        return "\n".join(lines) + "\n"
    made = "; ".join(f"{shape}: {e['seconds']:.1f} s, {e['megabytes']:.0f} MB" for shape, e in measured["extracts"].items())
    lines += ["", *(note + "\n" for note in NOTES), f"Making up the extracts of the big site (not in the table): {made}."]
    if not LINUX:
        lines += ["", "Peak memory is measured on Linux only."]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


QUANTITIES = ("seconds", "cpu_seconds", "peak_mb")
ONBOARDING = (
    "Onboarding is `prepare`: it reads, copies, maps every column, replaces identifiers by keyed pseudonyms, looks for "
    "unexplained codes, repeated keys and rows about unknown people, and writes the prepared tables in order; beside it "
    "stands a bare read of the same bytes that does nothing with them. On a machine busy with other work (a load above the "
    "number of cores) processor time says more than the clock. `check` looks at about half a million rows of each table."
)
NOTES = [
    "The workflow and the one process pooled byte-identical results; ours and plain pandas gave the same counts "
    "(estimates to 1 in 10⁹). Otherwise nothing would have been written. The demonstration is run in two commands, "
    "first to the pooled tables; a single one starts Snakemake once less.",
    "At the big site ours is the command line: `prepare`, which also checks the form of identifiers, unique keys and "
    "references between tables and writes all prepared tables for every later analysis, then `analyse` in a cold "
    "kernel (whose memory can be measured; the workflow's warm kernel starts some seconds faster). Plain pandas is "
    "`plain_pandas.py`: one process that reads what the analysis needs, refuses unexplained codes, and counts. Peak "
    "memory is that of the largest single process.",
]


def _head(on: dict[str, Any], options: dict[str, Any], packages: str) -> list[str]:
    return [
        f"Measured on {on['date']}: {on['cores']} cores, {on['memory_gib'] or '?'} GiB, {on['system']}, "
        f"Python {on['python']}; {packages}. Load at the start: {on['load_at_start']}. Ratios matter, absolute times "
        "do not.", "",
        f"Medians of {options['repeats']} runs each, at the big site of {options['large_repeats']}, in turn; the ratio is "
        "ours over the other."
        + (" A quick run at small sizes, two sections at a time: it shows that all works, and no more."
           if options["quick"] else ""), "",
    ]  # fmt: skip


def shown(row: dict[str, Any], side: str) -> str:
    """Write a measured value with its unit."""
    value = row[side]
    if value is None:
        return "" if side == "other" and not row["compared_with"] else "not measured"
    return f"{value:,.0f} MB" if row["quantity"] == "peak_mb" else f"{value:,.2f} s"


if __name__ == "__main__":
    sys.exit(main())
