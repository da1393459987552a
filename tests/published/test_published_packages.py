"""Packages of published tables are trusted like any other: not at all, until every byte and the plan agree."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared_code.config import Policy, Site, Study, digests
from shared_code.model import Refused
from shared_code.pooling.inbox import receive
from shared_code.pooling.pool import pool
from shared_code.releases import package
from shared_code.releases.approve import signers_of
from shared_code.releases.published import release_published

SITE = "ndl_wales"


@pytest.fixture(scope="module")
def place(received: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox")
    shutil.copyfile(received / f"{SITE}.zip", folder / f"{SITE}.zip")
    return folder


def refused(study: Study, folder: Path, expected: dict[str, Site], content: bytes) -> str:
    (folder / f"{SITE}.zip").write_bytes(content)
    with pytest.raises(Refused) as refusal:
        receive(study, folder, expected)
    return str(refusal.value)


def test_an_unchanged_package_is_accepted(study: Study, received: Path, expected: dict[str, Site]) -> None:
    inbox = receive(study, received, expected)
    assert list(inbox.releases) == sorted(expected)
    assert not inbox.missing


@settings(max_examples=200, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
@example(where=0.0, change=1)
@example(where=0.999999, change=128)
def test_one_changed_byte_is_refused_by_name(
    where: float, change: int, study: Study, outbox: Path, place: Path, expected: dict[str, Site]
) -> None:
    content = bytearray((outbox / f"{SITE}.zip").read_bytes())
    content[int(where * len(content))] ^= change
    assert f"{SITE}.zip" in refused(study, place, expected, bytes(content))


@settings(max_examples=50, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_package_cut_short_is_refused_by_name(
    kept: float, study: Study, outbox: Path, place: Path, expected: dict[str, Site]
) -> None:
    content = (outbox / f"{SITE}.zip").read_bytes()
    assert f"{SITE}.zip" in refused(study, place, expected, content[: int(kept * len(content))])


def test_a_byte_that_claims_compression_is_refused_by_name(
    study: Study, outbox: Path, place: Path, expected: dict[str, Site]
) -> None:
    """The method of the last entry stands 10 bytes into its record in the list of contents; 0 stored, 8 deflated."""
    content = bytearray((outbox / f"{SITE}.zip").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 10] = 8
    assert f"{SITE}.zip" in refused(study, place, expected, bytes(content))


def test_a_number_changed_with_its_digests_has_no_approval(
    study: Study, outbox: Path, place: Path, expected: dict[str, Site]
) -> None:
    """Whoever can rewrite the package consistently still lacks the key of the one who typed it."""
    found = package.opened(outbox / f"{SITE}.zip")
    name = "tables/hospital_use.monthly.csv"
    files = {**found.files, name: found.files[name].replace(b"admissions_emergency", b"admissions_unknown")}
    content, _ = package.as_bytes(found.manifest, files, found.signatures)
    said = refused(study, place, expected, content)
    assert f"{SITE}.zip: the signature of {SITE} is under other content" in said


def with_other_bands(study: Study) -> Study:
    plain = study.model_dump(mode="json")
    plain["analyses"]["hospital_use"]["results"]["monthly"]["dimensions"]["age"]["bands"] = [0, 30, 50, 65]
    return Study.model_validate(plain)


def test_a_package_of_another_plan_is_not_pooled(
    study: Study, received: Path, expected: dict[str, Site], tmp_path: Path
) -> None:
    other = with_other_bands(study)
    assert digests.plan(other, "hospital_use") != digests.plan(study, "hospital_use")
    with pytest.raises(Refused) as refusal:
        pool(other, received, tmp_path / "pooled", expected)
    for site in expected:
        assert f"{site} ran another plan of hospital_use than this study's" in str(refusal.value)
    assert not (tmp_path / "pooled").exists()


def test_a_table_in_other_bands_does_not_become_a_package(study: Study, sites: dict[str, Site], tmp_path: Path) -> None:
    with pytest.raises(Refused) as refusal:
        release_published(sites[SITE], with_other_bands(study), tmp_path / f"{SITE}.zip")
    assert "dimensions.age: strata holds '50-69' (58 rows), '70+' (58 rows), not explained" in str(refusal.value)
    assert not (tmp_path / f"{SITE}.zip").exists()


def test_a_missing_site_is_named_and_the_others_are_pooled(
    study: Study, received: Path, expected: dict[str, Site], tmp_path: Path
) -> None:
    shutil.copytree(received, tmp_path / "inbox")
    (tmp_path / "inbox" / "ndl_leeds.zip").unlink()
    done = pool(study, tmp_path / "inbox", tmp_path / "pooled", expected)
    assert (done["releases"], done["missing"]) == (4, 1)
    assert json.loads((tmp_path / "pooled" / "pooled.json").read_text())["missing"] == {"ndl_leeds": "Leeds"}
    with_leeds = (tmp_path / "pooled" / "results.csv").read_text().splitlines()
    assert any(",ndl_leeds; ndl_wales," in line for line in with_leeds)


def test_the_manifest_says_where_the_numbers_come_from(outbox: Path, ndl: Path, sites: dict[str, Site]) -> None:
    for name, site in sites.items():
        with zipfile.ZipFile(outbox / f"{name}.zip") as archive:
            manifest = json.loads(archive.read("manifest.json"))
        (file,) = {entry.file for entry in site.published}
        assert manifest["published_files"] == {file: digests.of_file(ndl / file)}
        assert manifest["kind"] == "published tables"
        assert manifest["disclosure"]["rules"]["threshold"] == 1
        assert manifest["disclosure"]["tables"]["hospital_use.monthly"].get("withheld", 0) == 0
        assert manifest["not_run"] == {}
        assert not manifest["made_up_data"]


def test_a_typist_alone_may_send_tables_that_are_public_and_nothing_else(study: Study, sites: dict[str, Site]) -> None:
    """A site that maps tables of its own needs its own two people, whatever the study says of typists."""
    published = sites[SITE]
    assert signers_of(published, study).roles == ("typist",)
    withholding = study.model_copy(update={"disclosure": Policy(threshold=10, rounding=5)})
    assert signers_of(published, withholding).roles == ("analyst", "reviewer")
    assert not signers_of(published, withholding).people
    mapped = published.model_copy(update={"tables": {"person": None}})
    assert signers_of(mapped, study).roles == ("analyst", "reviewer")
    assert not signers_of(mapped, study).people and not signers_of(mapped, study).site_keys
