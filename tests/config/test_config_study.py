"""Every message of a faulty protocol says where, what is wrong, and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config import Policy, Study
from shared_code.config.steps import step_faults
from shared_code.config.study import months_between

ENTRY = "analyses.illness"
DIMENSIONS = f"{ENTRY}.results.ill.dimensions"

# keys | new value (None: the key is removed) | words of the message
FAULTS: list[tuple[str, Any, list[str]]] = [
    ("colour", "red", ["colour", "'colour' is not known"]),
    ("disclosure.treshold", 9, ["'treshold' is not known (did you mean threshold?)", "rule_set, threshold, rounding"]),
    (f"{ENTRY}.neds", [], ["'neds' is not known (did you mean needs?)"]),
    (f"{DIMENSIONS}.age.band", [1], [f"{DIMENSIONS}.age.band", "did you mean bands?"]),
    (f"{ENTRY}.findings.0.place", "x", ["'place' is not known", "text, where, decimals, but"]),
    ("index_date", None, ["index_date: this key is missing", "Add index_date"]),
    (f"{ENTRY}.question", None, [f"{ENTRY}.question: this key is missing"]),
    ("index_date", "soon", ["index_date: 'soon'", "valid date"]),
    ("period.end", "2019-01-01", ["the period ends (2019-01-01) before it starts (2020-01-01)"]),
    ("disclosure.rule_set", "MINE", ["'MINE' is not allowed", "NET10"]),
    ("disclosure.threshold", 0, ["disclosure.threshold: 0", "greater than or equal to 1"]),
    ("disclosure.threshold", 2, ["disclosure: a threshold of 2 withholds only the count 1, and so tells it"]),
    ("study", "Tiny Study", ["study: 'Tiny Study'"]),
    (f"{ENTRY}.needs", ["persn"], ["'persn' is not a table of the data model (did you mean person?)"]),
    (f"{ENTRY}.uses", ["deaths"], ["'deaths' is not a table of the data model (did you mean death?)"]),
    (f"{ENTRY}.results.ill.layout", "count", ["'count' is not a layout (did you mean counts?)", "events, estimates"]),
    (f"{ENTRY}.results.ill.sets", [[], ["sex"]], ["sets.1: 'sex' is not a dimension with total: true"]),
    (f"{ENTRY}.results.ill.sets", [["area"], ["area"]], ["sets.1: ['area'] names the same cells twice"]),
    (f"{DIMENSIONS}.people", {"local": True}, ["a dimension cannot be named 'people'"]),
    (f"{DIMENSIONS}.status", {"local": True}, ["a dimension cannot be named 'status'"]),
    (f"{DIMENSIONS}.age.bands", [0, 65, 18], ["bands must rise: [0, 65, 18]"]),
    (f"{DIMENSIONS}.age.bands", [0, 18, 18], ["bands must rise"]),
    (f"{DIMENSIONS}.age", {"label": "Age"}, ["give exactly one of values, bands, codelist, months, points or local"]),
    (f"{DIMENSIONS}.age.values", {"a": "b"}, ["give exactly one of values, bands, codelist, months, points or local"]),
    (f"{DIMENSIONS}.sex.local", True, ["give exactly one of values, bands, codelist, months, points or local"]),
    (f"{DIMENSIONS}.sex.values", {"all": "Everyone"}, ["'all' cannot be a value: it stands for the total"]),
    (f"{DIMENSIONS}.sex.kind", "nested", ["only bands can be nested"]),
    (f"{DIMENSIONS}.sex", {"months": ["2020-13", "2021-01"]}, ["months are the first and the last one, as YYYY-MM"]),
    (f"{DIMENSIONS}.sex", {"months": ["2021-02", "2021-01"]}, ["months are the first and the last one"]),
    (f"{DIMENSIONS}.condition.codelist", "list", ["'list' is not a parameter of this analysis", "codelist"]),
    (f"{ENTRY}.pooled.0.table", "sick", ["'sick' is not a results table of this analysis"]),
    (f"{ENTRY}.pooled.0.method", "average", ["'average' is not allowed", "prevalence"]),
    (f"{ENTRY}.pooled.0.slop", "area", ["'slop' is not known (did you mean slope?)"]),
    (f"{ENTRY}.pooled.0.item", None, ["pooled.0.item: this key is missing"]),
    (f"{ENTRY}.pooled.0.standardise", ["sex", "ages"], ["'ages' is not a dimension of this table (did you mean age?)"]),
    (f"{ENTRY}.pooled.0.groups", {"area": "5"}, ["'5' is not a level of area", "Allowed: 1, 2"]),
    (f"{ENTRY}.figures.ratios.kind", "pie", ["'pie' is not allowed"]),
    ("fewest_sites", 0, ["fewest_sites: 0"]),
]


def test_the_unspoilt_protocol_is_accepted(study):
    assert Study.read(study.write()).analyses["illness"].results["ill"].always == ["condition", "sex", "age"]


@pytest.mark.parametrize(("keys", "value", "words"), FAULTS)
def test_each_fault_is_named_where_it_stands(study, message_of, keys, value, words):
    message = message_of(Study.read, study.change(keys, value).write())
    for word in words:
        assert word in message
    assert message.startswith(str(study.path))


def test_names_of_analyses_and_tables_can_be_names_of_files(study, message_of):
    assert "'../up' cannot be the name of a file" in message_of(Study.read, study.replace("illness:", "../up:").write())


def test_all_problems_are_shown_at_once(study, problems_of):
    for keys, value in (
        ("colour", "red"),
        ("index_date", None),
        ("disclosure.rule_set", "MINE"),
        (f"{ENTRY}.needs", ["persn", "deth"]),
        (f"{ENTRY}.pooled.0.slop", "area"),
        (f"{DIMENSIONS}.age.bands", [65, 18]),
        (f"{ENTRY}.results.ill.sets", [["sex"]]),
    ):
        study.change(keys, value)
    text = "\n".join(map(str, problems_of(Study.read, study.write())))
    for word in ("colour", "index_date", "MINE", "persn", "deth", "slop", "bands must rise", "'sex' is not a dimension"):
        assert word in text


def test_a_key_written_twice_is_refused_with_its_line(study, message_of):
    path = study.replace("title: A small study", "title: A small study\ntitle: Another").write()
    message = message_of(Study.read, path)
    assert "line 4" in message
    assert "the key 'title' is written twice" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"study: [unfinished", "line"),
        ("title: Übersicht".encode("cp1252"), "the file is not UTF-8"),
        (b"", "the file holds no settings"),
        (b"- a\n- b\n", "the file holds no settings"),
        (b"? [a, b]\n: c\n", "a key is a list or a mapping"),
        (b"title: \x00\n", "the file is not YAML"),
    ],
)
def test_files_that_are_not_settings(tmp_path: Path, message_of, content, words):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    assert words in message_of(Study.read, path)


def test_a_missing_file_suggests_the_nearest_name(study, message_of):
    study.write()
    assert "there is no such file (did you mean study.yaml?)" in message_of(Study.read, study.path.with_name("studdy.yaml"))


def test_an_unknown_analysis_suggests_the_nearest_name(study):
    with pytest.raises(KeyError, match="did you mean illness"):
        Study.read(study.write()).analysis("ilness")


def test_months_between_crosses_the_year():
    assert months_between("2019-11", "2020-02") == ["2019-11", "2019-12", "2020-01", "2020-02"]
    assert months_between("2020-02", "2020-02") == ["2020-02"]


POLICIES = st.builds(Policy, threshold=st.just(1) | st.integers(3, 40), rounding=st.integers(1, 40))


@settings(deadline=None, database=None, derandomize=True)
@given(POLICIES, st.none() | POLICIES)
def test_a_site_is_never_looser_than_the_study(study_policy, site_policy):
    result = study_policy.stricter(site_policy)
    for side in [study_policy, *([site_policy] if site_policy else [])]:
        assert result.threshold >= side.threshold
        assert result.rounding >= side.rounding
    assert result.smallest_shown >= study_policy.threshold


def test_what_a_site_leaves_out_is_the_studys():
    assert Policy(threshold=4, rounding=1).stricter(Policy(threshold=15)) == Policy(threshold=15, rounding=1)


@settings(deadline=None, database=None, derandomize=True)
@given(POLICIES)
def test_the_smallest_shown_count_never_looks_smaller_than_the_threshold(policy):
    """It is the smallest count that is, and is rounded half up to, the threshold or more (brute force)."""
    base, threshold = policy.rounding, policy.threshold
    passing = (n for n in range(1, 200) if n >= threshold and (2 * n + base) // (2 * base) * base >= threshold)
    assert policy.smallest_shown == (1 if threshold == 1 else next(passing))


@pytest.mark.parametrize(("more", "words"), [
    ({"cumulative": "size"}, "'size' is no order of sites"), ({"cumulative": ["a", "a"]}, "a site is named twice"),
    ({"small_sites": "yes"}, "neither true nor false"),
    ({"kinds": {"setting": {"sites": {"a": "x"}}}}, "does not say what it is"),
    ({"moderators": {"share": {"title": "Share", "sites": {"a": "many"}}}}, "'many' is not a number"),
    ({"kinds": {"setting": {"title": "Setting", "sites": {"a": 3}}}}, "3 is not a word"),
    ({"moderator": {}}, "did you mean moderators?"),
])  # fmt: skip
def test_what_is_said_of_sites_can_be_used(more, words):
    step = {"target": "effect", "method": "meta_analysis", "table": "effects", "item": "term", "unit": "ratio", **more}
    assert any(words in fault.wrong for fault in step_faults(("pooled", "0"), step, {"term": {"values": {"a": "A"}}}))
    good = {"cumulative": ["b", "a"], "small_sites": True, "kinds": {"s": {"title": "S", "sites": {"a": "x"}}},
            "moderators": {"m": {"title": "M", "sites": {"a": 1.5}}}}  # fmt: skip
    plain = {name: value for name, value in step.items() if name not in more}
    assert not [*step_faults(("pooled", "0"), {**plain, **good}, {"term": {"values": {"a": "A"}}})]
