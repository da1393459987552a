"""An index from what sites released: the same scores as from one table, what is withheld is missing, editions never mix."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.config.indices import Index
from shared_code.indices import AreaTable, score, uncertain
from shared_code.indices.output import switches, without
from shared_code.model import Refused
from shared_code.pooling.indices import beside, released

TERMS = ("working_age", "later_life", "depression")
ENTRY = {
    "title": "Wards", "question": "Which?",
    "results": {"index_wards": {"title": "t", "layout": "estimates", "dimensions": {
        "edition": {"values": {"2024-05": "May 2024", "2021-12": "December 2021"}}, "ward": {"local": True},
        "term": {"values": dict.fromkeys(TERMS, "")}}}},
    "pooled": [{"method": "gather", "table": "index_wards", "item": "term", "unit": "%"}],
    "indices": {"made_up_health": {"table": "index_wards", "item": "term", "place": "ward", "draws": 300}},
}  # fmt: skip


def wards(site: int, number: int = 8, edition: str = "2024-05") -> pd.DataFrame:
    """Make the results of one site: shares of ill people that follow one hidden hardship, as a notebook saves them."""
    rng = np.random.default_rng(site)
    hardship = rng.normal(0, 1, number)
    rows = [{"edition": edition, "ward": f"Ward {n} E05{site:03d}{n:03d}", "term": term,
             "estimate": middle + 3 * h + rng.normal(0, 0.5), "se": 0.8, "people": 200, "person_days": 0.0}
            for n, h in enumerate(hardship) for term, middle in zip(TERMS, (18, 60, 14))]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def indexed(network: Callable[..., Any]) -> Any:
    net = network("life", threshold=10)
    content = net.study.model_dump(mode="json") | {"analyses": {"wards_index": ENTRY}}
    net.study = Study.model_validate(content)
    return net


def sent(net: Any, **tables: pd.DataFrame) -> pd.DataFrame:
    for site, table in tables.items():
        net.send(site, index_wards=table)
    net.pool()
    path = net.target / "indices" / "made_up_health.csv"
    return pd.read_csv(path, keep_default_na=False, na_values={"score": [""], "rank": [""]})


def test_scores_are_those_of_one_table_of_all_wards(indexed: Any):
    parts = {"north": wards(1), "south": wards(2), "west": wards(3, 5)}
    found = sent(indexed, **parts).query("level == 'index'").set_index("place")["score"].sort_index()
    everything = pd.concat(parts.values())
    everything["place"] = everything["ward"].str[-9:]
    table = everything.pivot(index="place", columns="term", values="estimate").round(2)  # what leaves has two decimals
    expected = score(Index.read("made_up_health"), AreaTable(table, "ward 2024-05")).total
    np.testing.assert_allclose(found, expected.sort_index(), rtol=1e-5)
    record = json.loads((indexed.target / "indices" / "made_up_health.json").read_text("utf-8"))
    assert record["made_up"] and record["sites"] == ["north", "south", "west"] and record["places"] == 21
    assert set(record["with_error"]) == set(TERMS)
    digests = json.loads((indexed.target / "pooled.json").read_text("utf-8"))["indices"]
    assert set(digests) == {path.name for path in (indexed.target / "indices").iterdir()}


def test_the_same_inbox_gives_the_same_files(indexed: Any):
    sent(indexed, north=wards(1), south=wards(2))
    first = {path.name: path.read_bytes() for path in (indexed.target / "indices").iterdir()}
    indexed.pool()
    assert {path.name: path.read_bytes() for path in (indexed.target / "indices").iterdir()} == first


def counted(site: int, number: int = 12) -> pd.DataFrame:
    """Make the results of one site whose shares are cases over people; the first ward is small."""
    rng = np.random.default_rng(site)
    hardship = rng.normal(0, 0.25, number)
    people = rng.integers(400, 900, number)
    people[0] = 90
    rows = []
    for n in range(number):
        for term, share, part in zip(TERMS, (0.18, 0.6, 0.14), (0.6, 0.25, 0.8)):
            of = int(people[n] * part)
            cases = round(of * min(share * np.exp(hardship[n] + rng.normal(0, 0.03)), 0.9))
            cases = 7 if (n, term) == (0, "depression") else max(cases, 10)
            shown = np.nan if cases < 10 else 1.0  # as the notebook: fewer than 10 cases give no value
            rows.append({"edition": "2024-05", "ward": f"Ward {n} E05{site:03d}{n:03d}", "term": term,
                         "estimate": shown * 100 * cases / of, "se": shown * 0.8, "people": cases,
                         "person_days": 0.0})  # fmt: skip
    return pd.DataFrame(rows)


def test_what_is_withheld_is_a_gap_and_never_a_good_score(indexed: Any):
    """Without `shares` nothing is known of it: a third of the component is missing, and the ward has no score."""
    found = sent(indexed, north=counted(1), south=counted(2), west=counted(3)).set_index("place")
    assert np.isnan(found.loc["E05001000"].query("level == 'index'")["score"].iloc[0])
    assert found.query("level == 'index'")["score"].notna().sum() == 33


def test_a_withheld_share_is_drawn_within_the_range_of_its_cases(indexed: Any):
    """7 of 72 people: a range of cases is released, and the score lies where these would put it, with its uncertainty."""
    content = indexed.study.model_dump(mode="json")
    content["analyses"]["wards_index"]["indices"]["made_up_health"]["shares"] = list(TERMS)
    indexed.study = Study.model_validate(content)
    found = sent(indexed, north=counted(1), south=counted(2), west=counted(3))
    total = found.query("level == 'index'").astype({"lower": float, "upper": float}).set_index("place")
    assert total["score"].notna().all() and len(total) == 36
    from shared_code.pooling.inbox import receive

    inbox = receive(indexed.study, indexed.inbox, indexed.expected)
    shown, index = indexed.study.analyses["wards_index"].indices["made_up_health"], Index.read("made_up_health")
    table = released(inbox, "wards_index", shown, index, {})
    low, high = table.numbers.loc["E05001000", ["depression.lower", "depression.upper"]].astype(float)
    cells = inbox.stacked("wards_index", "index_wards").query("ward == 'Ward 0 E05001000' and term == 'depression'")
    few = cells[cells["statistic"] == "people"].iloc[0]
    assert few["status"] == "withheld" and 1 <= few["lower"] < 7 < few["upper"] < 20
    assert [low, high] == pytest.approx([100 * few["lower"] / 72, 100 * few["upper"] / 72], rel=0.2)
    small = total.loc["E05001000"]
    edges = []
    for value in (low, high):  # the component scored with either end in its place
        numbers = table.numbers.drop(columns=[c for c in table.numbers if c.endswith((".lower", ".upper"))])
        numbers.loc["E05001000", "depression"] = value
        edges.append(score(index, AreaTable(numbers, index.edition)).total["E05001000"])
    assert min(edges) - 2 < small["score"] < max(edges) + 2
    widths = (total["upper"] - total["lower"]).drop(index=["E05001000", "E05002000", "E05003000"])
    assert small["upper"] - small["lower"] > 1.5 * widths.median()
    assert json.loads((indexed.target / "indices" / "made_up_health.json").read_text("utf-8"))["within_range"] == 3
    from shared_code.reporting.index_words import IndexWords

    said = IndexWords(indexed.target / "indices", "made_up_health").summary()
    assert "drawn within the range of their cases (3 of them)" in said


def test_a_share_that_is_no_item_of_the_table_is_refused(indexed: Any):
    content = indexed.study.model_dump(mode="json")
    content["analyses"]["wards_index"]["indices"]["made_up_health"]["shares"] = ["asthma"]
    with pytest.raises((Refused, ValueError), match="'asthma' is not a value of its item"):
        Study.model_validate(content)


def test_wards_of_two_editions_are_refused(indexed: Any, message_of: Callable[..., str]):
    indexed.send("north", index_wards=wards(1))
    indexed.send("south", index_wards=wards(2, edition="2021-12"))
    said = message_of(indexed.pool)
    assert "ward 2021-12, ward 2024-05" in said and "never compared" in said
    assert not indexed.target.exists()


def test_an_edition_that_the_protocol_does_not_name_does_not_leave_the_site():
    """The notebook saves the edition of the site's lookup, and a results table only takes declared values."""
    from shared_code.config.plan import Plan
    from shared_code.measures.saving import check_results

    study = Study.read("config/study.yaml")
    plan = Plan(study, "social_progress_index")
    fine = wards(1)
    assert check_results(plan, "wards", fine, complete=True) == []
    problems = check_results(plan, "wards", fine.assign(edition="2017-12"), complete=True)
    assert len(problems) == 1 and "edition holds 2017-12" in str(problems[0])


