"""Made-up model tables, and a study that declares a model."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.models import Model
from shared_code.regression.tables import ModelTable, model_path, open_model, save_model

TERMS = {
    "age": {"bands": [65, 75, 85]},
    "frailty": {"values": {"fit": "Fit", "moderate": "Moderate", "severe": "Severe"}},
    "admitted": {"values": {"no": "No", "yes": "Yes"}},
}


def declared(**more: Any) -> Model:
    return Model.model_validate({"title": "Emergency admission", "family": "logistic", "terms": TERMS} | more)


def plan_with(model: Model) -> Any:
    """Stand in for a plan: all that a model table needs of it."""
    return SimpleNamespace(stem="risk", entry=SimpleNamespace(models={"emergency": model}))


def people_at(seed: int, n: int = 20_000, level: float = -1.5) -> pd.DataFrame:
    """Make up people of one site with terms by their codes and a yes-or-no outcome."""
    chance = np.random.default_rng(seed)
    age = chance.choice(["65-74", "75-84", "85+"], n, p=[0.5, 0.35, 0.15])
    frailty = chance.choice(["fit", "moderate", "severe"], n, p=[0.6, 0.25, 0.15])
    admitted = chance.choice(["no", "yes"], n, p=[0.8, 0.2])
    eta = level + 0.4 * (age == "75-84") + 0.8 * (age == "85+") + 0.5 * (frailty == "moderate") + (frailty == "severe") * 0.9
    outcome = chance.random(n) < 1 / (1 + np.exp(-(eta + 0.9 * (admitted == "yes"))))
    return pd.DataFrame({"outcome": outcome.astype(int), "age": age, "frailty": frailty, "admitted": admitted})


@pytest.fixture
def table_of(tmp_path) -> Callable[..., ModelTable]:
    """Save a table under a model as a notebook would, and open it again."""

    def make(people: pd.DataFrame, **more: Any) -> ModelTable:
        plan = plan_with(declared(**more))
        save_model(plan, tmp_path, "emergency", people)
        assert model_path(tmp_path, "emergency").is_file()
        return open_model(plan, tmp_path, "emergency")

    return make
