"""Keyed pseudonyms: HMAC-SHA-256 of a local identifier, with a key that never enters the project."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.model import Problem, Refused

KEY_FILE, KEY = "COHORTIUM_KEY_FILE", "COHORTIUM_KEY"
KEY_BYTES = 32
MADE_UP_KEY = hashlib.sha256(b"made-up people need no secret").digest()  # so that a demonstration needs no key


def read_key() -> bytes:
    """Read the site's secret key: 64 hexadecimal digits in COHORTIUM_KEY, or in the file that COHORTIUM_KEY_FILE names.

    Raises model.Refused when there is none, when it is short, or when all its bytes are equal.
    """
    text, where = os.environ.get(KEY, ""), KEY
    if not text and os.environ.get(KEY_FILE):
        where = KEY_FILE
        path = Path(os.environ[KEY_FILE])
        if not path.is_file():
            raise Refused("The pseudonym key", [Problem(where, "the file it names is not there", "", "Correct it")])
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    mend = 'Make one with python3 -c "import secrets; print(secrets.token_hex(32))" and keep it outside the project'
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise Refused("The pseudonym key", [Problem(where, "it is not hexadecimal", "64 digits 0-9 a-f", mend)]) from None
    if not key:
        wrong = f"neither {KEY} nor {KEY_FILE} is set, and identifiers are never stored without a key"
        raise Refused("The pseudonym key", [Problem(KEY, wrong, "64 hexadecimal digits", mend)])
    if len(key) < KEY_BYTES or len(set(key)) == 1:
        wrong = f"the key has {len(key)} bytes or no variety"
        raise Refused("The pseudonym key", [Problem(where, wrong, f"{KEY_BYTES} random bytes", mend)])
    return key


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Make the pseudonym of one identifier.

    >>> pseudonym(bytes(range(32)), "NHS", "9434765919")[:16]
    '3b25b93553c5a2ac'
    """
    return hmac.new(key, f"fphp|v1|{kind}|{identifier}".encode(), hashlib.sha256).hexdigest()


def replace(connection: Any, rows: ir.Table, column: str, kind: str, made_up: bool) -> ir.Table:
    """Replace an identifier column by its pseudonyms; the identifiers themselves are never written."""
    key = MADE_UP_KEY if made_up else read_key()
    found = rows.select(column).distinct().filter(lambda t: t[column].notnull()).execute()
    pairs = [{"_identifier": str(value), "_pseudonym": pseudonym(key, kind, str(value))} for value in found[column]]
    known = ibis.memtable(pairs, schema=ibis.schema({"_identifier": "string", "_pseudonym": "string"}))
    joined = rows.left_join(known, rows[column] == known["_identifier"])
    return joined.drop(column, "_identifier").rename({column: "_pseudonym"})