def test_a_code_that_two_sites_use_stands_for_two_places(indexed: Any):
    table = wards(1)
    sent(indexed, north=table, south=table.assign(estimate=table["estimate"] + 1))
    from shared_code.pooling.inbox import receive

    inbox = receive(indexed.study, indexed.inbox, indexed.expected)
    shown = indexed.study.analyses["wards_index"].indices["made_up_health"]
    found = released(inbox, "wards_index", shown, Index.read("made_up_health"), {"north": "North"})
    assert found.numbers.index.is_unique and len(found.numbers) == 16
    assert set(found.numbers["district"]) == {"North", "south"}


def test_one_site_alone_makes_no_index(indexed: Any, problems_of: Callable[..., Any]):
    indexed.send("north", index_wards=wards(1))
    problems_of(indexed.pool)  # fewer sites than the study asks for
    assert not (indexed.target / "indices").exists()


def test_what_cannot_be_scored_says_why_and_stops_nothing_else(indexed: Any):
    """Depression goes against the other two at every site: the index is not given, the other results are."""
    tables = {name: wards(n) for n, name in enumerate(("north", "south"), 1)}
    for table in tables.values():
        mine = table["term"] == "depression"
        table.loc[mine, "estimate"] = 30 - table.loc[mine, "estimate"]
    for name, table in tables.items():
        indexed.send(name, index_wards=table)
    results = indexed.pool()
    assert len(results) and not (indexed.target / "indices" / "made_up_health.csv").exists()
    said = json.loads((indexed.target / "indices" / "made_up_health.json").read_text("utf-8"))
    assert said["refused"] == ["depression goes against the others of illness"]
    from shared_code.reporting.index_words import IndexWords

    words = IndexWords(indexed.target / "indices", "made_up_health")
    assert words.summary() == words.places() == "Not given: depression goes against the others of illness."


