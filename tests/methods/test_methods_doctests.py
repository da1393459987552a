"""The examples in the documentation run, and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from shared_code import methods

MODULES = [f"{methods.__name__}.{module.name}" for module in pkgutil.iter_modules(methods.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_have_an_example(name):
    module = importlib.import_module(name)
    public = [
        item for key, item in inspect.getmembers(module, inspect.isfunction)
        if item.__module__ == name and not key.startswith("_")
    ]  # fmt: skip
    assert [item.__name__ for item in public if ">>>" not in (item.__doc__ or "")] == []


def test_public_names_are_complete():
    functions = {name for name, item in vars(methods).items() if inspect.isfunction(item) or inspect.isclass(item)}
    assert functions | {"ESP2013"} == set(methods.__all__)
