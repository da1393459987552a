"""A new question from the template: one notebook, one entry and one page are written, and run as they stand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from shared_code.cli import app
from shared_code.cli.generated import menu
from shared_code.config import Study
from shared_code.model import Refused
from shared_code.reporting import plan_page

ROOT = Path(__file__).resolve().parents[2]
STEM = "asthma_by_area"
SITES = ["demo_ashvale", "demo_carrowby"]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Give a folder with what the command reads: the protocol, the templates and the pages' menu."""
    for part in ("config/study.yaml", "reports/_quarto.yml"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / part, tmp_path / part)
    shutil.copytree(ROOT / "notebooks" / "_template", tmp_path / "notebooks" / "_template")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str):
    return CliRunner().invoke(app, list(words))


def test_one_notebook_one_entry_and_one_page_are_all_that_is_written(project):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    done = call("new-analysis", STEM)
    assert done.exit_code == 0, done.output
    after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    names = {path.relative_to(project).as_posix() for path in after if before.get(path) != after[path]}
    assert names == {"config/study.yaml", f"notebooks/{STEM}.ipynb", f"reports/{STEM}.qmd", "reports/_quarto.yml"}
    protocol = (project / "config" / "study.yaml").read_text("utf-8")
    assert protocol.startswith((ROOT / "config" / "study.yaml").read_text("utf-8")), "a line of the protocol was changed"
    assert not [path for path in (f"reports/{STEM}.qmd", f"notebooks/{STEM}.ipynb") if b"STEM" in after[project / path]]
    assert "STEM" not in protocol and "TITLE" not in protocol
    study = Study.read(project / "config" / "study.yaml")
    assert list(study.analyses)[-1] == STEM and study.analyses[STEM].title == "Asthma by area"
    assert plan_page.missing_words(study) == [] and f"{STEM}.qmd" in menu(project / "config" / "study.yaml")


def test_what_exists_is_never_overwritten_and_a_name_is_a_stem(project):
    assert isinstance(call("new-analysis", "Asthma-1").exception, Refused)
    assert isinstance(call("new-analysis", "life_expectancy").exception, Refused)
    assert call("new-analysis", STEM).exit_code == 0
    again = call("new-analysis", STEM)
    assert isinstance(again.exception, Refused) and "never overwritten" in str(again.exception)


@pytest.mark.parametrize("title", ['Asthma: who has it', 'The "new" question', "What's new", "back\\slash"])
def test_any_title_is_written_as_it_is(project, title):
    done = call("new-analysis", STEM, "--title", title)
    assert done.exit_code == 0, done.output
    assert Study.read(project / "config" / "study.yaml").analyses[STEM].title == title
    cells = json.loads((project / "notebooks" / f"{STEM}.ipynb").read_text("utf-8"))["cells"]
    assert any(title in "".join(cell["source"]) for cell in cells)


def test_an_entry_that_cannot_be_read_leaves_everything_as_it_was(project):
    template = project / "notebooks" / "_template" / "entry.yaml"
    template.write_text(template.read_text("utf-8").replace("results:", "result:"), "utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    done = call("new-analysis", STEM)
    assert isinstance(done.exception, Refused) or done.exit_code == 1
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_the_notebook_keeps_the_form(project):
    call("new-analysis", STEM)
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("stems", ROOT / "tests" / "contract" / "test_stems.py")
    stems = module_from_spec(spec)
    spec.loader.exec_module(stems)
    path = project / "notebooks" / f"{STEM}.ipynb"
    stems.test_a_notebook_keeps_the_form(path)
    stems.test_every_parameter_has_a_comment(path)
    stems.test_a_notebook_imports_only_shared_code(path)
    page = (project / "reports" / f"{STEM}.qmd").read_text("utf-8")
    figures = yaml.safe_load((project / "config" / "study.yaml").read_text("utf-8"))["analyses"][STEM]["figures"]
    assert all(f'"{STEM}.{figure}"' in page for figure in figures)


def test_it_runs_as_it_stands_and_its_numbers_are_those_of_the_long_standing_analysis(project, demonstration, monkeypatch):
    """Asthma is also counted by long_term_conditions: the two must agree to the last person."""
    call("new-analysis", STEM)
    monkeypatch.chdir(ROOT)
    shown = demonstration(3000, *SITES, protected=False)
    shown.study = Study.read(project / "config" / "study.yaml")
    shown.notebooks, shown.protocol = project / "notebooks", project / "config" / "study.yaml"
    mine, counted = shown.pool(STEM), []
    for made in shown.sites:
        other = made.run("long_term_conditions")["conditions"]
        whole = (other[["deprivation", "ethnicity", "locality", "sex", "age"]] == "all").all(axis=1)
        same = other[whole & (other["condition"] == "asthma")][["people", "cases"]]
        own = shown.tables(STEM)[made.site.site]["people"]
        own = own[(own[["deprivation", "sex", "age"]] == "all").all(axis=1)][["people", "cases"]]
        assert own.to_numpy().tolist() == same.to_numpy().tolist() and own["cases"].item() > 20
        counted.append(same)
    people, cases = pd.concat(counted).sum()
    pooled = mine[(mine["scope"] == "pooled") & (mine["item"] == "asthma")]
    crude = pooled[(pooled["measure"] == "crude prevalence") & (pooled["group"] == "everyone")]
    assert crude["estimate"].item() == pytest.approx(100 * cases / people)
    # so small a site has no fifth of every kind
    ratio = pooled[(pooled["measure"] == "standardised ratio") & (pooled["level"] == "M")]
    assert ratio["lower"].item() < ratio["estimate"].item() < ratio["upper"].item()


def test_the_keys_of_a_made_up_site_are_printed_and_a_real_site_gets_none():
    done = call("keys", "demo", "demo_carrowby")
    site = yaml.safe_load((ROOT / "config" / "sites" / "demo_carrowby.yaml").read_text("utf-8"))
    assert yaml.safe_load(done.output) == {"people": site["people"], "site_key": site["site_key"]}
    assert isinstance(call("keys", "demo", "north").exception, Refused)
