"""What the coordinating team meets: a changed package, a missing site, another plan. Runs on a copy of the demonstration."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest


@pytest.fixture
def coordination(demonstration, tmp_path):
    """A checkout of the coordinating team: the project, the inbox, and nothing of any site."""
    for part in ("Snakefile", "config", "notebooks", "shared_code", "profiles", "reports", "inbox", "requirements.lock",
                 "pyproject.toml"):  # fmt: skip
        source = demonstration.folder / part
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tmp_path / part)
    return type(demonstration)(tmp_path)


def inbox(checkout):
    return checkout.folder / "inbox" / "demonstration"


def test_the_same_releases_give_the_same_results(coordination, demonstration):
    done = coordination.snakemake("pool", demo="no")
    assert done.returncode == 0, done.stderr
    for name in ("results.csv", "sites.csv", "notes.csv"):
        ours, theirs = (c.folder / "public" / "demonstration" / "pooled" / name for c in (coordination, demonstration))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_changed_byte_is_refused_with_the_file_and_nothing_is_pooled(coordination):
    path = inbox(coordination) / "demo_brackenmoor.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused = coordination.snakemake("pool", demo="no")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "demo_brackenmoor.zip" in said and "changed after the site wrote it" in said and "Traceback" not in said
    assert not (coordination.folder / "public" / "demonstration" / "pooled").exists()


def test_a_site_that_sent_nothing_is_named(coordination):
    (inbox(coordination) / "demo_eastholt.zip").unlink()
    done = coordination.snakemake("pool", demo="no")
    assert done.returncode == 0, done.stderr
    pooled = coordination.folder / "public" / "demonstration" / "pooled"
    who = pd.read_csv(pooled / "sites.csv", keep_default_na=False)
    assert set(who[who.site == "demo_eastholt"].state) == {"missing"}
    results = pd.read_csv(pooled / "results.csv", keep_default_na=False)
    crude = results[(results.scope == "pooled") & (results.measure == "crude prevalence")]
    assert crude.sites_without.str.contains("demo_eastholt").all()


def test_a_newly_declared_site_makes_the_pool_run_again(coordination):
    """An old pooled file must not make a site that has sent nothing look finished."""
    assert coordination.snakemake("pool", demo="no").returncode == 0
    sites = coordination.folder / "config" / "sites"
    text = (sites / "demo_eastholt.yaml").read_text("utf-8").replace("site: demo_eastholt", "site: demo_foxley")
    (sites / "demo_foxley.yaml").write_text(text, "utf-8")
    planned = coordination.snakemake("pool", "-n", demo="no")
    assert "Check every package" in planned.stdout + planned.stderr


def test_a_site_that_ran_another_plan_is_refused(coordination):
    study = coordination.folder / "config" / "study.yaml"
    text = study.read_text("utf-8")
    study.write_text(text.replace("index_date: 2026-04-01", "index_date: 2026-03-01"), "utf-8")
    refused = coordination.cohortium("pool")
    assert refused.returncode == 1
    assert "ran another plan of long_term_conditions" in refused.stderr and "Traceback" not in refused.stderr


def test_an_empty_inbox_says_what_to_do(coordination):
    shutil.rmtree(inbox(coordination))
    refused = coordination.cohortium("pool")
    assert refused.returncode == 1 and "no release has arrived" in refused.stderr


def test_one_release_is_not_a_pool(coordination):
    for path in sorted(inbox(coordination).glob("*.zip"))[1:]:
        path.unlink()
    refused = coordination.cohortium("pool")
    assert refused.returncode == 1 and "at least 2" in refused.stderr


def test_what_was_pooled_before_stays_when_a_package_is_refused(coordination):
    assert coordination.snakemake("pool", demo="no").returncode == 0
    pooled = coordination.folder / "public" / "demonstration" / "pooled"
    before = {path.name: path.read_bytes() for path in pooled.iterdir() if path.is_file()}
    spoilt = inbox(coordination) / "demo_dunmere.zip"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    assert coordination.snakemake("pool", demo="no").returncode != 0
    assert {path.name: path.read_bytes() for path in pooled.iterdir() if path.is_file()} == before


def test_the_coordinating_team_never_makes_a_package_itself(coordination):
    """With demo=no a spoilt package of a demonstration site is refused, not made again."""
    path = inbox(coordination) / "demo_dunmere.zip"
    path.write_bytes(b"PK")
    refused = coordination.snakemake("pool", demo="no")
    assert refused.returncode != 0 and "demo_dunmere.zip" in refused.stdout + refused.stderr
    assert path.read_bytes() == b"PK" and not (coordination.folder / "data").exists()


def test_a_protocol_without_its_page_is_refused_at_once(coordination):
    (coordination.folder / "reports" / "life_expectancy.qmd").unlink()
    refused = coordination.snakemake("report", demo="no")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "reports/life_expectancy.qmd is not there" in said and "Traceback" not in said
