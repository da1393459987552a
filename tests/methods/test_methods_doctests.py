"""The examples in the documentation run, and every public function on arrays has one."""

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


@pytest.mark.parametrize("name", methods.__all__)
def test_a_public_function_has_an_example(name):
    item = getattr(methods, name)
    if inspect.isfunction(item) and "DataFrame" not in str(inspect.signature(item)):
        assert ">>>" in (item.__doc__ or "")


def test_every_name_that_is_imported_is_public():
    imported = {name for name, item in vars(methods).items() if inspect.isfunction(item) or inspect.isclass(item)}
    assert imported | {"ESP2013"} == set(methods.__all__)