def test_too_many_gaps_are_told_too(indexed: Any):
    tables = {name: wards(n) for n, name in enumerate(("north", "south"), 1)}
    for table in tables.values():
        table.loc[table["ward"].str.startswith(("Ward 0", "Ward 1")), ["estimate", "se"]] = np.nan  # a quarter of the wards
    for name, table in tables.items():
        indexed.send(name, index_wards=table)
    indexed.pool()
    said = json.loads((indexed.target / "indices" / "made_up_health.json").read_text("utf-8"))
    assert "missing in too many" in said["refused"][0]


def test_releases_stand_beside_open_data_of_the_same_places(message_of: Callable[..., str]):
    """At real sites both are about the same wards; made-up places, or another edition, cannot slip in."""
    codes = [f"E05{n:06d}" for n in range(40)]
    rng = np.random.default_rng(4)
    hardship = rng.normal(0, 1, 40)
    frame = pd.DataFrame({"damp": 20 + 5 * hardship + rng.normal(0, 2, 40), "name": codes, "district": "Here"}, index=codes)
    data = AreaTable(frame, "ward 2024-05", "open data")
    sent = pd.DataFrame({"illness": 30 + 5 * hardship + rng.normal(0, 2, 40), "illness.se": 1.0, "name": codes, "district": "S"},
                        index=codes)  # fmt: skip
    both = beside(data, AreaTable(sent.iloc[:38], "ward 2024-05", "releases"))
    assert list(both.numbers) == ["damp", "name", "district", "illness", "illness.se"] and len(both.numbers) == 40
    assert both.numbers["illness"].isna().sum() == 2 and (both.numbers["district"] == "Here").all()
    other = AreaTable(sent, "ward 2017-12", "releases")
    assert "is of ward 2024-05 and releases of ward 2017-12" in message_of(beside, data, other)
    twice = sent.rename(columns={"illness": "damp", "illness.se": "damp.se"})
    assert "damp is in open data and among what sites released" in message_of(beside, data, AreaTable(twice, "ward 2024-05", "r"))
    made_up = sent.rename(index={codes[0]: "E05999999"})
    assert "E05999999" in message_of(beside, data, AreaTable(made_up, "ward 2024-05", "releases"))
    item = {"more_is": "worse", "best": 0, "worst": 100}
    index = Index.model_validate({
        "index": "both", "title": "Both", "table": "open", "edition": "ward 2024-05", "draws": 100,
        "dimensions": {"life": {"title": "Life", "components": {"home": {"title": "Home"}, "health": {"title": "Health"}}}},
        "indicators": {"damp": item | {"component": "home"}, "illness": item | {"component": "health"}},
    })  # fmt: skip
    whole = beside(data, AreaTable(sent, "ward 2024-05", "releases"))
    found = score(index, whole)
    told = {row["switch"]: row for row in switches(index, whole, found, uncertain(index, whole, found), ["illness"])}
    assert 0.5 < told["without_released"]["correlation"] < 1
    np.testing.assert_allclose(score(without(index, ["illness"]), whole).total, found.scores["home"])
