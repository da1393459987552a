"""All parts of a federated regression played together: two approvals, signatures, ledger, quarantine, and the result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from typer.testing import CliRunner

from shared_code.cli import app, model_steps
from shared_code.cli.models_demo import play
from shared_code.config import Site, Study, rooms
from shared_code.config.plan import Plan
from shared_code.model import Refused
from shared_code.pooling.models import fitted_models
from shared_code.pooling.step_packages import take_in_step
from shared_code.regression.requests import Request
from shared_code.regression.tables import save_model
from shared_code.releases import keys, ledger, package
from shared_code.reporting import evidence

ROOT = Path(__file__).parents[2]
STEM, NAME = "long_term_conditions", "multimorbidity"
MODEL = f"{STEM}.{NAME}"


def people(seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    n = 8000
    table = pd.DataFrame({"age": chance.choice(["40-54", "55-64", "65-74", "75+"], n), "sex": chance.choice(["F", "M"], n),
                          "deprivation": chance.choice(list("12345"), n)})  # fmt: skip
    eta = -1.5 + 0.5 * (table["age"] == "75+") + 0.4 * (table["deprivation"] == "1") + 0.1 * seed
    return table.assign(outcome=(chance.random(n) < 1 / (1 + np.exp(-eta))).astype(int))


@pytest.fixture
def made_up(tmp_path, monkeypatch) -> tuple[Study, dict[str, pd.DataFrame]]:
    """Three demonstration sites that have run the analysis, and two that have not."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.chdir(tmp_path)
    study = Study.read("config/study.yaml")
    tables = {}
    for seed, site in enumerate([s for s in model_steps.expected_sites(study) if s.startswith("demo_")][:3]):
        tables[site] = people(seed)
        save_model(Plan(study, STEM), rooms.results(site, study.study) / STEM, NAME, tables[site])
    return study, tables


def check_traced(study: Study, about: dict, result: pd.DataFrame) -> None:
    """The model stands among the results, and leads back to every answer; a changed or outdated table does not."""
    rows, record = fitted_models(study, rooms.models(study.study))
    rows = [row for row in rows if row["scope"] == "pooled" and row["item"] == NAME]
    assert len(rows) == len(result) and {row["measure"] for row in rows} == {"odds ratio"} and not record[MODEL]["not_shown"]
    for site, digests_ in about["answers"].items():
        there = rooms.steps_received(study.study, MODEL)
        sent = [there / f"round-{n:02d}" / f"{site}.zip" for n in range(1, about["rounds"] + 1)]
        assert [package.opened(path).digest for path in sent] == digests_
    last = ["sha256:" + digests_[-1][:12] for digests_ in about["answers"].values()]
    assert set(result["releases"]) == {"; ".join(last)}
    other = study.model_copy(update={"index_date": study.index_date.replace(year=2020)})
    rows, record = fitted_models(other, rooms.models(study.study))
    assert rows == [] and "declared otherwise" in record[MODEL]["not_shown"]
    path = rooms.fitted(study.study, MODEL)
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b"odds ratio", b"risk ratio", 1))
    with pytest.raises(Refused, match="it is not the table that its fit wrote"):
        fitted_models(study, rooms.models(study.study))
    path.write_bytes(kept)


