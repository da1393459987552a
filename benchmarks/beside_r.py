"""Measure the statistics beside R in one run: 50,000 standardised rates, and 1,000 meta-analyses of five sites.

    .venv/bin/python benchmarks/beside_r.py [--areas 50000] [--analyses 1000] [--out benchmarks/beside_r.json]

R needs r-base-core, and metafor (r-cran-metafor) for the meta-analyses; where it is not installed only ours is measured. The
numbers of both must agree, or nothing is written. Other work on the machine spoils the times; ratios matter more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from shared_code import methods as m

R_CODE = """
areas <- as.integer(commandArgs(TRUE)[1]); folder <- commandArgs(TRUE)[2]
read <- function(name, columns) matrix(readBin(file.path(folder, name), "double", 1e9), ncol = columns)
esp <- c(5000,5500,5500,5500,6000,6000,6500,7000,7000,7000,7000,6500,6000,5500,5000,4000,2500,1500,1000)
x <- read("events", 19); n <- read("years", 19)
started <- proc.time()[["elapsed"]]
w <- esp / sum(esp); z <- qnorm(0.975)
rate <- as.vector((x / n) %*% w); variance <- as.vector((x / n^2) %*% w^2); o <- rowSums(x)
low <- ifelse(o < 10, qchisq(0.025, 2 * o) / 2, o * (1 - 1/(9*o) - z/(3*sqrt(o)))^3)
high <- ifelse(o < 10, qchisq(0.975, 2 * o + 2) / 2, (o + 1) * (1 - 1/(9*(o+1)) + z/(3*sqrt(o+1)))^3)
k <- sqrt(variance / o); out <- 1e5 * cbind(rate, rate + k * (low - o), rate + k * (high - o))
cat("standardised", proc.time()[["elapsed"]] - started, "\\n")
writeBin(as.vector(out), file.path(folder, "rates"))
if (requireNamespace("metafor", quietly = TRUE)) {
  suppressMessages(library(metafor))
  y <- read("y", 5); v <- read("v", 5)
  started <- proc.time()[["elapsed"]]
  out <- t(sapply(seq_len(nrow(y)), function(i) {
    r <- rma(y[i, ], v[i, ], method = "REML", test = "knha", control = list(maxiter = 10000, stepadj = 0.5))
    c(r$beta, r$ci.lb, r$ci.ub, r$tau2) }))
  cat("meta", proc.time()[["elapsed"]] - started, "\\n")
  writeBin(as.vector(out), file.path(folder, "meta"))
}
"""


def main(arguments: list[str] | None = None) -> int:
    """Measure ours and R's, compare their numbers, and write the times."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--areas", type=int, default=50_000)
    parser.add_argument("--analyses", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("beside_r.json"))
    chosen = parser.parse_args(arguments)
    rng = np.random.default_rng(20261125)
    years = rng.uniform(500, 5000, (chosen.areas, 19))
    events = rng.poisson(years * np.geomspace(0.0005, 0.1, 19)).astype(float)
    y, v = rng.normal(0.2, 0.3, (chosen.analyses, 5)), rng.uniform(0.01, 0.1, (chosen.analyses, 5))
    m.dobson_rate(events[:10], years[:10], m.ESP2013)
    m.random_effects(y[:10], v[:10], floor=False)
    rates, rate_times = timed(lambda: m.dobson_rate(events, years, m.ESP2013), chosen.repeats)
    metas, meta_times = timed(lambda: m.random_effects(y, v, floor=False), chosen.repeats)
    theirs, numbers = beside_r(chosen.areas, {"events": events, "years": years, "y": y, "v": v})
    if problem := differences(rates, metas, numbers):
        print(problem, file=sys.stderr)
        return 1
    first = f"{chosen.areas:,} areas x 19 bands standardised, with intervals"
    rows = [row(first, rate_times, "plain R", theirs.get("standardised")),
            row(f"{chosen.analyses:,} REML meta-analyses of 5 sites, Hartung-Knapp and Q-profile", meta_times,
                "metafor (without Q-profile)", theirs.get("meta"))]  # fmt: skip
    chosen.out.write_text(json.dumps({"measured": time.strftime("%Y-%m-%d"), "rows": rows}, indent=1) + "\n", "utf-8")
    table = ["| what | ours | compared with | | ratio |", "|---|---:|---|---:|---:|"]
    for r in rows:
        other, ratio = (f"{r['other']:.2f} s", f"{r['ours'] / r['other']:.3f}") if r["other"] else ("not installed", "")
        table.append(f"| {r['what']} | {r['ours']:.2f} s | {r['compared_with']} | {other} | {ratio} |")
    chosen.out.with_suffix(".md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
    return 0


def timed(work: Any, repeats: int) -> tuple[Any, list[float]]:
    """Do the work some times; gives its last result and the seconds of each."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return result, seconds


def row(what: str, ours: list[float], compared_with: str, other: float | None) -> dict[str, Any]:
    return {"what": what, "ours": float(np.median(ours)), "ours_all": ours, "compared_with": compared_with, "other": other}


def beside_r(areas: int, arrays: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the same in R, if it is there: seconds by name, and the numbers it found."""
    if shutil.which("Rscript") is None:
        return {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key, values in arrays.items():
            (folder / key).write_bytes(np.asfortranarray(values).tobytes(order="F"))
        (folder / "code.R").write_text(R_CODE, encoding="utf-8")
        done = subprocess.run(["Rscript", folder / "code.R", str(areas), name], capture_output=True, text=True, check=True)
        seconds = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines() if len(line.split()) == 2}
        numbers = {key: np.fromfile(folder / key).reshape(-1, len(arrays["y"] if key == "meta" else arrays["events"])).T
                   for key in ("rates", "meta") if (folder / key).is_file()}  # fmt: skip
    return seconds, numbers


def differences(rates: Any, metas: Any, numbers: dict[str, Any]) -> str:
    """Say where ours and R's numbers are not the same; empty when they are."""
    if "rates" in numbers:
        given = np.asarray(rates.reason == "")
        ours = np.column_stack([rates.estimate, rates.lower, rates.upper])[given]
        if not np.allclose(ours, numbers["rates"][given], rtol=1e-9):
            return "The standardised rates differ from R's; nothing is written."
    if "meta" in numbers:
        ours = np.column_stack([metas.estimate, metas.lower, metas.upper, metas.tau2])
        apart = np.abs(ours - numbers["meta"]).max(axis=1)
        if (apart > 1e-3).mean() > 0.01:  # metafor's iteration ends after four to five digits
            return f"The meta-analyses differ from metafor's in {(apart > 1e-3).mean():.1%} of cases; nothing is written."
    return ""


if __name__ == "__main__":
    sys.exit(main())
