"""What files carry that nobody meant to send: names, times, outputs, metadata, numbers in drawings."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Iterable
from xml.etree import ElementTree

FIXED = (1980, 1, 1, 0, 0, 0)
ALLOWED = re.compile(r"(manifest\.json|ro-crate-metadata\.json|signatures?\.json|(tables|disclosure)/[a-z0-9_.]+\.(csv|json))")
PNG = b"\x89PNG\r\n\x1a\n"


def archive(content: bytes) -> list[str]:
    """List what a zip file tells beside its files: times, comments, extra fields, paths, other kinds of file."""
    told = []
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        if opened.comment:
            told.append("a comment of the archive")
        for entry in opened.infolist():
            if entry.date_time != FIXED:
                told.append(f"{entry.filename}: when it was written")
            if entry.comment or entry.extra:
                told.append(f"{entry.filename}: a comment or an extra field")
            if not ALLOWED.fullmatch(entry.filename):
                told.append(f"{entry.filename}: not a file that a package holds")
            told += [f"{entry.filename}: {what}" for what in inside(entry.filename, opened.read(entry))]
    return told


def inside(name: str, content: bytes) -> list[str]:
    """List what a single file tells beside what it shows."""
    if content.startswith(PNG):
        return [f"the note {key!r} in the picture" for key in picture_notes(content)]
    if content.startswith(b"%PDF"):
        return [f"the entry {key} of the document" for key in document_notes(content)]
    if name.endswith(".ipynb"):
        return outputs(content)
    if name.endswith((".log", ".txt")):
        return ["it is a log"]
    return [f"an identifier ({kind})" for kind in identifiers(content.decode("utf-8", "replace"))]


def picture_notes(content: bytes) -> list[str]:
    """List the text and time entries of a PNG picture."""
    notes, at = [], len(PNG)
    while at + 8 <= len(content):
        (length,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        if kind in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf"):
            body = content[at + 8 : at + 8 + length]
            notes.append(body.split(b"\x00")[0].decode("latin-1") if kind.endswith(b"Xt") else kind.decode())
        at += length + 12
    return notes


def document_notes(content: bytes) -> list[str]:
    """List the entries of a PDF's information that name a person, a program or a time."""
    return sorted({m.decode() for m in re.findall(rb"/(Author|Creator|Producer|CreationDate|ModDate|Title)\s*\(", content)})


def outputs(content: bytes) -> list[str]:
    """List cells of a notebook that kept what they printed."""
    cells = json.loads(content)["cells"]
    return [f"the output of cell {number}" for number, cell in enumerate(cells, 1) if cell.get("outputs")]


def identifiers(text: str) -> list[str]:
    """Name the kinds of identifier that occur in a text: NHS numbers with a right check digit, postcodes, dates of birth."""
    kinds = []
    if any(_check_digit(found) for found in re.findall(r"(?<![\w.])(\d{10}|\d{3} \d{3} \d{4})(?![\w.])", text)):
        kinds.append("NHS number")
    if re.search(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b", text):
        kinds.append("postcode")
    if re.search(r"\b(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])/(19|20)\d\d\b", text):
        kinds.append("date of birth")
    return kinds


def _check_digit(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    if len(set(digits)) == 1:
        return False
    rest = 11 - sum(d * (10 - place) for place, d in enumerate(digits[:9])) % 11
    return rest != 10 and digits[9] == (0 if rest == 11 else rest)


def drawn_numbers(svg: str, released: Iterable[float]) -> list[float]:
    """List the numbers written in a drawing (labels, legends, titles) that were not released."""
    known = {round(float(value), 6) for value in released}
    words = " ".join(text for element in ElementTree.fromstring(svg).iter() for text in [element.text or "", element.tail or ""])
    found = [float(number.replace(",", "")) for number in re.findall(r"(?<![\w.])\d[\d,]*\.?\d*", words)]
    return sorted({number for number in found if round(number, 6) not in known})
