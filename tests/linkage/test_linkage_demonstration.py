"""The made-up hospitals: what linkage finds and what it says of itself, against the planted truth of every record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.linkage.quality import wilson
from shared_code.linkage.site import link_site
from shared_code.reporting.linkage import linkage_page
from shared_code.sources.pseudonyms import record_pseudonym
from shared_code.synthetic import make_extract

SITES = Path(__file__).resolve().parents[2] / "config" / "sites"
PEOPLE = 10_000


@dataclass
class Hospital:
    """Hold what was planted and what linkage made of it: one row a record, in the order of the file."""

    site: Site
    room: Path
    rows: pd.DataFrame
    report: dict[str, Any]
    counts: pd.DataFrame
    said: str


@pytest.fixture(scope="module", params=["demo_brackenmoor", "demo_eastholt"])
def hospital(request, tmp_path_factory) -> Hospital:
    site = Site.read(request.param, SITES)
    room = tmp_path_factory.mktemp(site.site)
    make_extract(site, PEOPLE, room / "extract")
    said: list[str] = []
    report = link_site(site, room / "extract", room / "private", said.append)
    planted = json.loads((room / "extract" / "truth.json").read_text("utf-8"))["linkage"]["hospital"]
    rows = pd.DataFrame(planted["rows"], columns=planted["columns"])
    folder = room / "private" / "linkage"
    links = pd.read_parquet(folder / "links" / "hospital.parquet")
    register = pd.read_parquet(folder / "links" / "register.parquet").set_index("record")["person_id"]
    key = bytes.fromhex((room / "private" / "demonstration_key.txt").read_text("utf-8").splitlines()[-1])
    meant = [None if pd.isna(p) else register[record_pseudonym(key, site.site, "register", str(int(p)))] for p in rows["person"]]
    assert [record_pseudonym(key, site.site, "hospital", r) for r in rows["record"]] == links["record"].tolist()
    rows = rows.assign(meant=meant, **{c: links[c] for c in ("person_id", "link_method", "weight_band")})
    found, known = rows["person_id"].notna(), rows["meant"].notna()
    right = found & (rows["person_id"] == rows["meant"])
    rows = rows.assign(right=right, wrong=found & ~right, missed=known & ~right)
    return Hospital(site, room, rows, report, pd.read_parquet(folder / "linkage.parquet"), "\n".join(said))


def has(rows: pd.DataFrame, error: str) -> pd.Series:
    return rows["errors"].str.split().map(lambda errors: error in errors)


def test_every_kind_of_error_was_planted(hospital):
    for error in ("number_missing", "number_mistyped", "number_of_another", "number_of_household", "number_superseded",
                  "surname_mistyped", "surname_changed", "forename_other", "names_swapped", "birth_mistyped", "moved",
                  "postcode_missing", "no_fixed_abode", "not_in_index"):  # fmt: skip
        assert has(hospital.rows, error).any(), error


def test_precision_and_recall_against_the_truth(hospital):
    right, wrong, missed = (int(hospital.rows[c].sum()) for c in ("right", "wrong", "missed"))
    assert right / (right + wrong) > 0.998
    assert right / (right + missed) > 0.99
    strangers = hospital.rows[hospital.rows["meant"].isna()]
    assert strangers["person_id"].notna().mean() < 0.01


def test_only_a_wrong_number_makes_a_wrong_link(hospital):
    """Twins, swapped names, moves and typing errors make no wrong link. D1 believes the number of somebody of the same home."""
    wrong = hospital.rows[hospital.rows["wrong"]]
    by_number = has(wrong, "number_of_household") | has(wrong, "number_of_another")
    assert (~by_number).sum() <= 1 and set(wrong.loc[by_number, "link_method"]) <= {"D1"}
    review = pd.read_csv(hospital.room / "private" / "linkage" / "review.csv")
    listed = set(review.loc[review["reason"] == "doubtful_number", "row"])
    assert listed <= set(np.flatnonzero(hospital.rows["link_method"] == "D1") + 1)
    households = wrong.index[has(wrong, "number_of_household")] + 1
    assert len(households) < 3 or len(listed & set(households)) >= len(households) / 3  # those of another sex or birthday


def test_old_numbers_lead_to_the_person(hospital):
    old = hospital.rows[has(hospital.rows, "number_superseded") & ~has(hospital.rows, "number_missing")]
    assert len(old) > 20 and (~old["right"]).sum() <= 1 + len(old) // 100  # one may have further errors that veto the link
    assert old["link_method"].eq("D1").mean() > 0.95
    assert hospital.report["index"]["merges"] > len(old) / 2


def test_the_gold_standard_tells_the_truth_about_records_without_a_number(hospital):
    """Its recall lies where that of records that had no number to begin with lies; its precision is theirs as well."""
    known = hospital.rows[hospital.rows["meant"].notna()]
    alone = known[has(known, "number_missing") & ~has(known, "no_fixed_abode")]
    quality = hospital.report["sources"]["hospital"]["quality"]
    lower, upper = wilson(alone["right"].sum(), len(alone))
    assert lower - 0.01 < quality["recall"] < upper + 0.01, (lower, quality["recall"], upper)
    assert quality["precision"] > 0.998 and quality["hidden"] > 3000
    assert quality["recall_lower"] < quality["recall"] < quality["recall_upper"]


def test_coverage_estimates_the_share_of_matches_that_were_found(hospital):
    """By group as well; wrong links by D1 (one in a thousand) are what it cannot see."""
    counts = hospital.counts.set_index(["stratum", "level"])
    rows = hospital.rows[hospital.rows["meant"].notna()]
    everyone = counts.loc[("all", "all")]
    assert everyone["coverage"] == pytest.approx(rows["right"].mean(), abs=0.004)
    assert everyone["expected"] == pytest.approx(len(rows), rel=0.005)
    homeless = counts.loc[("homeless", "yes")]
    planted = has(rows, "no_fixed_abode")
    assert homeless["records"] == has(hospital.rows, "no_fixed_abode").sum()
    assert homeless["expected"] == pytest.approx(planted.sum(), rel=0.1)


def test_people_with_more_errors_are_missed_more(hospital):
    """Errors were planted half as often again in the most deprived fifth, and the gold standard sees it."""
    counts = hospital.counts[hospital.counts["stratum"] == "imd5"].set_index("level")
    rest = counts.drop(index=["1", *[x for x in ("Unknown",) if x in counts.index]])
    poorest = counts.loc["1", "hidden_missed"] / counts.loc["1", "hidden"]
    assert poorest > rest["hidden_missed"].sum() / rest["hidden"].sum() * 0.9


def test_counts_agree_with_one_another(hospital):
    report, links = hospital.report["sources"]["hospital"], hospital.rows["link_method"].value_counts()
    assert report["methods"] == {m: int(links.get(m, 0)) for m in ("D1", "D2", "D3", "P", "U")}
    assert report["records"] == len(hospital.rows) == sum(report["reasons"].values()) == sum(report["bands"].values())
    loose, strict = (t["linked"] for t in report["thresholds"])
    assert strict <= report["linked"] <= loose
    assert report["linked"] - strict == hospital.rows["weight_band"].isin(["0.990-0.999"]).sum()
    everyone = hospital.counts[hospital.counts["stratum"] == "all"].iloc[0]
    for stratum, rows in hospital.counts.groupby("stratum"):
        known = rows if (rows["taken_from"] == "record").all() else rows.assign(records=everyone["records"])
        assert rows["linked"].sum() == everyone["linked"] and rows["hidden"].sum() == everyone["hidden"], stratum
        assert known["records"].sum() == everyone["records"] or rows["taken_from"].eq("index").all(), stratum


def test_nothing_that_names_anybody_is_kept(hospital):
    """Names, numbers and postcodes of the register and numbers of the hospital's records are nowhere in what stays."""
    kept = [hospital.said]
    for path in (hospital.room / "private" / "linkage").rglob("*"):
        if path.suffix == ".parquet":
            kept.append(pd.read_parquet(path).to_csv(index=False))
        elif path.is_file():
            kept.append(path.read_text("utf-8"))
    kept.append(linkage_page(hospital.site.title, hospital.report, hospital.counts, True))
    words = {w for text in kept for w in text.replace(",", " ").replace("\"", " ").split()}
    assert not set(hospital.rows["record"]) & words
    assert not [w for w in words if w.isdigit() and len(w) == 10]
    key = (hospital.room / "private" / "demonstration_key.txt").read_text("utf-8").splitlines()[-1]
    assert key not in words and not any(key in text for text in kept)
    assert {p.name for p in (hospital.room / "private").iterdir()} == {"linkage", "demonstration_key.txt"}


def test_the_page_shows_denominators_and_intervals(hospital):
    page = linkage_page(hospital.site.title, hospital.report, hospital.counts, True)
    quality = hospital.report["sources"]["hospital"]["quality"]
    assert f"{quality['right']:,} of {quality['hidden']:,}" in page
    shown = " to ".join(f"{100 * quality[f'recall_{end}']:.2f}" for end in ("lower", "upper"))
    assert f"{100 * quality['recall']:.2f} % ({shown})" in page
    for words in ("Ethnic group", "Fifth of deprivation", "Homeless", "This page stays at the site", "a demonstration key"):
        assert words in page
    assert "http" not in page.replace("http-equiv", "") and "nan" not in page.lower().replace("finance", "")
