"""What an analysis froze before it counted outcomes travels as digests only; a site without steps has none."""

from __future__ import annotations

import json

import pytest

from shared_code.releases import ledger
from shared_code.releases.attacks.files import identifiers
from shared_code.releases.release import FROZEN, frozen_of
from shared_code.releases.steps import STEP, _steps

DIGEST = "ab" * 32


def test_digests_are_found_by_analysis(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / FROZEN).write_text(json.dumps({"balance": DIGEST}), "utf-8")
    assert frozen_of(tmp_path, ["one.a", "one.b", "two.c"]) == {"one": {"balance": DIGEST}}


@pytest.mark.parametrize("content", [{"balance": 17}, {"Balance": DIGEST}, {"balance": DIGEST[:-1]}, [DIGEST],
                                     {"a": DIGEST, "b": 3}])  # fmt: skip
def test_anything_else_is_refused(tmp_path, message_of, content):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / FROZEN).write_text(json.dumps(content), "utf-8")
    assert "something else than digests" in message_of(frozen_of, tmp_path, ["one.a"])


def test_a_site_has_the_steps_it_answered_since_it_began_anew(tmp_path):
    assert _steps(tmp_path / "none") == []
    for number, kind in enumerate((STEP, ledger.START, STEP, STEP)):
        ledger.chain(tmp_path).append({"kind": kind, "round": number}, {})
    assert [entry["round"] for entry in _steps(tmp_path)] == [2, 3]


@pytest.mark.parametrize(("number", "found"), [("943 476 5919", True), ("943 476 5918", False), ("400 000 0000", False),
                                               ("400 000 0004", True), ("000 000 0000", False),
                                               ("100 000 0060", True)])  # fmt: skip
def test_a_number_is_one_of_the_nhs_only_with_its_check_digit(number, found):
    """943 476 5919 is the published example; 100 000 0060 has the check digit 0, which stands for a rest of 11."""
    assert bool(identifiers(f"x {number} y")) is found
