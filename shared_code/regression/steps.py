"""One iteration at a site as a results table: derivatives of the model, and the counts of people that judge them."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from shared_code.config.models import INTERCEPT, Model
from shared_code.config.study import ResultsTable
from shared_code.methods.federated import Specification
from shared_code.methods.glm import DISPERSION, Step, derivatives
from shared_code.model import ALL, LAYOUTS
from shared_code.regression.tables import FEW_VALUES, ModelTable

Ints = NDArray[np.int64]


def specification(model: Model, fewest_sites: int = 1) -> Specification:
    """Say what is fitted, in the words of the federated fit."""
    return Specification(
        model.family, tuple(model.columns), own=frozenset(model.own), binary=frozenset(model.zero_or_one),
        offset=model.exposure, ridge=model.ridge, robust=model.robust, rounds=model.rounds, fewest=fewest_sites,
    )  # fmt: skip


def parameters(model: Model) -> list[str]:
    """Name the parameters of a model: its columns, and the dispersion of a negative binomial one."""
    return [*model.columns, *([DISPERSION] if model.family == "negative_binomial" else [])]


def step_declaration(model: Model) -> ResultsTable:
    """Declare the results table of one iteration: a row for everyone, one per parameter, one per pair of them."""
    levels = {name: name for name in parameters(model)}
    dimension = {"values": levels, "total": True}
    return ResultsTable.model_validate({
        "title": f"One iteration of: {model.title}", "layout": "step", "sets": [[], ["term"], ["term", "by"]],
        "dimensions": {"term": dimension, "by": dimension},
    })  # fmt: skip


def step_table(table: ModelTable, beta: list[float], log_dispersion: float | None, spread: bool, requests: int
               ) -> pd.DataFrame:  # fmt: skip
    """Compute one iteration at a site, with what the disclosure rules must know about every number in it.

    beta  in the order of the model's columns    spread  also the spread of the scores, for robust variances
    requests  how many rounds the site has answered about this analysis' people, this one included
    Gives a wide table of layout `step`: its statistics, and the counts that never leave.
    """
    model, names = table.model, parameters(table.model)
    step = derivatives(model.family, table, table.outcome, beta, offset=table.offset, log_dispersion=log_dispersion,
                       meat=spread, clusters=table.clusters if spread else None, effective=True)  # fmt: skip
    counted = table.counted or _count(table)
    if table.counted is None:
        object.__setattr__(table, "counted", counted)  # the same in every round
    fewest, people, cases, others, patterns = counted
    shared = np.full((len(names), len(names)), float(people))
    shared[: len(beta), : len(beta)] = step.effective
    rows = [{"term": ALL, "by": ALL, "log_likelihood": step.log_likelihood, "people": people, "events": step.events,
             "clusters": step.clusters if model.robust == "clusters" else np.nan, "fewest": fewest[ALL, ALL],
             "effective": people, "cases": cases, "others": others, "patterns": patterns,
             "requests": requests}]  # fmt: skip
    source = [_grouping(name) for name in names]
    for i, name in enumerate(names):
        rows.append({"term": name, "by": ALL, "gradient": step.gradient[i], "fewest": fewest[source[i], ALL],
                     "effective": shared[i, i]})  # fmt: skip
    for j, i in combinations_with_replacement(range(len(names)), 2):
        rows.append({"term": names[i], "by": names[j], "hessian": step.hessian[i, j], "fewest": fewest[source[i], source[j]],
                     "meat": step.meat[i, j] if step.meat is not None else np.nan, "effective": shared[i, j]})  # fmt: skip
    layout = step_declaration(model)
    wide = pd.DataFrame(rows, columns=[*layout.dimensions, *LAYOUTS["step"].columns])
    return wide.fillna(dict.fromkeys(["cases", "others", "patterns", "requests"], 0))


def read_step(model: Model, cells: pd.DataFrame) -> Step | str:
    """Read a site's answer from its released cells, or say in words why it holds none."""
    values = cells.set_index(["term", "by", "statistic"])
    status, value = values["status"], values["value"]
    if "withheld" in set(status):
        return "its disclosure rules withheld the step: a group of the model is too small there"
    names = parameters(model)
    people = float(value[ALL, ALL, "people"])
    events = float(value[ALL, ALL, "events"])
    if status[ALL, ALL, "log_likelihood"] != "ok":  # no events: nothing is given but that
        blank = np.zeros((len(names), len(names)))
        return Step(0.0, blank[0].copy(), blank, int(people), events)
    gradient = np.array([value[name, ALL, "gradient"] for name in names])
    square = {part: np.zeros((len(names), len(names))) for part in ("hessian", "meat")}
    for part, matrix in square.items():
        for j, i in combinations_with_replacement(range(len(names)), 2):
            matrix[i, j] = matrix[j, i] = value[names[i], names[j], part]
    clusters = value[ALL, ALL, "clusters"]
    meat = square["meat"] if status[names[0], names[0], "meat"] == "ok" else None
    return Step(float(value[ALL, ALL, "log_likelihood"]), gradient, square["hessian"], int(people), events, meat,
                None if math.isnan(clusters) else int(clusters))  # fmt: skip


