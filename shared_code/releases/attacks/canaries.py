"""Look for thousands of known values in files at once: planted people, or a site's own identifiers."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

START = 6  # bytes by which a value is first looked for; shorter ones are not values that name somebody
BLOCK = 1 << 22


class Finder:
    """Find any of many values in some bytes, in one pass however many they are.

    >>> sorted(Finder([b"9434765919", b"SW1A 2AA"]).found_in(b"x,9434765919,y"))
    [b'9434765919']
    """

    def __init__(self, values: Iterable[bytes]):
        self.values: dict[int, list[bytes]] = defaultdict(list)
        for value in set(values):
            if len(value) < START:
                raise ValueError(f"values to look for have {START} bytes or more")
            self.values[int.from_bytes(value[:START], "big")].append(value)
        self.starts = np.array(sorted(self.values), np.int64)
        self.likely = np.zeros(1 << 16, bool)  # by the last two of these bytes: most places are passed over at once
        self.likely[self.starts & 0xFFFF] = True

    def found_in(self, content: bytes) -> set[bytes]:
        """Give the values that occur in the bytes as they are."""
        found = set()
        for begin in range(0, len(content), BLOCK):
            part = np.frombuffer(content[begin : begin + BLOCK + START - 1], np.uint8).astype(np.int64)
            if len(part) < START:
                continue
            number = np.zeros(len(part) - START + 1, np.int64)
            for place in range(START):
                number = (number << 8) | part[place : len(part) - START + 1 + place]
            maybe = np.flatnonzero(self.likely[number & 0xFFFF])
            where = np.minimum(np.searchsorted(self.starts, number[maybe]), len(self.starts) - 1)
            for at in maybe[self.starts[where] == number[maybe]]:
                for value in self.values[int(number[at])]:
                    if content.startswith(value, begin + int(at)):
                        found.add(value)
        return found

    def inside(self, content: bytes) -> set[bytes]:
        """Give the values that occur in a file or in what it carries (files of an archive, data written into a page)."""
        return set().union(*(self.found_in(layer) for layer in layers(content)))


def layers(content: bytes, depth: int = 3) -> Iterator[bytes]:
    """Give a file as it is, and unpacked: the files of a zip, the base64 data of a page, text in UTF-16."""
    yield content
    if not depth:
        return
    if content.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.infolist():
                    yield entry.filename.encode()
                    yield from layers(archive.read(entry), depth - 1)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return
    for match in re.finditer(rb"base64,([A-Za-z0-9+/=\s]{16,})", content):
        yield from layers(base64.b64decode(re.sub(rb"\s", b"", match[1]) + b"=="), depth - 1)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield content.decode("utf-16", "replace").encode()
