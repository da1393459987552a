"""The wall: for a real site no rule ever writes outbox/ or inbox/. Proved from the rules themselves and from the graph."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.workflow.conftest import copy_of_project

ROOT = Path(__file__).parents[2]
REAL = ["leafield", "demonstrably_real", "a_demo_site"]
SITE = """\
site: {name}
title: A real site
controller: A real controller
studies: [demonstration]
folder: data/{name}
extract_date: 2026-04-20
tables:
  person: {{file: people.csv, columns: {{person_id: {{from: a}}, birth_month: {{from: b}}, sex: {{from: c}}}}}}
  gp_registration:
    file: people.csv
    columns: {{person_id: {{from: a}}, practice_code: {{from: b}}, reg_start: {{from: c}}, reg_type: {{constant: GMS}}}}
  condition_event:
    file: people.csv
    columns:
      {{event_id: {{from: a}}, person_id: {{from: a}}, code: {{from: b}}, code_system: {{constant: SCT}},
       event_date: {{from: c}}, source: {{constant: GP}}}}
"""


@pytest.fixture(scope="module")
def walled(checkout):
    for name in REAL:
        (checkout.folder / "config" / "sites" / f"{name}.yaml").write_text(SITE.format(name=name), "utf-8")
        (checkout.folder / "data" / name).mkdir(parents=True, exist_ok=True)
        (checkout.folder / "data" / name / "people.csv").write_text("a,b,c\n", "utf-8")
    yield checkout
    for name in REAL:
        (checkout.folder / "config" / "sites" / f"{name}.yaml").unlink()


def test_real_sites_have_drafts(walled):
    possible = walled.snakemake("-n", *(f"private/{name}/demonstration/release/{name}.zip" for name in REAL))
    assert possible.returncode == 0, possible.stderr


@pytest.mark.parametrize(("name", "config"), [*((name, {}) for name in REAL), (REAL[1], {"site": REAL[1]})])
def test_a_real_site_has_no_way_into_the_outbox_or_the_inbox(walled, name: str, config: dict[str, str]):
    for room in ("outbox", "inbox"):
        impossible = walled.snakemake("-n", f"{room}/demonstration/{name}.zip", **config)
        assert impossible.returncode != 0
        assert "MissingRuleException" in impossible.stdout + impossible.stderr


def test_the_whole_graph_with_real_sites_carries_only_demonstration_sites(walled):
    graph = walled.snakemake("demonstration", "--summary", "-n")
    dag = walled.snakemake("demonstration", "--dag")
    assert dag.returncode == 0, dag.stderr + graph.stderr
    assert "carry_demo" in dag.stdout
    assert not any(name in dag.stdout for name in REAL)


def test_what_real_sites_fitted_together_is_never_played_again(tmp_path):
    """The rule that plays the rounds for made-up sites would put its fit in the place of theirs."""
    copy, played = copy_of_project(tmp_path / "copy"), "Play the rounds"
    fitted = copy.folder / "public" / "demonstration" / "models" / "long_term_conditions.multimorbidity.csv"
    fitted.parent.mkdir(parents=True)
    fitted.write_text("", "utf-8")
    os.utime(fitted, (0, 0))  # older than all code
    made_up, without = copy.snakemake("report", "--dry-run"), copy.snakemake("report", "--dry-run", demo="no")
    (copy.folder / "config" / "sites" / f"{REAL[0]}.yaml").write_text(SITE.format(name=REAL[0]), "utf-8")
    mixed = copy.snakemake("report", "--dry-run")
    assert [done.returncode for done in (made_up, without, mixed)] == [0, 0, 0], without.stderr + mixed.stderr
    assert [played in done.stdout + done.stderr for done in (made_up, without, mixed)] == [True, False, False]


def test_only_one_rule_names_the_inbox_as_its_output_and_one_the_outbox():
    """Read the rules as Snakemake itself reads them."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet=None)) as api:
        loaded = api.workflow(
            resource_settings=ResourceSettings(cores=1), config_settings=ConfigSettings(),
            snakefile=ROOT / "Snakefile", workdir=ROOT,
        )  # fmt: skip
        workflow = loaded._workflow
        writes = {rule.name: [str(o) for o in rule.output] for rule in workflow.rules}
        constraints = {rule.name: rule.wildcard_constraints for rule in workflow.rules}
    into_inbox = [name for name, outputs in writes.items() if any(o.startswith("inbox") for o in outputs)]
    into_outbox = [name for name, outputs in writes.items() if any(o.startswith("outbox") for o in outputs)]
    assert (into_outbox, into_inbox) == (["approve_demo"], ["carry_demo"])
    assert constraints["approve_demo"]["site"] == constraints["carry_demo"]["site"]
    allowed = re.compile(constraints["carry_demo"]["site"])
    assert allowed.fullmatch("demo_ashvale") and not any(allowed.fullmatch(name) for name in REAL)


def test_the_commands_refuse_to_approve_or_carry_for_a_real_site(walled):
    for command, words in (("carry-demo", "a person carries its release"), ("approve-demo", "people approve its release")):
        refused = walled.cohortium(command, "leafield")
        assert refused.returncode == 1
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_site_named_demo_without_made_up_data_is_not_carried(walled):
    path = walled.folder / "config" / "sites" / "demo_pretender.yaml"
    path.write_text(SITE.format(name="demo_pretender"), "utf-8")
    try:
        refused = walled.cohortium("carry-demo", "demo_pretender")
        assert refused.returncode == 1 and "a person carries its release" in refused.stderr
    finally:
        path.unlink()
