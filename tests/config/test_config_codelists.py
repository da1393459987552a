"""Codelists: codes damaged on their way are refused, and ICD-10 codes mean what the longest entry says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config import codelists
from shared_code.config.codelists import FOLDER, load, verhoeff

quick = settings(deadline=None, database=None, derandomize=True)
ASTHMA = "asthma,Asthma,ICD10,J45,include,0,"

FAULTS = [
    ("asthma,Asthma,SCT,2.48611E+14,include,0,", "'2.48611E+14' is not a SNOMED CT code (wrong check digit)"),
    ("asthma,Asthma,SCT,195967002,include,0,", "'195967002' is not a SNOMED CT code (wrong check digit)"),
    ("asthma,Asthma,SCT,248611000000000,include,0,", "wrong check digit"),
    ("asthma,Asthma,SCT,,include,0,", "'' is not a SNOMED CT code"),
    ("asthma,Asthma,ICD10,J45.0,include,0,", "'J45.0' is not an ICD-10 code without its dot"),
    ("asthma,Asthma,ICD10,j45,include,0,", "'j45' is not an ICD-10 code"),
    ("asthma,Asthma,ICD10,J4,include,0,", "'J4' is not an ICD-10 code"),
    ("asthma,Asthma,READ,H33,include,0,", "code_system is 'READ', not SCT or ICD10"),
    ("asthma,Asthma,ICD10,J46,maybe,0,", "rule is 'maybe', not include, exclude or resolves"),
    ("asthma,Asthma,ICD10,J46,include,adults,", "minimum_age is 'adults', not whole years"),
    ("Asthma!,Asthma,ICD10,J46,include,0,", "condition is 'Asthma!', not small letters"),
    ("asthma,Asthma,ICD10,J46,include,0,Status, acute", "another number of fields than the header"),
    ("asthma,Asthma,ICD10,J46", "another number of fields than the header"),
    (ASTHMA, "asthma names the code J45 twice"),
    ("asthma,Asthma,ICD10,J45,exclude,0,", "asthma names the code J45 twice"),
    ("asthma,Bronchial asthma,ICD10,J46,include,0,", "asthma has another title or minimum_age than before"),
    ("asthma,Asthma,ICD10,J46,include,18,", "asthma has another title or minimum_age than before"),
]


@pytest.mark.parametrize(("line", "words"), FAULTS)
def test_a_faulty_line_is_named(codelist, message_of, line, words):
    message = message_of(load, "made_up/1", codelist(ASTHMA, line))
    assert words in message
    assert "entry 2" in message


def test_all_faulty_lines_are_named_together(codelist, problems_of):
    problems = problems_of(load, "made_up/1", codelist(ASTHMA, *(line for line, _ in FAULTS)))
    assert len(problems) == len(FAULTS)


def test_faults_of_the_whole_file(codelist, message_of):
    folder = codelist(ASTHMA, header="condition,code")
    assert "columns are condition, code" in message_of(load, "made_up/1", folder)
    (folder / "made_up" / "1.csv").write_bytes("condition,é".encode("cp1252"))
    assert "the file is not UTF-8" in message_of(load, "made_up/1", folder)
    assert "there is no such codelist. Allowed: made_up/1" in message_of(load, "made_up/2", folder)


def test_a_byte_order_mark_is_no_part_of_the_header(codelist):
    folder = codelist(ASTHMA)
    path = folder / "made_up" / "1.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load("made_up/1", folder).titles == {"asthma": "Asthma"}


# recorded code | conditions it means
MEANINGS = [
    ("ICD10", "F323", {"severe_mental_illness"}),
    ("ICD10", "F3230", {"severe_mental_illness"}),
    ("ICD10", "F333", {"severe_mental_illness"}),
    ("ICD10", "F32", {"depression"}),
    ("ICD10", "F322", {"depression"}),
    ("ICD10", "F31", {"severe_mental_illness"}),
    ("ICD10", "C43", {"cancer"}),
    ("ICD10", "C44", set()),
    ("ICD10", "C449", set()),
    ("ICD10", "C97X", {"cancer"}),
    ("ICD10", "G459", {"stroke_tia"}),
    ("ICD10", "G454", set()),
    ("ICD10", "I110", {"heart_failure", "hypertension"}),
    ("ICD10", "I119", {"hypertension"}),
    ("ICD10", "I10X", {"hypertension"}),
    ("ICD10", "I14", set()),
    ("ICD10", "O10", set()),
    ("ICD10", "F051", {"dementia"}),
    ("ICD10", "F050", set()),
    ("ICD10", "I70", set()),
    ("ICD10", "I702", {"peripheral_artery_disease"}),
    ("ICD10", "E1", set()),
    ("SCT", "73211009", {"diabetes"}),
    ("SCT", "7321100", set()),
    ("SCT", "732110090", set()),
    ("ICD10", "73211009", set()),
]


@pytest.mark.parametrize(("system", "code", "conditions"), MEANINGS)
def test_what_recorded_codes_mean(system, code, conditions):
    assert load("long_term_conditions/2026-11").conditions_of(system, code) == conditions


def test_every_shipped_list_can_be_read():
    shipped = sorted(FOLDER.glob("*/*.csv"))
    assert shipped
    for path in shipped:
        read = load(f"{path.parent.name}/{path.stem}")
        assert read.titles
        assert set(read.titles) == set(read.minimum_age)


def test_published_identifiers_have_their_check_digit():
    for code in ("13645005", "58214004", "13746004", "69322001", "110359009", "399957001", "266257000", "709044004"):
        assert verhoeff(code)
    for code in ("", "12345", "1364500٥", "13645005 ", "1" * 19):
        assert not verhoeff(code)


def with_check_digit(body: str) -> str:
    return next(body + digit for digit in "0123456789" if verhoeff(body + digit))


BODIES = st.from_regex(r"[1-9][0-9]{4,16}", fullmatch=True)


@quick
@given(BODIES, st.data())
def test_every_single_wrong_digit_is_found(body, data):
    code = with_check_digit(body)
    place = data.draw(st.integers(0, len(code) - 1))
    for digit in set("0123456789") - {code[place]}:
        assert not verhoeff(code[:place] + digit + code[place + 1 :])


@quick
@given(BODIES)
def test_every_swap_of_two_neighbours_is_found(body):
    code = with_check_digit(body)
    for place in range(len(code) - 1):
        if code[place] != code[place + 1]:
            assert not verhoeff(code[:place] + code[place + 1] + code[place] + code[place + 2 :])


@quick
@given(st.text("CFGIJ0123456789X", min_size=3, max_size=6))
def test_a_longer_code_means_what_its_prefix_means_unless_an_entry_says_otherwise(code):
    read = load("long_term_conditions/2026-11")
    entries = {entry for system, entry in read.rules if system == "ICD10"}
    if not any(entry.startswith(code) for entry in entries):
        assert read.conditions_of("ICD10", code) == (read.conditions_of("ICD10", code[:-1]) if len(code) > 3 else set())


def test_matches_lists_only_codes_that_mean_something():
    recorded = [("ICD10", "I110"), ("ICD10", "Z00"), ("SCT", "73211009")]
    expected = [("ICD10", "I110", "heart_failure"), ("ICD10", "I110", "hypertension"), ("SCT", "73211009", "diabetes")]
    assert load("long_term_conditions/2026-11").matches(recorded) == expected
    assert codelists.load("long_term_conditions/2026-11").digest
