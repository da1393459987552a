"""The commands of codelists, as a person types them, in a checkout of their own."""

from __future__ import annotations

import csv
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from shared_code.cli import app
from shared_code.config import codelists
from shared_code.model import Refused

ROOT = Path(__file__).parents[2]
SHIPPED = "long_term_conditions/2026-11"
# Methods specification, appendix A: the only SNOMED CT concepts that are included.
ROOTS = {
    "13645005", "58214004", "13746004", "69322001", "110359009", "399957001", "35489007", "52448006", "73211009", "84757009",
    "84114007", "414545008", "709044004", "38341003", "230690007", "266257000", "195967001", "69896004", "49436004", "34486009",
    "363346000",
}  # fmt: skip
REMISSIONS = {"4926007", "85248005"}  # the two that end an illness
# As NHS England writes the file (columns), with a few concepts that everybody may name.
REFSETS = """Cluster_ID,Cluster_Desc,ConceptId,ConceptId_Description,Active_in_Refset,Type_of_Inclusion
AST_COD,Asthma diagnosis codes,195967001,Asthma (disorder),1,PC refset
AST_COD,Asthma diagnosis codes,38341003,"Hypertension, by mistake – taken out again",0,PC refset
ASTRES_COD,Asthma resolved codes,162660004,Asthma resolved (finding),1,PC refset
DM_COD,Diabetes codes,73211009,Diabetes mellitus (disorder),1,PC refset
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "config" / "codelists", tmp_path / "config" / "codelists")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> str:
    done = CliRunner().invoke(app, ["codelist", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_reference_sets_take_the_place_of_the_root_concepts(checkout: Path):
    (checkout / "pcd.csv").write_text(REFSETS, "cp1252")  # the letters that the file comes in
    said = typed("load", "pcd.csv", "long_term_conditions/2026-11-pcd", "--add-to", SHIPPED, "--cluster", "AST_COD=asthma",
                 "--cluster", "ASTRES_COD=asthma", "--cluster", "DM_COD=diabetes")  # fmt: skip
    assert "18 conditions" in said and "4 that end a condition" in said and "licensed copy" in said
    made, before = codelists.load("long_term_conditions/2026-11-pcd"), codelists.load(SHIPPED)
    assert made.titles == before.titles and made.minimum_age == before.minimum_age
    assert made.conditions_of("SCT", "195967001") == {"asthma"} and made.conditions_of("ICD10", "J459") == {"asthma"}
    assert made.conditions_of("SCT", "38341003") == {"hypertension"}, "a code that was taken out again is not loaded"
    assert made.resolving == {**before.resolving, ("SCT", "162660004"): {"asthma"}}
    assert typed("diff", SHIPPED, "long_term_conditions/2026-11-pcd").splitlines() == [
        "Edition 2026-11-pcd, before 2026-11.", "Asthma: 1 code added (SCT 162660004 ends it)."]  # fmt: skip
    with pytest.raises(Refused, match="never overwritten"):
        typed("load", "pcd.csv", "long_term_conditions/2026-11-pcd", "--cluster", "AST_COD=asthma")


def test_clusters_are_known_and_those_the_file_lacks_are_named(checkout: Path):
    (checkout / "pcd.csv").write_text(REFSETS, "utf-8")
    with pytest.raises(Refused, match=r"it has no cluster AFIBRES_COD, AFIB_COD.*Allowed: ASTRES_COD, AST_COD, DM_COD"):
        typed("load", "pcd.csv", "mine/1", "--add-to", SHIPPED)
    assert not (checkout / "config" / "codelists" / "mine" / "1.csv").exists()


def test_every_condition_but_the_local_one_has_a_cluster():
    import yaml

    known = yaml.safe_load((ROOT / "config" / "codelists" / "clusters.yaml").read_text("utf-8"))
    assert set(codelists.load(SHIPPED, ROOT / codelists.FOLDER).titles) - set(known.values()) == {"hyperthyroidism"}


def test_all_clusters_of_a_whole_file_are_loaded(checkout: Path):
    """A file in which every cluster is there."""
    import yaml

    known = yaml.safe_load((checkout / "config" / "codelists" / "clusters.yaml").read_text("utf-8"))
    with (checkout / "pcd.txt").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["Cluster_ID", "ConceptId", "ConceptId_Description", "Active_in_Refset"])
        ends = ("RES_COD", "REM_COD")
        writer.writerows([name, "162660004" if name.endswith(ends) else "195967001", "A concept", "1"] for name in known)
    said = typed("load", "pcd.txt", "mine/1", "--add-to", SHIPPED)
    made = codelists.load("mine/1")
    assert made.conditions_of("SCT", "195967001") == set(known.values()), said
    assert made.conditions_of("SCT", "34486009") == {"hyperthyroidism"}, "what no cluster replaces stays"
    assert len(made.resolving["SCT", "162660004"]) == len([n for n in known if n.endswith(ends)])


def test_two_sites_that_load_the_same_edition_have_the_same_list(checkout: Path):
    (checkout / "one.csv").write_text(REFSETS, "utf-8")
    lines = REFSETS.splitlines()
    (checkout / "other.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n", "cp1252")
    for file in ("one", "other"):
        typed("load", f"{file}.csv", f"{file}/2026-11", "--cluster", "AST_COD=asthma", "--cluster", "DM_COD=diabetes")
    one, other = (codelists.load(f"{file}/2026-11") for file in ("one", "other"))
    assert one.digest == other.digest
    paths = [str(checkout / "config" / "codelists" / file / "2026-11.csv") for file in ("one", "other")]
    assert typed("diff", *paths) == "Both lists mean the same.\n"


def test_a_csv_of_opencodelists(checkout: Path):
    (checkout / "asthma.csv").write_text("code,term\n195967001,Asthma\n233678006,Childhood asthma\n", "utf-8")
    typed("load", "asthma.csv", "asthma/1", "--condition", "asthma", "--title", "Asthma", "--minimum-age", "6")
    made = codelists.load("asthma/1")
    assert made.titles == {"asthma": "Asthma"} and made.minimum_age == {"asthma": 6} and len(made.rules) == 2
    (checkout / "icd.csv").write_text("code,term\nJ45.0,Allergic asthma\nJ46,Status asthmaticus\n", "utf-8")
    typed("load", "icd.csv", "asthma/2", "--condition", "asthma", "--code-system", "ICD10", "--add-to", "asthma/1")
    assert codelists.load("asthma/2").conditions_of("ICD10", "J450") == {"asthma"}
    with pytest.raises(Refused, match="Add --condition NAME"):
        typed("load", "asthma.csv", "asthma/3")


@pytest.mark.parametrize("code", ["2.48611E+14", "195967000", "999001741000000000", "121589010"])
def test_a_code_that_a_spreadsheet_has_spoilt_stops_the_load(checkout: Path, code: str):
    (checkout / "asthma.csv").write_text(f"code,term\n195967001,Asthma\n{code},Asthma\n", "utf-8")
    with pytest.raises(Refused, match=r"1 of 2 codes are wrong: '[0-9.E+]+' is"):
        typed("load", "asthma.csv", "asthma/1", "--condition", "asthma")
    assert not list((checkout / "config" / "codelists").glob("asthma/*"))


def test_check_names_what_is_wrong(checkout: Path):
    assert "edition 2026-11, 18 conditions, codes: 174 ICD-10, 21 SNOMED CT" in typed("check")
    path = checkout / "config" / "codelists" / f"{SHIPPED}.csv"
    path.write_text(path.read_text("utf-8").replace("195967001", "1.95967E+08"), "utf-8")
    with pytest.raises(Refused, match="is not a SNOMED CT code"):
        typed("check")
    with pytest.raises(Refused, match="there is no such file"):
        typed("check", "nowhere.csv")


def test_a_run_on_another_edition_than_the_plan_names_is_refused(checkout: Path):
    """Somebody puts an older edition in the place of the one the protocol names."""
    from shared_code.config.plan import open_plan

    shutil.copyfile(ROOT / "config" / "study.yaml", checkout / "config" / "study.yaml")
    assert open_plan("config/study.yaml", "long_term_conditions").codelist().version == "2026-11"
    path = checkout / "config" / "codelists" / f"{SHIPPED}.csv"
    path.write_text(path.read_text("utf-8").replace("# Edition: 2026-11", "# Edition: 2025-06"), "utf-8")
    with pytest.raises(Refused, match="the file is the edition 2025-06, not 2026-11"):
        open_plan("config/study.yaml", "long_term_conditions").codelist()
    path.write_text("\n".join(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")), "utf-8")
    with pytest.raises(Refused, match="it does not say which edition it is"):
        open_plan("config/study.yaml", "long_term_conditions").codelist()


def test_only_root_concepts_are_included():
    """What is kept in the repository; a site's own lists, made from its licensed copy, are not looked at."""
    kept = subprocess.run(["git", "ls-files", "config/codelists"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / line for line in kept.splitlines() if line.endswith(".csv")]
    if not paths:
        pytest.skip("this is not a checkout of the repository")
    for path in paths:
        held = codelists.read(path)
        concepts = {code for system, code in [*held.rules, *held.resolving] if system == "SCT"}
        if path.parent.name == "long_term_conditions":
            assert concepts <= ROOTS | REMISSIONS, path
        assert len(concepts) <= 40, f"{path}: root concepts are kept here (36 deficits at most), reference sets never"
        assert "SNOMED CT" in path.read_text("utf-8").split("condition,", 1)[0], "the note on licences stands above the list"


def test_use_counts_at_a_site_and_keeps_exact_numbers_private(checkout: Path):
    site = ("site: north\ntitle: The north\ncontroller: Trust\nstudies: []\nextract_date: 2026-04-20\n"
            "disclosure: {threshold: 20}\n")  # fmt: skip
    (checkout / "config" / "sites").mkdir()
    (checkout / "config" / "sites" / "north.yaml").write_text(site, "utf-8")
    with pytest.raises(Refused, match=r"there is no prepared table condition_event.*Map the table condition_event"):
        typed("use", "north", SHIPPED)
    prepared = checkout / "private" / "north" / "prepared"
    prepared.mkdir(parents=True)
    events = [(f"p{i}", "ICD10", "J459" if i < 26 else "J46" if i < 40 else "E059") for i in range(51)]
    frame = pd.DataFrame(events, columns=["person_id", "code_system", "code"]).assign(status=None)
    frame.astype({"status": "string"}).to_parquet(prepared / "condition_event.parquet")
    said = typed("use", "north", SHIPPED)
    assert "Fewer than 20 are withheld, others rounded to 5." in said
    assert "Asthma: 40 people. ICD-10 J459 (25); 1 code of fewer than 20 people each" in said
    assert "Hyperthyroidism: fewer than 20 people." in said and "E059" not in said
    exact = checkout / "private" / "north" / "codelists" / "long_term_conditions-2026-11.csv"
    assert {(r["code"], r["people"]) for r in csv.DictReader(exact.open())} == {("J459", "26"), ("J46", "14"), ("E059", "11")}
    if os.name == "posix":
        assert not stat.S_IMODE(exact.stat().st_mode) & 0o077
