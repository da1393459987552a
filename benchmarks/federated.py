"""Fit one logistic regression over many sites, and to the same people stacked: the same answer, and what each costs.

    .venv/bin/python benchmarks/federated.py [--sites 40] [--people 100000] [--terms 30] [--stack-sites 8] [--out FILE.json]

The people are made up: terms are yes or no, the outcome depends on them and on the site. These are measured in one
run: the rounds of the federated fit; one step of one site with its disclosure rules; and, over as many sites as fit into
memory stacked (--stack-sites), the federated fit beside statsmodels' GLM and, where Rscript is installed, R's glm. Times
are processor seconds, so other work on the machine matters less; ratios matter, absolute times do not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code import disclosure
from shared_code.config.models import Model
from shared_code.config.study import Policy
from shared_code.methods.federated import Fit, Question, Specification, fit
from shared_code.methods.glm import Step, derivatives
from shared_code.regression.steps import step_declaration, step_table
from shared_code.regression.tables import ModelTable

THREADS = "OPENBLAS_NUM_THREADS"
R_SCRIPT = """
d <- read.csv(commandArgs(TRUE)[1]); d$site <- factor(d$site)
t <- system.time(m <- glm(outcome ~ 0 + site + ., family = binomial, data = d, control = list(epsilon = 1e-14)))
cat(t[["user.self"]], coef(m)[["x1"]], "\\n")
"""


class Columns:
    """Give an intercept and yes-or-no columns block by block, held as single bytes."""

    def __init__(self, bits: np.ndarray):
        self.bits = bits

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, rows: slice) -> np.ndarray:
        block = self.bits[rows]
        return np.column_stack([np.ones(len(block)), block])


def made_up(site: int, people: int, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Make up the people of one site: columns (people, terms) of 0 and 1, and the outcome."""
    chance = np.random.default_rng([7, site])
    bits = (chance.random((people, terms), dtype=np.float32) < 0.3).astype(np.int8)
    effects = np.linspace(-0.3, 0.3, terms)
    eta = -1.5 + 0.02 * site + bits @ effects
    return bits, (chance.random(people) < 1 / (1 + np.exp(-eta))).astype(float)


def federated(sites: dict[str, tuple[np.ndarray, np.ndarray]], terms: int) -> Fit:
    """Fit over the sites; each answers from its own people."""
    names = ("intercept", *[f"x{i + 1}" for i in range(terms)])
    spec = Specification("logistic", names, own=frozenset({"intercept"}), binary=frozenset(names[1:]))

    def ask(site: str, question: Question) -> Step:
        bits, outcome = sites[site]
        return derivatives("logistic", Columns(bits), outcome, question.beta)

    return fit(spec, list(sites), ask)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Give what some work gives, and the processor seconds it took."""
    start = time.process_time()
    done = work()
    return done, time.process_time() - start


def one_step(bits: np.ndarray, outcome: np.ndarray) -> int:
    """Compute one step of one site as it would leave: derivatives, counts, disclosure rules; gives the number of cells."""
    terms = bits.shape[1]
    model = Model.model_validate({"title": "m", "family": "logistic", "terms": {
        f"x{i + 1}": {"values": {"0": "no", "1": "yes"}} for i in range(terms)}})  # fmt: skip
    table = pd.DataFrame(bits, columns=list(model.terms)).assign(outcome=outcome)
    wide = step_table(ModelTable(model, table), [0.0] * (terms + 1), None, False, 1)
    released = disclosure.protect({"a.m": (step_declaration(model), wide)}, [], Policy()).tables["a.m"]
    assert (released["status"] != "withheld").all()
    return len(released)


def stacked(sites: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    where = np.repeat(np.arange(len(sites)), [len(outcome) for _, outcome in sites.values()])
    columns = np.column_stack([np.eye(len(sites))[where], np.vstack([bits for bits, _ in sites.values()]).astype(float)])
    return columns, np.concatenate([outcome for _, outcome in sites.values()])


def with_r(sites: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[float, float] | None:
    """Fit with R's glm where it is installed: processor seconds, and the first coefficient."""
    if not shutil.which("Rscript"):
        return None
    with tempfile.TemporaryDirectory(prefix="cohortium-federated-") as name:
        frames = [pd.DataFrame(b, columns=[f"x{i + 1}" for i in range(b.shape[1])]).assign(outcome=y, site=s)
                  for s, (b, y) in sites.items()]  # fmt: skip
        data = Path(name) / "people.csv"
        pd.concat(frames).to_csv(data, index=False)
        script = Path(name) / "fit.R"
        script.write_text(R_SCRIPT, encoding="utf-8")
        said = subprocess.run(["Rscript", str(script), str(data)], capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=40)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--terms", type=int, default=30)
    parser.add_argument("--stack-sites", type=int, default=8, help="sites whose people are stacked for the comparison")
    parser.add_argument("--out", type=Path, help="write the results to this JSON file as well")
    chosen = parser.parse_args(arguments)
    if os.environ.get(THREADS) != "1":  # a second thread of the algebra only waits, and waiting counts as work
        command = [sys.executable, __file__, *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.run(command, env={**os.environ, THREADS: "1"}, check=False).returncode
    import statsmodels.api as sm

    sites = {f"s{i:03d}": made_up(i, chosen.people, chosen.terms) for i in range(chosen.sites)}
    everywhere, seconds = timed(lambda: federated(sites, chosen.terms))
    measured: dict[str, Any] = {
        "sites": chosen.sites, "people": everywhere.people, "terms": chosen.terms, "rounds": everywhere.rounds,
        "federated_seconds": seconds, "seconds_a_site_and_round": seconds / chosen.sites / everywhere.rounds,
        "peak_megabytes_before_stacking": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip
    cells, measured["one_step_with_its_rules_seconds"] = timed(lambda: one_step(*next(iter(sites.values()))))
    measured["cells_of_a_step"] = cells
    some = dict(list(sites.items())[: chosen.stack_sites])
    ours, measured["stacked_sites_federated_seconds"] = timed(lambda: federated(some, chosen.terms))
    columns, outcome = stacked(some)
    theirs, measured["statsmodels_seconds"] = timed(
        lambda: sm.GLM(outcome, columns, family=sm.families.Binomial()).fit(tol=1e-14))  # fmt: skip
    estimates = np.array([c.estimate for c in ours.coefficients.values()])
    errors = np.array([c.se for c in ours.coefficients.values()])
    measured["largest_difference_of_coefficients"] = float(np.abs(estimates - theirs.params).max())
    measured["largest_difference_of_standard_errors"] = float(np.abs(errors - theirs.bse).max())
    assert measured["largest_difference_of_coefficients"] < 1e-8, "the fits differ: nothing is reported"
    measured["stacked_sites"] = len(some)
    measured["ratio_to_statsmodels"] = measured["stacked_sites_federated_seconds"] / measured["statsmodels_seconds"]
    r = with_r(some)
    if r:
        measured["r_glm_seconds"], first = r
        assert abs(first - ours["x1"].estimate) < 1e-6, "R's fit differs"
        measured["ratio_to_r_glm"] = measured["stacked_sites_federated_seconds"] / r[0]
    print(json.dumps(measured, indent=1))
    if chosen.out:
        chosen.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
