"""Known answers: inputs, expected values and tolerances computed independently of this package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

KNOWN_ANSWERS = Path(__file__).resolve().parents[3] / "shared" / "methods" / "known_answers.json"


class KnownAnswer(NamedTuple):
    """Hold one published or independently computed answer."""

    inputs: dict[str, Any]
    expected: dict[str, Any]
    rtol: float

    def agrees(self, computed: Any, *path: str) -> None:
        """Compare with the expected value at this path of keys."""
        expected: Any = self.expected
        for key in path:
            expected = expected[key]
        np.testing.assert_allclose(computed, expected, rtol=self.rtol, atol=1e-12, err_msg="/".join(path))


@pytest.fixture(scope="session")
def known() -> Callable[[str], KnownAnswer]:
    """Look a known answer up by its number, such as T2.1."""
    if not KNOWN_ANSWERS.exists():
        pytest.skip("the known answers lie outside the repository, in ../shared/methods/known_answers.json")
    answers = json.loads(KNOWN_ANSWERS.read_text(encoding="utf-8"))

    def look_up(number: str) -> KnownAnswer:
        if number not in answers:
            pytest.skip(f"{number} is not among the known answers")
        answer = answers[number]
        return KnownAnswer(answer["inputs"], answer["expected"], answer["rtol"])

    return look_up