def _grouping(column: str) -> str:
    """Name the grouping that a column belongs to: a term's levels, or a number."""
    return ALL if column in (INTERCEPT, DISPERSION) else column.partition("=")[0]


def _count(table: ModelTable) -> tuple[dict[tuple[str, str], int], int, int, int, int]:
    """Find the smallest number of distinct people, zeros left out, in each two-way table of groups and outcome.

    Gives it per pair of groupings (in both orders); the number of people, of those with the outcome, and without it; and
    the smallest number in a pattern of all terms, or 0.
    """
    groups = {ALL: np.zeros(len(table), dtype=np.int64), **table.groupings()}
    person = table.person
    splits = [np.ones(len(table), bool)]
    if table.model.family != "linear":
        splits = [table.outcome > 0, table.outcome <= 0]
    count = _by_person(groups, splits, person) if person is not None else _by_row(groups, splits)
    people = len(np.unique(person)) if person is not None else len(table)
    positive = table.outcome > 0
    if table.model.family == "linear":
        return count, people, people, people, _patterns(table)
    cases = len(np.unique(person[positive])) if person is not None else int(positive.sum())
    others = people - cases if table.model.family in ("logistic", "modified_poisson") else people
    return count, people, cases, others, _patterns(table)


def _by_row(groups: dict[str, Ints], splits: list[NDArray[np.bool_]]) -> dict[tuple[str, str], int]:
    sizes = {name: int(codes.max(initial=0)) + 1 for name, codes in groups.items()}
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])))
    n = len(groups[ALL])
    columns = np.column_stack([codes + starts[name] for name, codes in groups.items()])
    indicator = sparse.csr_matrix(
        (np.ones(columns.size, dtype=np.int64), columns.ravel(), np.arange(n + 1) * len(groups)), shape=(n, sum(sizes.values()))
    )  # fmt: skip
    tables = [np.asarray((indicator[split].T @ indicator[split]).todense()) for split in splits]
    fewest = {}
    for a, b in combinations_with_replacement(groups, 2):
        at = np.ix_(range(starts[a], starts[a] + sizes[a]), range(starts[b], starts[b] + sizes[b]))
        counts = np.concatenate([t[at].ravel() for t in tables])
        fewest[a, b] = fewest[b, a] = int(counts[counts > 0].min())
    return fewest


def _by_person(groups: dict[str, Ints], splits: list[NDArray[np.bool_]], person: Ints) -> dict[tuple[str, str], int]:
    fewest = {}
    for a, b in combinations_with_replacement(groups, 2):
        smallest = []
        for split in splits:
            cell = groups[a][split] * (int(groups[b].max()) + 1) + groups[b][split]
            both = np.unique(np.column_stack([cell, person[split]]), axis=0)
            smallest += np.unique(both[:, 0], return_counts=True)[1].tolist()
        fewest[a, b] = fewest[b, a] = min(smallest)
    return fewest


def _patterns(table: ModelTable) -> int:
    """Give the smallest number of people in a pattern of all terms and the outcome, where the steps would tell it.

    Every round gives p gradients and p(p+1)/2 second derivatives, each a weighted sum over patterns with known weights. As
    soon as they are as many as the patterns, they can be solved for the number of people in each: then every pattern is
    a cell. Gives 0 where there are more patterns than numbers.
    """
    model, p = table.model, len(table.model.columns)
    terms = table.table[list(model.terms)]
    numbers = model.rounds * (p + p * (p + 1) // 2)
    if any(spec.number is not None and terms[t].nunique() > max(FEW_VALUES, numbers) for t, spec in model.terms.items()):
        return 0
    pattern = terms.groupby(list(terms.columns), sort=False).ngroup().to_numpy()
    if pattern.max() + 1 > numbers:
        return 0
    outcome = np.zeros(len(pattern), dtype=np.int64) if model.family == "linear" else (table.outcome > 0).astype(np.int64)
    cell = pattern * 2 + outcome
    if table.person is not None:
        cell = np.unique(np.column_stack([cell, table.person]), axis=0)[:, 0]
    return int(np.unique(cell, return_counts=True)[1].min())
