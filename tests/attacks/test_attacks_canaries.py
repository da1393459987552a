"""The search for ten thousand values: it finds each of them wherever it is hidden, and only those."""

from __future__ import annotations

import base64
import io
import random
import zipfile

import pytest

from shared_code.releases.attacks.canaries import BLOCK, Finder

VALUES = [f"999{5_432_100 + 7 * n}".encode() for n in range(5_000)] + [f"Qx{n:05d} Zy".encode() for n in range(5_000)]


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(VALUES)


def test_it_agrees_with_looking_for_one_after_the_other(finder):
    chance = random.Random(1)
    for _ in range(20):
        planted = chance.sample(VALUES, 3)
        noise = bytes(chance.choices(b"0123456789 QxZy,\n", k=3_000))
        content = noise[:700] + planted[0] + noise[700:900] + planted[1] + planted[2] + noise[900:]
        assert finder.found_in(content) == {v for v in VALUES if v in content} >= set(planted)


def test_it_finds_what_lies_on_the_edge_of_a_block(finder):
    for shift in (-11, -10, *range(-6, 2)):
        content = b" " * (BLOCK + shift) + VALUES[7] + b" " * 50
        assert finder.found_in(content) == {VALUES[7]}


def test_it_looks_into_data_within_data_within_an_archive(finder):
    inside = base64.b64encode(b"<img src='data:image/svg+xml;base64," + base64.b64encode(b" " * 9 + VALUES[3] + b" " * 9) + b"'>")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.html", b"<object data='data:text/html;base64," + inside + b"'>")
    assert finder.inside(buffer.getvalue()) == {VALUES[3]}


def test_it_looks_into_archives_and_pages(finder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"x\n" * 50 + VALUES[1])
    page = b'<a href="data:application/zip;base64,' + base64.b64encode(buffer.getvalue()) + b'">'
    assert VALUES[1] not in page
    assert finder.inside(page) == {VALUES[1]}
    assert finder.inside(VALUES[2].decode().encode("utf-16")) == {VALUES[2]}


def test_nothing_is_found_in_nothing(finder):
    assert finder.inside(b"") == finder.inside(b"PK\x03\x04 not an archive") == finder.inside(b"12345") == set()
