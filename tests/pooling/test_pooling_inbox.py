"""The inbox: every package that cannot be trusted is named, and nothing is pooled until it is gone."""

from __future__ import annotations

import json
import re
import shutil
import zipfile

import pytest

from shared_code.pooling.inbox import receive
from shared_code.releases import package


@pytest.fixture
def net(network, counted, draw_people):
    """Two sites that have sent good releases, and a third that is expected."""
    people = draw_people(21, 3)
    made = network(threshold=10, rounding=5)
    for site in range(2):
        made.send(f"s{site}", ill=counted(people[people["site"] == site]))
    made.third = counted(people[people["site"] == 2])
    made.expected["s2"] = made.site("s2")
    return made


def rewrite(net, name, change) -> None:
    """Change the manifest and the tables of a package and sign it again, as a site that means ill could."""
    found = package.opened(net.inbox / f"{name}.zip")
    manifest, files = found.manifest, {n: body.decode() for n, body in found.files.items()}
    change(manifest, files)
    content = net.signing.sealed(manifest, {n: body.encode() for n, body in files.items()})
    (net.inbox / f"{name}.zip").write_bytes(content)


def test_good_releases_are_received_in_order_and_the_missing_named(net):
    inbox = receive(net.study, net.inbox, net.expected)
    assert list(inbox.releases) == ["s0", "s1"]
    assert inbox.missing == {"s2": "S2"}
    assert inbox.sites_with("illness", "ill") == ["s0", "s1"]
    cells = inbox.stacked("illness", "ill")
    assert cells["site"].value_counts().index.tolist() == ["s0", "s1"]


# what is changed in the package of s1 | words of the one message
CHANGES = [
    (lambda m, f: m.update(study="other"), "it belongs to the study 'other'. Allowed: tiny. Move it there"),
    (lambda m, f: m.update(site="s9"), "'s9' takes no part in this study. Allowed: s0, s1, s2"),
    (lambda m, f: m.update(plans={"illness": "0" * 64}), "s1 ran another plan of illness than this study's. Allowed: plan"),
    (lambda m, f: m.update(plans={**m["plans"], "cost": "0"}), "it holds an analysis 'cost' that the study does not have"),
    (lambda m, f: m.update(plans=["illness"]), "its manifest cannot be used (plans: input should be a valid dictionary)"),
    (lambda m, f: m.update(plans={"illness": 3}), "its manifest cannot be used (plans.illness: input should be a valid string)"),
    (lambda m, f: m.pop("site_title"), "its manifest cannot be used (site_title: field required)"),
    (lambda m, f: m.update(extract_date="soon"), "(extract_date: 'soon' is not a date)"),
    (lambda m, f: m["disclosure"]["rules"].update(threshold=5), "its disclosure rules are looser than the study's"),
    (lambda m, f: m["disclosure"]["rules"].update(rounding=1), "(threshold 10, rounding 1). Allowed: threshold 10, rounding 5"),
    (lambda m, f: f.pop("tables/illness.ill.csv"), "the table illness.ill is missing. Release it again"),
    (lambda m, f: f.update({"tables/illness.more.csv": "x\n"}), "it holds a file nobody declared: tables/illness.more.csv"),
    (lambda m, f: f.update({"illness.ill.csv": "x\n"}), "it holds a file nobody declared: illness.ill.csv"),
    (lambda m, f: f.pop("tables/illness.ill.schema.json"), "illness.ill.schema.json: it is missing. Release it again"),
    (lambda m, f: f.pop("ro-crate-metadata.json"), "ro-crate-metadata.json: it is missing. Release it again"),
    (lambda m, f: f.update({"tables/illness.ill.schema.json": '{"fields": []}'}), "it describes other columns than the plan"),
    (lambda m, f: f.update({"disclosure/illness.ill.json": '{"table": "x"}'}), "it is that of another table"),
    (lambda m, f: f.update({"disclosure/illness.ill.json": '{"table": 1e999}'}), "it holds a number that is not finite (1e999)"),
    (lambda m, f: f.update({"ro-crate-metadata.json": '{"@graph": []}'}), "it describes other files than the package holds"),
    (lambda m, f: f.update({"tables/illness.ill.csv": ""}), "it is not a table of cells"),
    (lambda m, f: f.update({"tables/illness.ill.csv": "a,b\n1\n1,2,3,4\n"}), "it is not a table of cells"),
    (lambda m, f: edit(f, "rounded", "exact"), "status holds exact"),
    (lambda m, f: edit(f, ",F,", ",X,"), "sex holds X. Allowed: F, M"),
    (lambda m, f: spoil_value(f, "many"), "it is not a table of cells"),
    (lambda m, f: spoil_value(f, "nan"), "a value is empty though it is given"),
    (lambda m, f: spoil_value(f, "1e99"), "a value lies outside its range"),
    (lambda m, f: spoil_value(f, "{}.0"), "its numbers are not written as a release writes them"),
]