def check_without_each(written: pd.DataFrame, everyone: pd.DataFrame, tables: dict) -> None:
    """Each site is left out in turn: the fit of the others, its slope at the site, and the page that shows them."""
    slopes = written[written["item"] == f"{NAME}_slope"]
    terms = np.column_stack([*[everyone["age"] == a for a in ("55-64", "65-74", "75+")], everyone["sex"] == "M",
                             *[everyone["deprivation"] == d for d in "1234"]]).astype(float)  # fmt: skip
    levels = np.column_stack([everyone["site"] == site for site in tables]).astype(float)
    for number, left in enumerate(tables):
        here = (everyone["site"] == left).to_numpy()
        columns = np.column_stack([np.delete(levels, number, axis=1), terms])[~here]
        exact = sm.GLM(everyone["outcome"].to_numpy()[~here], columns, family=sm.families.Binomial()).fit(tol=1e-12)
        mine = written[(written["scope"] == f"loso:{left}") & (written["item"] == NAME)]
        assert (np.abs(np.log(mine["estimate"]) - exact.params[2:]) < 0.02 * exact.bse[2:]).all()
        assert set(mine["n_sites"]) == {2} and left in mine["sites_without"].iloc[0] and left not in mine["sites"].iloc[0]
        there = everyone["outcome"].to_numpy()[here]
        own = sm.GLM(there, sm.add_constant(terms[here] @ exact.params[2:]), family=sm.families.Binomial()).fit()
        row = slopes[(slopes["scope"] == f"site:{left}") & (slopes["measure"] == "effect at the site")].iloc[0]
        assert abs(row["estimate"] - own.params[1]) < 0.1 * own.bse[1] and row["events"] == there.sum()
    average = slopes[(slopes["scope"] == "pooled") & (slopes["measure"] == "pooled estimate")].iloc[0]
    assert average["lower"] < 1 < average["upper"] and average["pi_lo"] < average["pi_hi"] and average["n_sites"] == 3
    declared = {"title": "T", "terms": {"age": {"label": "age", "levels": {}}, "sex": {"label": "sex", "levels": {"M": "Male"}}}}
    shown = written.reset_index()
    shown[["level", "reason", "group"]] = shown[["level", "reason", "group"]].fillna("")
    parts = [shown[shown["item"] == item] for item in (NAME, f"{NAME}_slope")]
    page = evidence.without_each(*parts, declared, dict.fromkeys(tables, "") | {next(iter(tables)): "First"})
    assert "Without First" in page and "Calibration slope at the site left out" in page and "Sex Male" in page
    assert f"{average['pi_lo']:.2f} and {average['pi_hi']:.2f}" in page
    assert "not given, no fit without" in evidence.without_each(parts[0][parts[0]["scope"] == "pooled"], parts[1], declared, {})


def test_every_step_goes_through_every_door(made_up):
    study, tables = made_up
    said = list(play(study, STEM, NAME))
    assert "Fitted over 3 sites" in said[-1] and said[-1].count("there is no model table") == 2
    written = pd.read_csv(rooms.fitted(study.study, MODEL)).set_index(["group", "level"])
    result = written[(written["scope"] == "pooled") & (written["item"] == NAME)]
    everyone = pd.concat([table.assign(site=site) for site, table in tables.items()])
    columns = [everyone["site"] == site for site in tables] + [everyone["age"] == a for a in ("55-64", "65-74", "75+")]
    columns += [everyone["sex"] == "M", *[everyone["deprivation"] == d for d in "1234"]]
    expected = sm.GLM(everyone["outcome"], np.column_stack(columns).astype(float), family=sm.families.Binomial()).fit(tol=1e-15)
    np.testing.assert_allclose(np.log(result["estimate"]), expected.params[3:], atol=1e-8)
    np.testing.assert_allclose(result["se"], expected.bse[3:], atol=1e-8)
    check_without_each(written, everyone, tables)
    assert set(result["n_sites"]) == {3} and set(result["people"]) == {24_000}
    assert result["sites_excluded"].str.count("no model table").eq(2).all() and (result["target"] == "coefficients").all()
    about = json.loads(rooms.fitted(study.study, MODEL).with_suffix(".json").read_text())
    rounds = about["rounds"]
    check_traced(study, about, result)
    for site in tables:
        entries = ledger.chain(rooms.ledger(site)).entries()
        assert [entry["round"] for entry in entries] == list(range(1, rounds + 1))
        sent = package.opened(rooms.steps_received(study.study, MODEL) / "round-01" / f"{site}.zip")
        assert len(sent.signatures["approvals"]) == 2 and sent.manifest["kind"] == "model step"


def test_without_approval_nothing_leaves_and_without_signature_nothing_is_taken_in(made_up, message_of):
    study, tables = made_up
    site = next(iter(tables))
    rounds = model_steps.rounds_of(study, STEM, NAME)
    rounds.start(list(tables))
    request = rounds.ask(rounds.state())[site]
    done = CliRunner().invoke(app, ["model", "step", site, str(request)])
    assert done.exit_code == 0, done.output
    with pytest.raises(Refused, match="it lacks the approval of an analyst and of a reviewer"):
        model_steps.send_step(Site.read(site), study, Request.read(request), keys.demonstration(site, "site"))
    assert not rooms.step_outgoing(site, study.study, MODEL, 1).exists() and not rooms.ledger(site).exists()
    draft = rooms.step_draft(site, study.study, MODEL, 1)
    with pytest.raises(Refused, match="nobody has signed it"):
        take_in_step(draft, rounds, rooms.quarantine())
    assert not list(rooms.steps_received(study.study, MODEL).rglob("*.zip"))
