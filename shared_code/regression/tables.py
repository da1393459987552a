"""The model table of a site: what a notebook prepares for a federated regression, saved without names, read as columns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared_code.config.models import INTERCEPT, TABLE_COLUMNS, Model
from shared_code.config.plan import Plan
from shared_code.config.rooms import from_root
from shared_code.measures.cohort import band
from shared_code.methods.glm import check_outcome
from shared_code.model import Problem, Refused, few

FOLDER = "models"  # inside the folder of an analysis' results, in the private room
FEW_VALUES = 20  # a number with no more values than this is counted value by value, as levels are


def save_model(plan: Plan, folder: str | Path, name: str, table: pd.DataFrame | None) -> None:
    """Write the model table of one declared model into the private room, checked, without anything else in it.

    table  one row per person (per person and band of time where the model has a baseline), with `outcome`, one column per
           term (codes of levels, or numbers), and `exposure`, `clusters`, `person` where the model uses them
    None is not saved: the site does not collect what the model needs, and cannot answer requests about it.
    Levels become numbers; clusters and persons are numbered anew. Raises model.Refused when a column is missing or was not
    declared, a level is not on the model's list, a value is missing, or the outcome does not fit the family.
    """
    if table is None:
        return
    model = plan.entry.models[name]
    problems = _problems(model, f"{plan.stem}.{name}", table)
    if problems:
        raise Refused(f"The model table {name} of {plan.stem}", problems)
    coded = pd.DataFrame({"outcome": table["outcome"].astype(float)})
    if model.exposure:
        coded["exposure"] = table["exposure"].astype(float)
    for column in ("clusters", "person"):
        if column in table:
            coded[column] = pd.factorize(table[column])[0]
    for term, spec in model.terms.items():
        if spec.number is not None:
            coded[term] = table[term].astype(float)
        else:
            codes = {level: number for number, level in enumerate(spec.levels)}
            coded[term] = table[term].astype(str).map(codes).astype(np.int16)
    path = model_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    coded.to_parquet(partial, index=False)
    if os.name == "posix":
        partial.chmod(0o600)
    partial.replace(path)


def case_table(people: ir.Table, cases: ir.Table, case: str, model: Model, known_only: list[str]) -> pd.DataFrame | None:
    """Make the model table of who is a case: one row per person, the outcome 1 or 0 and the terms of the model.

    people      one row per person: person_id and a column per term, numbers where a term has bands or is a number
    cases       (person_id, name of the case) in its first two columns, such as conditions present
    case        which case is the outcome
    known_only  terms whose people with another value than the model's levels are left out; say so in the definition
    Gives None where the site lacks the column of a term: then the model is not run there.
    """
    if any(term not in people.columns for term in model.terms):
        return None
    which = cases.filter(cases[cases.columns[1]] == case).select("person_id").distinct().mutate(outcome=1)
    terms = {term: band(people[term], spec.bands) if spec.bands else people[term] for term, spec in model.terms.items()}
    joined = people.select("person_id", **terms).left_join(which, "person_id")
    table = joined.select(*model.terms, outcome=joined.outcome.fill_null(0)).execute()
    for term in known_only:
        table = table[table[term].isin(list(model.terms[term].levels))]
    return table.dropna().reset_index(drop=True)


def model_path(folder: str | Path, name: str) -> Path:
    """Name the file of a model table; `folder` is that of the analysis' results."""
    return from_root(folder) / FOLDER / f"{name}.parquet"


