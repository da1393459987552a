"""Codelists from elsewhere, differences in words, and codes that end a condition."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from shared_code.config import codelists
from shared_code.config.codelist_tools import as_csv, differences, from_opencodelists, from_primary_care_refsets
from shared_code.model import Refused

ROOT = Path(__file__).parents[2]
ASTHMA = "195967001"
RESOLVED = "162660004"  # asthma resolved


def written(folder: Path, entries: list[dict[str, str]], version: str = "1") -> codelists.Codelist:
    path = folder / "mine" / f"{version}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(as_csv(entries, version), "utf-8")
    return codelists.load(f"mine/{version}", folder)


def test_a_file_of_opencodelists_becomes_a_codelist(tmp_path: Path):
    (tmp_path / "asthma.csv").write_text(f"code,term\n{ASTHMA},Asthma\n233678006,Childhood asthma\n", "utf-8")
    made = written(tmp_path, from_opencodelists(tmp_path / "asthma.csv", "asthma", "Asthma", minimum_age=6))
    assert made.conditions_of("SCT", "233678006") == {"asthma"} and made.minimum_age == {"asthma": 6}


@pytest.mark.parametrize("mangled", ["1.95967E+08", "195967000", "19596700", ""])
def test_a_code_that_a_spreadsheet_has_spoilt_is_refused(tmp_path: Path, mangled: str):
    (tmp_path / "asthma.csv").write_text(f"code,term\n{mangled},Asthma\n", "utf-8")
    with pytest.raises(Refused, match="is not a SNOMED CT code"):
        from_opencodelists(tmp_path / "asthma.csv", "asthma", "Asthma")


def refset(path: Path) -> Path:
    lines = ["Cluster_ID\tCluster_Description\tConceptId\tConceptDescription", f"AST_COD\tAsthma\t{ASTHMA}\tAsthma",
             f"ASTRES_COD\tAsthma resolved\t{RESOLVED}\tAsthma resolved", "DM_COD\tDiabetes\t73211009\tDiabetes"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_clusters_of_the_primary_care_domain_include_and_resolve(tmp_path: Path):
    clusters = {"AST_COD": ("asthma", "Asthma"), "ASTRES_COD": ("asthma", "Asthma")}
    made = written(tmp_path, from_primary_care_refsets(refset(tmp_path / "pcd.txt"), clusters))
    assert made.conditions_of("SCT", ASTHMA) == {"asthma"} and not made.conditions_of("SCT", RESOLVED)
    assert made.resolutions([("SCT", RESOLVED)]) == [("SCT", RESOLVED, "asthma")]
    assert not made.conditions_of("SCT", "73211009")


def test_a_cluster_that_is_not_in_the_file_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="it has no cluster COPD_COD"):
        from_primary_care_refsets(refset(tmp_path / "pcd.txt"), {"COPD_COD": ("copd", "COPD")})


def test_differences_in_words(tmp_path: Path):
    (tmp_path / "a.csv").write_text(f"code,term\n{ASTHMA},Asthma\n", "utf-8")
    old = written(tmp_path, from_opencodelists(tmp_path / "a.csv", "asthma", "Asthma"), "1")
    clusters = {"AST_COD": ("asthma", "Asthma"), "ASTRES_COD": ("asthma", "Asthma"), "DM_COD": ("diabetes", "Diabetes")}
    new = written(tmp_path, from_primary_care_refsets(refset(tmp_path / "pcd.txt"), clusters), "2")
    assert differences(old, old) == []
    assert differences(old, new) == ["Diabetes: new in the list, with 1 code.",
                                     f"Asthma: 1 code added (SCT {RESOLVED} ends it)."]  # fmt: skip
    assert "Diabetes: no longer in the list." in differences(new, old)


def test_the_public_lists_of_the_shared_data_are_read(tmp_path: Path):
    """NHS reference sets as they were published elsewhere: every code passes its check digit."""
    source = ROOT.parent / "shared" / "data" / "codelists" / "ltc_codes.csv.gz"
    if not source.is_file():
        pytest.skip("the shared data folder is not beside this checkout")
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    snomed = [r for r in rows if r["system"].startswith("SNOMED")]
    assert len(snomed) > 1_500
    (tmp_path / "pcd.csv").write_text(
        "Cluster_ID,ConceptId,ConceptDescription\n"
        + "\n".join(f'{r["source"].split(":")[1]},{r["code"]},"{r["term"].replace(chr(34), "")}"' for r in snomed), "utf-8")
    clusters = {r["source"].split(":")[1]: (r["condition"], r["condition"]) for r in snomed}
    made = written(tmp_path, from_primary_care_refsets(tmp_path / "pcd.csv", clusters))
    assert len(made.rules) == len({r["code"] for r in snomed})
