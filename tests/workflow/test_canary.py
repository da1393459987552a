"""Two thousand recognisable people, ten thousand values, go through a site that makes mistakes; none leaves it."""

from __future__ import annotations

import csv
import os
import random
import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest

from shared_code.linkage.nhs_number import check_digit
from shared_code.releases.attacks.canaries import Finder

PEOPLE = 2_000
NAMING = ("NHS_NUMBER", "NAME", "POSTCODE", "DOB", "NOTE")
PEOPLE_THERE = ("analyst", "reviewer")
SITE = """\
site: canaryton
title: Canaryton
controller: Canaryton Council (invented)
studies: [demonstration]
folder: data/canaryton
extract_date: 2026-04-20
linkage:
  index: register
  records:
    register:
      kind: GP
      file: people.csv
      columns:
        record: {from: RECORD}
        nhs_number: {from: NHS_NUMBER}
        surname: {from: SURNAME}
        forename: {from: FORENAME}
        date_of_birth: {from: DOB, date: "%d/%m/%Y"}
        sex: {from: SEX, values: {1: M, 2: F}}
        postcode: {from: POSTCODE}
    hospital:
      kind: APC
      file: hospital.csv
      columns:
        record: {from: RECORD}
        nhs_number: {from: NHS_NUMBER}
        surname: {from: SURNAME}
        forename: {from: FORENAME}
        date_of_birth: {from: DOB, date: "%d/%m/%Y"}
        sex: {from: SEX, values: {1: M, 2: F}}
        postcode: {from: POSTCODE}
tables:
  person:
    file: people.csv
    columns:
      person_id: {from: RECORD, linked: register}
      birth_month: {from: DOB, date: "%d/%m/%Y", first_of_month: true}
      sex: {from: SEX, values: {1: M, 2: F}}
  gp_registration:
    file: people.csv
    columns:
      person_id: {from: RECORD, linked: register}
      practice_code: {constant: A12345}
      reg_start: {constant: 2001-01-01}
      reg_type: {constant: GMS}
  condition_event:
    file: hospital.csv
    number: event_id
    columns:
      person_id: {from: RECORD, linked: hospital}
      code: {from: CODE, icd10: true}
      code_system: {constant: ICD10}
      event_date: {constant: 2019-01-01}
      source: {constant: APC}
"""
KEY = "f0e1d2c3b4a5968778695a4b3c2d1e0f" * 2


def recognisable(number: int) -> dict[str, str]:
    letters = "".join(random.Random(number).choices("bcdfghjklmnpqrstvwxz", k=9))
    nine = next(n for n in range(454_321_000 + 70 * number, 455_000_000) if check_digit(str(n)) is not None)
    return {
        "RECORD": f"P{number:05d}", "NHS_NUMBER": f"{nine}{check_digit(str(nine))}",
        "FORENAME": f"Qx{letters}", "SURNAME": f"Zy{letters[::-1]}", "NAME": f"Qx{letters} Zy{letters[::-1]}",
        "POSTCODE": f"ZZ{number % 90 + 10} {number // 90 % 10}QQ{'BCD'[number // 900]}",
        "DOB": f"{number % 27 + 1:02d}/{number % 11 + 1:02d}/{1921 + number % 90}", "SEX": str(number % 2 + 1),
        "CODE": "E11" if number % 3 else "I10", "NOTE": f"seen at home by Nurse Vw{letters}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def canaryton(demonstration, tmp_path_factory):
    folder = tmp_path_factory.mktemp("canary")
    for part in ("Snakefile", "config", "notebooks", "shared_code", "profiles", "reports", "requirements.lock",
                 "pyproject.toml"):  # fmt: skip
        source = demonstration.folder / part
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / part)
    (folder / "config" / "sites" / "canaryton.yaml").write_text(SITE, "utf-8")
    recognised = [recognisable(number) for number in range(PEOPLE)]
    spoilt = [dict(p) for p in recognised]
    for number in range(7):  # free text where a code belongs: the mistake that leaks in most systems
        spoilt[number]["SEX"] = recognised[number]["NAME"]
        spoilt[number]["DOB"] = recognised[number]["NAME"]
    write(folder, spoilt)
    os.environ["COHORTIUM_KEY"] = KEY
    try:
        copy = type(demonstration)(folder)
        refused = copy.snakemake("release", site="canaryton")
        write(folder, recognised)
        accepted = copy.snakemake("release", "review", site="canaryton")
    finally:
        del os.environ["COHORTIUM_KEY"]
    assert accepted.returncode == 0, accepted.stdout[-2000:] + accepted.stderr[-3000:]
    settings = folder / "config" / "sites" / "canaryton.yaml"
    keys_folder = tmp_path_factory.mktemp("keys")
    os.environ["COHORTIUM_KEYS"] = str(keys_folder)
    try:
        people = "people:\n" + "".join(f"  {who}: {{roles: [{who}], key: {public_key(copy, who)}}}\n" for who in PEOPLE_THERE)
        settings.write_text(settings.read_text("utf-8") + people + f"site_key: {public_key(copy, 'canaryton')}\n", "utf-8")
        by_people = [copy.cohortium("approve", "canaryton", "--by", who, "--reason", "nobody is in it") for who in PEOPLE_THERE]
        by_people.append(copy.cohortium("send", "canaryton"))
        shutil.copytree(demonstration.folder / "inbox" / "demonstration", folder / "inbox" / "demonstration")
        by_people.append(copy.cohortium("receive", "outbox/demonstration/canaryton.zip"))
    finally:
        del os.environ["COHORTIUM_KEYS"]
    assert [done.returncode for done in by_people] == [0, 0, 0, 0], [done.stderr for done in by_people]
    pooled = copy.snakemake("report", demo="no")
    assert pooled.returncode == 0, pooled.stderr[-3000:]
    return copy, recognised, [refused, accepted, *by_people, pooled]


