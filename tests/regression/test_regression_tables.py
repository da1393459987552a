"""A declared model, its table and its columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from shared_code.config.models import Model
from shared_code.regression.tables import save_model
from tests.regression.conftest import TERMS, declared, people_at, plan_with


def test_columns_follow_the_declaration_whoever_is_there(table_of):
    model = declared()
    assert model.columns == ["intercept", "age=75-84", "age=85+", "frailty=moderate", "frailty=severe", "admitted=yes"]
    people = people_at(1, 500)
    table = table_of(people[people["frailty"] != "severe"])
    x = table[0 : len(table)]
    assert x.shape == (len(table), 6) and x[:, 4].sum() == 0, "a level nobody has is a column of zeros"
    np.testing.assert_array_equal(x[:, 1], people.loc[people["frailty"] != "severe", "age"] == "75-84")


def test_numbers_are_centred_scaled_and_bent_at_knots(table_of):
    people = people_at(1, 300).assign(years=np.linspace(65, 95, 300))
    spec = {"number": {"centre": 75, "scale": 10, "knots": [75, 85]}}
    x = table_of(people.drop(columns="age"), terms={**{k: v for k, v in TERMS.items() if k != "age"}, "years": spec})[0:300]
    years = people["years"].to_numpy()
    np.testing.assert_allclose(x[:, 4], (years - 75) / 10)
    np.testing.assert_allclose(x[:, 6], np.maximum(years - 85, 0) / 10)


def test_the_reference_can_be_any_level():
    terms = TERMS | {"frailty": TERMS["frailty"] | {"reference": "severe"}}
    assert declared(terms=terms).columns[3:5] == ["frailty=fit", "frailty=moderate"]


@pytest.mark.parametrize(("change", "words"), [
    ({"terms": {"age": {"bands": [65, 75], "number": {}}}}, "exactly one of values, bands or number"),
    ({"terms": {"outcome": {"bands": [65, 75]}}}, "cannot be named"),
    ({"terms": {"age": {"bands": [65]}}}, "two levels or more"),
    ({"terms": {"age": {"values": {"a": "A", "b": "B"}, "reference": "c"}}}, "is not one of its levels"),
    ({"terms": {}}, "at least one term"),
    ({"family": "modified_poisson"}, "needs robust"),
    ({"exposure": True}, "knows no exposure"),
    ({"baseline": "time"}, "is not a term"),
    ({"rounds": 13}, "less than or equal to 12"),
    ({"famly": "logistic"}, "famly"),
])  # fmt: skip
def test_a_faulty_model_says_what_is_wrong(change, words):
    with pytest.raises(ValidationError, match=words):
        Model.model_validate({"title": "m", "family": "logistic", "terms": TERMS} | change)


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.drop(columns="age"), "missing columns: age"),
    (lambda t: t.assign(nhs_number=1), "columns nobody declared: nhs_number"),
    (lambda t: t.assign(age="64"), "age holds 1 levels that the model does not have"),
    (lambda t: t.assign(outcome=2), "neither 0 nor 1"),
    (lambda t: t.assign(frailty=[None, *t["frailty"][1:]]), "frailty is missing in some rows"),
    (lambda t: t.iloc[:0], "it has no rows"),
])  # fmt: skip
def test_a_table_that_does_not_fit_is_refused(message_of, tmp_path, change, words):
    message = message_of(save_model, plan_with(declared()), tmp_path, "emergency", change(people_at(1, 100)))
    assert words in message
    assert not list(tmp_path.rglob("*.parquet"))


def test_nothing_but_numbers_is_saved(tmp_path):
    people = people_at(1, 100).assign(person=[f"nhs{i}" for i in range(100)])
    save_model(plan_with(declared()), tmp_path, "emergency", people)
    saved = pd.read_parquet(next(tmp_path.rglob("*.parquet")))
    assert all(pd.api.types.is_numeric_dtype(saved[column]) for column in saved)
