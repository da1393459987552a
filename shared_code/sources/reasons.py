"""Reasons: what a reader says of a damaged file becomes one line for the person who has to mend it."""

from __future__ import annotations

import re

AGAIN = "Export it again, or in another form"


def reason(text: str, is_unicode: bool = False) -> tuple[str, str, str]:
    """Say in one line why a file cannot be read, without quoting its content; what is allowed; what to do.

    >>> reason("Invalid file, or file has unsupported features")[0]
    'the file cannot be read (it is damaged, or uses features that are not supported)'
    """
    low = text.lower()
    if "unsupported character set" in low:
        return "its character set is not known here", "", "Set encoding: in the site's settings, for example cp1252"
    if is_unicode or "unicode" in low or "invalid byte sequence" in low or "convert string" in low:
        return "its characters are not in the encoding named", "", "Set encoding: in the site's settings, for example cp1252"
    ragged = re.search(r"CSV Error on Line: (\d+).*?Expected Number of Columns: (\d+) Found: (\d+)", text, re.DOTALL)
    if ragged:
        line, expected, found = ragged.groups()
        return f"line {line} has {found} fields, not {expected}", f"{expected} fields in every line", "Export it again"
    line_number = re.search(r"CSV Error on Line: (\d+)", text)
    if line_number:
        return f"the file cannot be read (line {line_number[1]} is not CSV)", "", AGAIN
    if "unable to allocate memory" in low or "out of memory" in low:
        return "the file cannot be read (needs more memory than allowed)", "", f"{AGAIN}; or set COHORTIUM_READ_MEMORY_MB"
    if "invalid file, or file has unsupported" in low:
        return "the file cannot be read (it is damaged, or uses features that are not supported)", "", AGAIN
    first = text.splitlines()[0].rstrip(".") if text else "damaged"
    return f"the file cannot be read ({first})", "", AGAIN
