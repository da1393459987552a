"""A package is what the site wrote, to the byte, or it is refused."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.releases import package

steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)
TABLES = {"tables/a.t.csv": b"x,statistic,value\n1,people,12\n", "tables/a.u.csv": b"x\n"}
MANIFEST = {"study": "tiny", "site": "north", "site_title": "Größe"}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("outbox") / "north.zip"
    package.write(path, MANIFEST, TABLES)
    return path


@pytest.fixture
def refused(tmp_path, message_of):
    """Write bytes as a package that must be refused, and give the message."""

    def read(content: bytes) -> str:
        path = tmp_path / "north.zip"
        path.write_bytes(content)
        message = message_of(package.read, path)
        assert message.startswith(str(path))
        assert "Ask the site to send it again, and remove this file from the inbox" in message
        return message

    return read


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(path: Path) -> dict:
    return json.loads(files_of(path)["manifest.json"])


def test_what_was_written_is_read(written):
    manifest, files, digest = package.read(written)
    assert files == TABLES
    assert {key: manifest[key] for key in MANIFEST} == MANIFEST
    assert manifest["files"]["tables/a.u.csv"] == {"sha256": hashlib.sha256(b"x\n").hexdigest(), "bytes": 2}
    assert digest == hashlib.sha256(files_of(written)["manifest.json"]).hexdigest()
    assert [p.name for p in written.parent.iterdir()] == ["north.zip"]


def test_the_same_content_gives_the_same_bytes_anywhere(written, tmp_path):
    digest = package.write(tmp_path / "deep" / "again.zip", dict(reversed(MANIFEST.items())), dict(reversed(TABLES.items())))
    assert (tmp_path / "deep" / "again.zip").read_bytes() == written.read_bytes()
    assert digest == package.opened(written).digest


@st.composite
def changes(draw) -> tuple[float, int]:
    return draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255))


@steady
@given(changes())
def test_any_single_changed_byte_is_refused(written, change):
    content = bytearray(written.read_bytes())
    place, flip = change
    content[int(place * len(content))] ^= flip
    path = written.parent / "changed.zip"
    path.write_bytes(bytes(content))
    with pytest.raises(package.Refused):
        package.read(path)


def test_every_byte_of_the_archives_own_records_counts(written):
    """Headers and the directory at the end, byte by byte: fields that readers ignore are not free to change."""
    content = written.read_bytes()
    directory = content.index(b"PK\x01\x02")
    path = written.parent / "changed.zip"
    for place in [*range(30), *range(directory, len(content))]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(package.Refused):
            package.read(path)


@steady
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_package_is_refused(written, share):
    path = written.parent / "cut.zip"
    path.write_bytes(written.read_bytes()[: int(share * written.stat().st_size)])
    with pytest.raises(package.Refused):
        package.read(path)


def test_bytes_before_after_or_a_comment_are_refused(written, refused):
    content = written.read_bytes()
    for changed in (content + b"x", b"x" + content, content[:-2] + b"\x02\x00hi"):
        assert "changed after the site wrote it" in refused(changed)


def test_files_missing_added_renamed_or_replaced(written, refused):
    files = files_of(written)
    without = {n: c for n, c in files.items() if n != "tables/a.u.csv"}
    assert "(files added or removed)" in refused(package.canonical(without))
    assert "(tables/b.csv)" in refused(package.canonical({**files, "tables/b.csv": b"x\n"}))
    renamed = {n.replace("a.u", "a.v"): c for n, c in files.items()}
    assert "(tables/a.v.csv)" in refused(package.canonical(renamed))
    assert "(tables/a.u.csv)" in refused(package.canonical({**files, "tables/a.u.csv": b"y\n"}))


def test_a_file_twice_in_the_archive(written, refused):
    buffer = io.BytesIO(written.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("tables/a.u.csv", b"x\n")
    assert "tables/a.u.csv is in it twice" in refused(buffer.getvalue())


def test_names_that_lead_elsewhere_are_never_files(written, refused, tmp_path):
    """Nothing is ever unpacked, so such names can only be refused."""
    files = files_of(written)
    for name in ("../outside.csv", "/etc/outside.csv", "C:\\outside.csv", "tables/../../outside.csv"):
        assert "changed after the site wrote it" in refused(package.canonical({**files, name: b"x"}))
    assert not list(tmp_path.parent.rglob("outside.csv"))


def test_another_form_of_zip(written, refused):
    files = files_of(written)
    assert "not in canonical form" in refused(zipped(files))
    assert "stored uncompressed" in refused(zipped(files, zipfile.ZIP_DEFLATED))
    assert "stored uncompressed" in refused(zipped({**files, "bomb": bytes(10_000_000)}, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("content", [b"", b"PK", b"a letter, not a package", bytes(2000)])
def test_what_is_no_archive(refused, content):
    assert "it is damaged, or was changed after the site wrote it" in refused(content)


@pytest.mark.parametrize(
    "manifest",
    [None, b"", b"{", b"[]", b"3", b"{}", b'{"files": []}', b'{"files": {"a": 1}, "schema": "x"}', b"\xff\xfe", b"[" * 3000],
)
def test_manifests_that_are_none(refused, manifest):
    files = {} if manifest is None else {"manifest.json": manifest}
    assert "it holds no readable manifest" in refused(package.canonical(files))


def test_a_manifest_of_another_form(written, refused):
    other = {**manifest_of(written), "schema": "cohortium-release/3"}
    text = (json.dumps(other, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    message = refused(package.canonical({**TABLES, "manifest.json": text}))
    assert "its form is 'cohortium-release/3', not 'cohortium-release/2'" in message


def test_the_order_of_keys_and_spaces_in_json_do_not_matter(written, tmp_path):
    """The content is the same, and so is its digest; everything else about the bytes is fixed."""
    reordered = dict(reversed(manifest_of(written).items()))
    path = tmp_path / "north.zip"
    path.write_bytes(package.canonical({**TABLES, "manifest.json": json.dumps(reordered, indent=1).encode()}))
    assert path.read_bytes() != written.read_bytes()
    assert package.opened(path).digest == package.opened(written).digest


def test_too_large(written, refused, monkeypatch):
    content = written.read_bytes()
    monkeypatch.setattr(package, "LARGEST", len(content) - 1)
    assert "the file is far larger than any release" in refused(content)
    monkeypatch.setattr(package, "LARGEST", 50)
    assert "far larger than any release" in refused(content)


def test_a_folder_named_like_a_package(tmp_path, message_of):
    (tmp_path / "north.zip").mkdir()
    assert "it is not a file" in message_of(package.read, tmp_path / "north.zip")
