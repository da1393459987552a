"""The examples in the docstrings say what is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import shared_code.linkage

MODULES = [f"shared_code.linkage.{m.name}" for m in pkgutil.iter_modules(shared_code.linkage.__path__)]


@pytest.mark.parametrize("name", [*MODULES, "shared_code.synthetic.identifiers"])
def test_examples(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
