"""Whole fits through the real doors: requests out, protected packages back, round after round."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from shared_code.config import Site, Study
from shared_code.model import Refused
from shared_code.pooling.rounds import Rounds
from shared_code.regression.requests import Request
from shared_code.regression.tables import save_model
from shared_code.releases import ledger, package
from shared_code.releases.steps import answer, count_requests, remember
from tests.regression.conftest import TERMS, people_at

COUNTS = {"title": "t", "layout": "counts", "dimensions": {"sex": {"values": {"F": "f", "M": "m"}}}}
MODEL = {"title": "Emergency admission", "family": "logistic", "terms": TERMS}


def study(**more: Any) -> Study:
    return Study.model_validate({
        "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
        "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
        "analyses": {"risk": {"title": "t", "question": "q", "pooled": [], "results": {"ill": COUNTS},
                              "models": {"emergency": MODEL | more}}},
    })  # fmt: skip


class Network:
    """Sites with people, the coordinating team, and the person who carries files between them."""

    def __init__(self, folder: Path, protocol: Study, people: dict[str, pd.DataFrame]):
        self.study, self.folder, self.people = protocol, folder, people
        self.rounds = Rounds(protocol, "risk", "emergency", folder / "coordination", folder / "inbox")
        plan = SimpleNamespace(stem="risk", entry=protocol.analyses["risk"])
        for name, table in people.items():
            save_model(plan, self.results(name) / "risk", "emergency", table)

    def results(self, name: str) -> Path:
        return self.folder / name / "results"

    def record(self, name: str) -> Path:
        return self.folder / name / "ledger"

    def site(self, name: str) -> Site:
        return Site.model_validate({"site": name, "title": name, "controller": "x", "studies": ["tiny"],
                                    "extract_date": "2024-02-01"})  # fmt: skip

    def answer(self, name: str, path: Path) -> Path:
        """Answer a request at a site: protect, package, remember."""
        request, target = Request.read(path), self.folder / name / "outbox" / path.parent.name / f"{name}.zip"
        answer(self.site(name), self.study, request, self.results(name), target, self.record(name))
        _, files, digest = package.read(target)
        remember(self.record(name), request, digest, files)
        return target

    def carry(self, path: Path) -> Path:
        target = self.folder / "inbox" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(path, target))

    def play(self) -> Any:
        """Go on until the fit has ended."""
        while requests := self.rounds.ask(self.rounds.state()):
            for name, path in requests.items():
                if name in self.rounds.waiting(self.rounds.state()):
                    self.carry(self.answer(name, path))
        return self.rounds.result(self.rounds.state())


PEOPLE = {name: people_at(seed, level=-1.5 + 0.2 * seed) for seed, name in enumerate(["east", "north", "west"])}


@pytest.fixture
def network(tmp_path) -> Network:
    made = Network(tmp_path, study(), PEOPLE)
    made.rounds.start(list(PEOPLE))
    return made


def stacked(people: dict[str, pd.DataFrame]) -> Any:
    everyone = pd.concat([table.assign(site=name) for name, table in people.items()], ignore_index=True)
    columns = [everyone["site"] == name for name in people]
    columns += [everyone["age"] == a for a in ("75-84", "85+")] + [everyone["frailty"] == f for f in ("moderate", "severe")]
    x = np.column_stack([*columns, everyone["admitted"] == "yes"]).astype(float)
    return sm.GLM(everyone["outcome"].to_numpy(float), x, family=sm.families.Binomial()).fit(tol=1e-15)


def same(fit: Any, expected: Any) -> None:
    np.testing.assert_allclose([c.estimate for c in fit.coefficients.values()], expected.params, atol=1e-8)
    np.testing.assert_allclose([c.se for c in fit.coefficients.values()], expected.bse, atol=1e-8)


def test_rounds_through_the_doors_equal_the_fit_to_everybody(network: Network):
    fit = network.play()
    same(fit, stacked(PEOPLE))
    entries = ledger.chain(network.record("east")).entries()
    assert [e["round"] for e in entries] == list(range(1, fit.rounds + 1)), "every step that left is in the ledger"
    assert len({e["package"] for e in entries}) == fit.rounds


def test_a_site_that_leaves_half_way_is_named_and_the_rest_goes_on(network: Network):
    for _ in range(2):
        for name, path in network.rounds.ask(network.rounds.state()).items():
            network.carry(network.answer(name, path))
    state = network.rounds.state()
    assert state.round == 2 and network.rounds.waiting(state) == ["east", "north", "west"]
    network.rounds.go_on_without(state, "north", "its agreement ended")
    fit = network.play()
    assert fit.left_out == {"north": "its agreement ended (round 3)"}
    same(fit, stacked({name: PEOPLE[name] for name in ("east", "west")}))


def test_a_site_that_may_not_answer_says_why_and_sends_nothing(tmp_path, problems_of):
    small = PEOPLE["west"].drop(index=PEOPLE["west"][PEOPLE["west"]["age"] == "85+"].index[5:])
    network = Network(tmp_path, study(), {**PEOPLE, "west": small})
    network.rounds.start(list(PEOPLE))
    paths = network.rounds.ask(network.rounds.state())
    problems = problems_of(network.answer, "west", paths["west"])
    assert "groups of 1 to 9 people" in str(problems[0]) and "Merge levels" in str(problems[0])
    assert not (tmp_path / "west" / "outbox").exists() and not network.record("west").exists()
    for name in ("east", "north"):
        network.carry(network.answer(name, paths[name]))
    network.rounds.go_on_without(network.rounds.state(), "west", "a group is too small there")
    same(network.play(), stacked({name: PEOPLE[name] for name in ("east", "north")}))


def test_a_site_without_events_answers_once_and_is_left_out(tmp_path):
    people = {**PEOPLE, "west": PEOPLE["west"].assign(outcome=0)}
    network = Network(tmp_path, study(), people)
    network.rounds.start(list(people))
    fit = network.play()
    assert "no events" in fit.left_out["west"] and fit.sites == ("east", "north")
    assert count_requests(network.record("west"), network.study, Request.read(network.rounds.folder / "round-01/west.json")) == 1


def test_robust_variance_takes_one_round_more_and_is_exact(tmp_path):
    protocol = study(family="modified_poisson", robust="people")
    network = Network(tmp_path, protocol, PEOPLE)
    network.rounds.start(list(PEOPLE))
    fit = network.play()
    x = stacked(PEOPLE).model
    expected = sm.GLM(x.endog, x.exog, family=sm.families.Poisson()).fit(cov_type="HC0", tol=1e-15)
    same(fit, expected)


@pytest.mark.parametrize(("change", "words"), [
    ({"site": "west"}, "it is for west in the study tiny"),
    ({"study": "other"}, "in the study other"),
    ({"model": "other"}, "declares no such model"),
    ({"model_digest": "0" * 64}, "another version of the model"),
    ({"beta": [0.0]}, "do not fit the model"),
    ({"beta": [float("inf")] * 6}, "do not fit the model"),
    ({"log_dispersion": 0.5}, "do not fit the model"),
    ({"spread": True}, "robust variance that the model does not declare"),
])  # fmt: skip
def test_a_request_that_is_not_the_studys_is_not_answered(network: Network, message_of, tmp_path, change, words):
    asked = Request.read(network.rounds.ask(network.rounds.state())["east"])
    wrong = asked.model_copy(update=change)
    assert words in message_of(answer, network.site("east"), network.study, wrong, network.results("east"),
                               tmp_path / "x.zip", network.record("east"))  # fmt: skip
    assert not (tmp_path / "x.zip").exists()


def test_a_damaged_request_is_refused(network: Network, message_of, tmp_path):
    (tmp_path / "r.json").write_text('{"form": "something"}')
    assert "cannot be read" in message_of(Request.read, tmp_path / "r.json")


def test_an_answer_to_another_round_or_of_another_site_is_refused(network: Network, message_of):
    paths = network.rounds.ask(network.rounds.state())
    answers = {name: network.answer(name, path) for name, path in paths.items()}
    for path in answers.values():
        network.carry(path)
    network.rounds.ask(network.rounds.state())
    late = network.folder / "inbox" / "round-02"
    late.mkdir()
    for name, path in answers.items():
        shutil.copy(path, late / f"{name}.zip")
    with pytest.raises(Refused, match="it answers another request"):
        network.rounds.state()
    shutil.rmtree(late)
    shutil.copy(answers["east"], network.folder / "inbox" / "round-01" / "west.zip")
    assert "it is of east" in message_of(network.rounds.state)


def test_a_changed_answer_is_refused(network: Network):
    paths = network.rounds.ask(network.rounds.state())
    for name, path in paths.items():
        carried = network.carry(network.answer(name, path))
    content = bytearray(carried.read_bytes())
    content[len(content) // 2] ^= 1
    carried.write_bytes(bytes(content))
    with pytest.raises(Refused):
        network.rounds.state()


def test_a_changed_model_is_another_model(network: Network, message_of):
    changed = Rounds(study(ridge=1.0), "risk", "emergency", network.rounds.folder, network.rounds.inbox)
    assert "the model has changed" in message_of(changed.state)


def test_asking_again_about_other_coefficients_is_counted(network: Network):
    asked = Request.read(network.rounds.ask(network.rounds.state())["east"])
    network.answer("east", network.rounds.folder / "round-01" / "east.json")
    record = network.record("east")
    assert count_requests(record, network.study, asked) == 1, "the same request again is no new one"
    other = asked.model_copy(update={"beta": [0.1] * 6})
    assert count_requests(record, network.study, other) == 2


def test_a_fit_begins_once_with_enough_sites(network: Network, message_of, tmp_path):
    assert "has begun" in message_of(network.rounds.start, ["east", "west"])
    fresh = Rounds(network.study, "risk", "emergency", tmp_path / "new", tmp_path / "in")
    assert "at least 2" in message_of(fresh.start, ["east"])
    assert "has not begun" in message_of(fresh.state)
    fresh.start(["west", "east"])
    assert json.loads((tmp_path / "new" / "fit.json").read_text())["sites"] == ["east", "west"]