def public_key(copy, name: str) -> str:
    """Make a key as a person does, and read its public half from what is said."""
    made = copy.cohortium("keys", "new", name)
    assert made.returncode == 0, made.stderr
    return made.stdout.split("site_key: ")[1].strip()


def write(folder: Path, people: list[dict[str, str]]) -> None:
    (folder / "data" / "canaryton").mkdir(parents=True, exist_ok=True)
    with (folder / "data" / "canaryton" / "people.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(people[0]))
        writer.writeheader()
        writer.writerows(people)
    with (folder / "data" / "canaryton" / "hospital.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(people[0]))
        writer.writeheader()
        for number, person in enumerate(people):  # every third without a number, so that names and dates must link them
            known = person["NHS_NUMBER"] if number % 3 else ""
            writer.writerow({**person, "RECORD": f"H{number:05d}", "NHS_NUMBER": known})


@pytest.fixture(scope="module")
def finder(canaryton) -> Finder:
    """Look for everything that could name somebody, as it was written, and in capitals as linkage writes it."""
    assert len({person[key] for person in canaryton[1] for key in NAMING}) == 10_000
    wanted = {person[key] for person in canaryton[1] for key in (*NAMING, "FORENAME", "SURNAME")}
    return Finder({value.encode() for value in wanted} | {value.upper().encode() for value in wanted})


def test_the_values_are_there_to_be_found(canaryton, finder):
    copy, _, _ = canaryton
    assert len(finder.inside((copy.folder / "data" / "canaryton" / "people.csv").read_bytes())) >= 10_000


def test_nobody_is_in_anything_that_leaves(canaryton, finder):
    """Packages, what the coordinating team received and published, and every file of the checkout, names of files included."""
    copy, _, _ = canaryton
    looked_at = set()
    for path in copy.folder.rglob("*"):
        place = path.relative_to(copy.folder)
        if path.is_file() and place.parts[0] not in {"private", "data"}:
            assert not finder.inside(path.read_bytes()), place
            assert not finder.found_in(place.as_posix().encode()), place
            looked_at.add(place.parts[0])
    assert looked_at >= {"outbox", "inbox", "public", ".snakemake"}


def test_nobody_is_in_what_people_look_at_before_it_leaves(canaryton, finder):
    """The draft and the review page lie in the private room, and show what would leave."""
    room = canaryton[0].folder / "private" / "canaryton" / "demonstration"
    for path in (room / "review.html", room / "release" / "canaryton.zip"):
        assert not finder.inside(path.read_bytes()), path.name


def test_nobody_is_in_the_ledgers(canaryton, finder):
    private = canaryton[0].folder / "private"
    for ledger in (private / "canaryton" / "ledger", private / "coordination" / "demonstration" / "ledger"):
        files = [path for path in ledger.rglob("*") if path.is_file()]
        assert len(files) > 2
        assert not any(finder.inside(path.read_bytes()) for path in files)


def test_nobody_is_told_on_the_screen(canaryton, finder):
    _, _, runs = canaryton
    for run in runs:
        assert not finder.found_in((run.stdout + run.stderr).encode())


def test_the_mistake_is_told_without_the_values_and_kept_with_them(canaryton):
    copy, people, (refused, *_) = canaryton
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "SEX holds 7 values of fewer than 10 rows each, not explained" in said
    assert "private/canaryton/logs/problems.txt" in said
    private = copy.folder / "private" / "canaryton" / "logs" / "problems.txt"
    assert any(p["NAME"] in private.read_text("utf-8") for p in people[:7])


def test_identifiers_do_not_go_past_the_linkage(canaryton, finder):
    """Everybody was linked, with and without a number; in the private room only files of problems name anybody."""
    copy, _, _ = canaryton
    room = copy.folder / "private" / "canaryton"
    links = pd.read_parquet(room / "linkage" / "links" / "hospital.parquet")
    assert links["person_id"].notna().all() and set(links["link_method"]) == {"D1", "D3"}  # their postcodes are none
    for path in [*room.rglob("*.parquet"), *room.rglob("*.html"), *room.rglob("*.json"), *room.rglob("*.csv")]:
        text = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else path.read_text("utf-8")
        assert not finder.found_in(text.encode()), path


def test_the_key_is_nowhere(canaryton):
    copy, _, runs = canaryton
    assert not any(KEY.encode() in path.read_bytes() for path in copy.folder.rglob("*") if path.is_file())
    assert not any(KEY in run.stdout + run.stderr for run in runs)


@pytest.mark.skipif(os.name != "posix", reason="owners and groups are a POSIX matter")
def test_person_level_files_are_for_their_owner_only(canaryton):
    copy, _, _ = canaryton
    room = copy.folder / "private" / "canaryton"
    assert stat.S_IMODE(room.stat().st_mode) == 0o700
    for path in [*room.rglob("*.parquet"), *room.rglob("*.ipynb"), room / "logs" / "problems.txt"]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_purge_removes_the_private_room_and_says_what_remains(canaryton):
    copy, _, _ = canaryton
    done = copy.cohortium("purge", "canaryton")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (copy.folder / "private" / "canaryton").iterdir()] == ["ledger"]
    assert "The ledger remains" in done.stdout
    checked = copy.cohortium("ledger", "check", "canaryton")
    assert "is whole: 1 release," in checked.stdout, checked.stderr
    assert (copy.folder / "data" / "canaryton" / "people.csv").exists()
    extract = sum(1 for path in (copy.folder / "data" / "canaryton").rglob("*") if path.is_file())
    assert "outbox/demonstration/canaryton.zip" in done.stdout and f"{extract} files in data/canaryton" in done.stdout