def edit(files: dict[str, str], old: str, new: str) -> None:
    name = "tables/illness.ill.csv"
    assert old in files[name]
    files[name] = files[name].replace(old, new)


def spoil_value(files: dict[str, str], new: str) -> None:
    """Replace the first rounded number of people."""
    name = "tables/illness.ill.csv"
    lines = files[name].split("\n")
    place = next(i for i, line in enumerate(lines) if ",people," in line and ",rounded," in line)
    cells = lines[place].split(",")
    cells[-4] = new.format(cells[-4])
    files[name] = "\n".join([*lines[:place], ",".join(cells), *lines[place + 1 :]])


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_each_fault_is_named(net, problems_of, change, words):
    path = net.inbox / "s1.zip"
    rewrite(net, "s1", change)
    problems = [str(p) for p in problems_of(receive, net.study, net.inbox, net.expected)]
    assert len(problems) == 1, problems
    assert problems[0].startswith(str(path))
    assert words in problems[0]


def test_a_small_number_of_people_is_found_even_if_the_manifest_says_otherwise(net, message_of):
    def show(manifest, files):
        lines = files["tables/illness.ill.csv"].split("\n")
        place = next(i for i, line in enumerate(lines) if re.search(r",people,,withheld,1,\d+$", line))
        lines[place] = lines[place].replace("people,,withheld,1,", "people,4,rounded,1,")
        files["tables/illness.ill.csv"] = "\n".join(lines)

    rewrite(net, "s1", show)
    message = message_of(receive, net.study, net.inbox, net.expected)
    assert "1 numbers of people are shown that are smaller than the threshold. Allowed: 0, or 10 and more" in message
    assert "Delete this file at once, and tell the site" in message


def test_all_faulty_packages_are_named_together(net, problems_of):
    content = bytearray((net.inbox / "s0.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (net.inbox / "s0.zip").write_bytes(bytes(content))
    rewrite(net, "s1", lambda m, f: m.update(study="other"))
    (net.inbox / "s2.zip").write_bytes(b"no package")
    (net.inbox / "s3.zip").mkdir()
    text = "\n".join(map(str, problems_of(receive, net.study, net.inbox, net.expected)))
    for name in ("s0", "s1", "s2", "s3"):
        assert f"{name}.zip: " in text
    assert not net.target.exists()


def test_another_name_is_another_site(net, message_of):
    shutil.copy(net.inbox / "s1.zip", net.inbox / "s2.zip")
    message = message_of(receive, net.study, net.inbox, net.expected)
    assert "it is the release of 's1'. Allowed: s1.zip. Rename it" in message
    (net.inbox / "s2.zip").rename(net.inbox / "s1.ZIP")
    assert "it is a second release of 's1'" in message_of(receive, net.study, net.inbox, net.expected)


def test_a_site_that_takes_no_part(net, message_of):
    del net.expected["s1"]
    assert "'s1' takes no part in this study" in message_of(receive, net.study, net.inbox, net.expected)


def test_a_plan_that_the_coordinator_has_changed_since(net, problems_of):
    changed = net.study.model_copy(update={"index_date": net.study.index_date.replace(day=2)})
    problems = problems_of(receive, changed, net.inbox, net.expected)
    assert ["ran another plan of illness" in str(p) for p in problems] == [True, True]


def test_other_files_and_unfinished_copies_are_not_releases(net):
    (net.inbox / "README.txt").write_text("Put packages here.")
    (net.inbox / "s2.zip.partial").write_bytes(b"half")
    assert list(receive(net.study, net.inbox, net.expected).releases) == ["s0", "s1"]


def test_an_empty_or_missing_inbox_says_what_to_do(net, message_of):
    shutil.rmtree(net.inbox)
    assert "no release has arrived. Take in each site's package" in message_of(receive, net.study, net.inbox, net.expected)


def test_a_dimension_of_the_sites_own_may_have_any_name(net, counted, draw_people):
    people = draw_people(22, 1).replace({"town": {"Town 0": 'Öst, "upper"', "Town 1": "=1+1"}})
    net.send("s2", ill=counted(people))
    cells = receive(net.study, net.inbox, net.expected).releases["s2"].tables["illness", "ill"]
    assert {'Öst, "upper"', "=1+1"} <= set(cells["town"])


def test_the_manifest_is_json_a_person_can_read(net):
    with zipfile.ZipFile(net.inbox / "s0.zip") as archive:
        text = archive.read("manifest.json").decode()
    assert json.loads(text)["site"] == "s0"
    assert text.count("\n") > 20
