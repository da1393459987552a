"""Frailty scores against their published points and bands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.methods import frailty as f

CODES = sorted(f.HOSPITAL_FRAILTY_POINTS)


def test_the_points_are_those_of_the_specification(shared):
    """Appendix B, read by itself: 109 codes."""
    text = (shared / "methods" / "METHODS.md").read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("**7.1**"))
    expected = {code: float(points) for points, codes in re.findall(r"\*\*([0-9.]+)\*\*: ([A-Z0-9 ]+)", line)
                for code in codes.split()}  # fmt: skip
    assert expected == f.HOSPITAL_FRAILTY_POINTS and len(expected) == 109


def test_the_worked_example():
    """T6: F00, W19 and N39 make 13.5, intermediate."""
    assert f.hospital_frailty(["F00", "W19", "N39"]) == 13.5
    assert f.hospital_frailty_band([13.5]).tolist() == ["intermediate"]


@given(st.lists(st.sampled_from([*CODES, "I10", "C509"])), st.lists(st.sampled_from(CODES)))
def test_a_code_counts_once_and_more_codes_never_lower_the_score(codes, more):
    score = f.hospital_frailty(codes)
    assert score == f.hospital_frailty([*codes, *codes]) == f.hospital_frailty([f"{c}.9" for c in codes])
    assert f.hospital_frailty([*codes, *more]) >= score >= 0
    assert score == pytest.approx(sum(f.HOSPITAL_FRAILTY_POINTS.get(c, 0) for c in set(codes)), abs=0.051)


def test_without_medicines_the_index_is_of_35():
    """Pitfall: 36 with polypharmacy counted as absent makes everybody a little less frail."""
    assert f.frailty_index([9], medicines_held=False)[0] == 9 / 35 > f.frailty_index([9], medicines_held=True)[0] == 0.25
    assert f.frailty_band([9 / 35, 8.5 / 36]).tolist() == ["moderate", "mild"]
    with pytest.raises(ValueError, match="more than 35 deficits"):
        f.frailty_index([36], medicines_held=False)
