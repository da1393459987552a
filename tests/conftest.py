"""What every folder of tests may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_code.model import Problem, Refused

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of public data and known answers that lies beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the public data lie outside the repository, in ../shared")
    return SHARED


@pytest.fixture(scope="session")
def problems_of() -> Callable[..., list[Problem]]:
    """Call something that must refuse its input, and give every problem it names."""

    def call(function: Callable[..., Any], *args: Any, **more: Any) -> list[Problem]:
        with pytest.raises(Refused) as refused:
            function(*args, **more)
        for problem in refused.value.problems:  # one line each, without a traceback's words
            assert "\n" not in str(problem), problem
            assert "Traceback" not in str(problem)
        return refused.value.problems

    return call


@pytest.fixture(scope="session")
def message_of(problems_of: Callable[..., list[Problem]]) -> Callable[..., str]:
    """Call something that must refuse its input for one reason, and give that message."""

    def call(function: Callable[..., Any], *args: Any, **more: Any) -> str:
        problems = problems_of(function, *args, **more)
        assert len(problems) == 1, [str(p) for p in problems]
        return str(problems[0])

    return call
