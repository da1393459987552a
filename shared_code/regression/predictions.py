"""Predictions from coefficients that a protocol declares: the same at every site, nothing is fitted there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from shared_code.config.models import Model
from shared_code.model import Problem, Refused, band_labels, few
from shared_code.regression.tables import ModelTable


def model_frame(model: Model, people: pd.DataFrame) -> pd.DataFrame | None:
    """Take the terms and the outcome of a model from a table of people; numbers become the bands they fall in.

    People with a level that the model does not have (an unknown area) are left out. Gives None where the site lacks a term.
    """
    if any(term not in people for term in model.terms):
        return None
    frame = people[["outcome"]].copy() if "outcome" in people else pd.DataFrame(index=people.index)
    for term, spec in model.terms.items():
        values = people[term]
        if spec.bands:
            place = np.searchsorted(spec.bands, values, side="right") - 1
            names = np.array([*band_labels(spec.bands), ""], dtype=object)  # below the first band: the last name, which is none
            values = pd.Series(names[place], index=people.index)
        frame[term] = values
        if spec.number is None:
            frame = frame[frame[term].isin(list(spec.levels))]
    return frame


def predicted(model: Model, coefficients: dict[str, float], frame: pd.DataFrame) -> NDArray[np.float64]:
    """Give the predicted chance of everybody in a table as `model_frame` makes it, from declared coefficients.

    Raises model.Refused when the coefficients are not those of the model's columns.
    """
    if sorted(coefficients) != sorted(model.columns):
        lacking = [name for name in model.columns if name not in coefficients]
        extra = [name for name in coefficients if name not in model.columns]
        wrong = f"missing: {few(lacking) or 'none'}; not of this model: {few(extra) or 'none'}"
        problem = Problem("parameters.coefficients", wrong, few(model.columns, 12), "Write one number per column of the model")
        raise Refused("The declared coefficients", [problem])
    coded = pd.DataFrame({
        term: frame[term].astype(float) if spec.number is not None
        else frame[term].astype(str).map({level: i for i, level in enumerate(spec.levels)}).astype(np.int16)
        for term, spec in model.terms.items()
    })  # fmt: skip
    design = ModelTable(model, coded)[0 : len(coded)]
    return np.asarray(expit(design @ np.array([coefficients[name] for name in model.columns])), dtype=float)