def _problems(model: Model, where: str, table: pd.DataFrame) -> list[Problem]:
    """Find what is wrong with a model table; no message holds a value of a person."""
    needed = ["outcome", *model.terms, *(["exposure"] if model.exposure else []),
              *(["clusters"] if model.robust == "clusters" else []), *(["person"] if model.baseline else [])]  # fmt: skip
    extra = [c for c in table.columns if c not in (*needed, *TABLE_COLUMNS)]
    missing = [c for c in needed if c not in table.columns]
    if missing or extra:
        wrong = f"missing columns: {few(missing) or 'none'}; columns nobody declared: {few(extra) or 'none'}"
        return [Problem(where, wrong, few(needed, 12), "Make the notebook's table and the model's entry agree")]
    if not len(table):
        return [Problem(where, "it has no rows", "one row per person", "See why nobody is in the cohort")]
    problems = []
    for column in [c for c in table.columns if table[c].isna().any()]:
        problems.append(Problem(where, f"{column} is missing in some rows", "", "Give missing values a level of their own"))
    for term, spec in model.terms.items():
        if spec.number is None:
            unknown = sorted(set(table[term].dropna().astype(str)) - set(spec.levels))
            if unknown:
                wrong = f"{term} holds {len(unknown)} levels that the model does not have"
                problems.append(Problem(where, wrong, few(spec.levels, 12), "Correct the notebook, or the model's entry"))
    numbers = ["outcome", *[t for t, s in model.terms.items() if s.number is not None], *(["exposure"] if model.exposure else [])]
    for column in numbers:
        if not pd.api.types.is_numeric_dtype(table[column]) or not np.isfinite(table[column].dropna().astype(float)).all():
            problems.append(Problem(where, f"{column} holds something else than finite numbers", "", "Correct the notebook"))
    if problems:
        return problems
    if model.exposure and (table["exposure"] <= 0).any():
        problems.append(Problem(where, "exposure is not above 0 in some rows", "person-time", "Leave out who is not at risk"))
    if "person" in table and model.family == "linear" and table["person"].duplicated().any():
        problems.append(Problem(where, "a person has several rows", "one row per person in a linear model", "Aggregate first"))
    try:
        check_outcome(model.family, table["outcome"].to_numpy(float))
    except ValueError as error:
        problems.append(Problem(where, str(error).partition(" at position")[0], "", "Correct the outcome, or the family"))
    return problems


@dataclass(frozen=True)
class ModelTable:
    """Give a saved model table as the columns of the design, block by block: `self[a:b]` has shape (b - a, p)."""

    model: Model
    table: pd.DataFrame
    counted: Any = field(default=None, repr=False, compare=False)  # counts of people, once they are known

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        block = self.table.iloc[rows]
        parts = [] if self.model.baseline else [np.ones((len(block), 1))]
        for term, spec in self.model.terms.items():
            values = block[term].to_numpy()
            if spec.number is not None:
                raw = np.column_stack([values, *[np.maximum(values - knot, 0) for knot in spec.number.knots]])
                raw[:, 0] -= spec.number.centre
                parts.append(raw / spec.number.scale)
            else:
                first = 0 if term == self.model.baseline else 1
                parts.append((values[:, None] == np.arange(first, len(spec.levels))).astype(float))
        return np.concatenate(parts, axis=1)

    @property
    def outcome(self) -> NDArray[np.float64]:
        return self.table["outcome"].to_numpy(float)

    @property
    def offset(self) -> NDArray[np.float64] | None:
        return np.log(self.table["exposure"].to_numpy(float)) if self.model.exposure else None

    @property
    def person(self) -> NDArray[np.int64] | None:
        """Give the number of each row's person, or None where every row is a person."""
        return self.table["person"].to_numpy() if "person" in self.table else None

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Give what scores are added up by for a robust variance: clusters, persons with several rows, or None."""
        return self.table["clusters"].to_numpy() if self.model.robust == "clusters" else self.person

    def groupings(self) -> dict[str, NDArray[np.int64]]:
        """Give how people can be told apart by the columns: name of a column or term -> a group number per row.

        Levels are groups. A number with few values is counted value by value; of another one, those with its most common
        value (if at least `FEW_VALUES` share it) and the others.
        """
        found = {}
        for term, spec in self.model.terms.items():
            values = self.table[term].to_numpy()
            if spec.number is None:
                found[term] = values.astype(np.int64)
                continue
            for name, column in [(term, values)] + [
                (f"{term} above {knot:g}", np.maximum(values - knot, 0)) for knot in spec.number.knots
            ]:
                distinct, groups, counts = np.unique(column, return_inverse=True, return_counts=True)
                if len(distinct) > FEW_VALUES:
                    common = counts.argmax()
                    groups = (groups != common) & (counts[common] >= FEW_VALUES)
                found[name] = groups.astype(np.int64)
        return found


def open_model(plan: Plan, folder: str | Path, name: str) -> ModelTable:
    """Open a saved model table (raises model.Refused when the notebook has not made it, or an older plan's one is there)."""
    model, path = plan.entry.models[name], model_path(folder, name)
    if not path.is_file():
        wrong = "there is no model table: the analysis was not run, or the site lacks what the model needs"
        raise Refused(f"The model {name} of {plan.stem}", [Problem(str(path), wrong, "", f"Run analyse for {plan.stem}")])
    table = pd.read_parquet(path)
    if not set(model.terms) <= set(table.columns):
        problem = Problem(str(path), "it was made from another declaration", "", f"Run analyse for {plan.stem}")
        raise Refused(f"The model {name} of {plan.stem}", [problem])
    return ModelTable(model, table)


__all__ = ["FOLDER", "INTERCEPT", "ModelTable", "model_path", "open_model", "save_model"]
