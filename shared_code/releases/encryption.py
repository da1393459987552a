"""Encryption of a package to the coordinating team's key, in the age format (age-encryption.org/v1)."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage

from shared_code.config.digests import ROOT
from shared_code.model import Problem, Refused
from shared_code.releases.keys import FOLDER, keep_private

SUFFIX = ".age"


def make(name: str, where: Path) -> str:
    """Make a key that opens encrypted packages; keep it for its owner only and give its public half, `age1…`.

    Raises model.Refused when there is such a key already, or the folder lies inside the project.
    """
    path = where / f"{name}{SUFFIX}"
    if where.resolve().is_relative_to(ROOT):
        mend = f"Set {FOLDER} to a folder of your own outside the project"
        raise Refused("The key", [Problem(str(where), "the folder lies inside the project", "a folder outside it", mend)])
    if path.exists():
        raise Refused("The key", [Problem(str(path), "there is a key of this name already", "", "Take another name")])
    identity = pyrage.x25519.Identity.generate()
    keep_private(path, f"# opens packages sent to {name}; public key: {identity.to_public()}\n{identity}\n".encode())
    return str(identity.to_public())


def encrypt(content: bytes, public: str) -> bytes:
    """Lock bytes so that only the holder of the key can read them."""
    return pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(public)])


def decrypt(content: bytes, name: str, where: Path) -> bytes:
    """Open bytes with a key of this machine (raises model.Refused when it does not open them)."""
    path = where / f"{name}{SUFFIX}"
    if not path.is_file():
        mend = f"Make one, and tell the sites its public half: cohortium keys new {name} --age"
        raise Refused("The key", [Problem(str(path), "there is no such key on this machine", "", mend)])
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Refused("The key", [Problem(str(path), "other people of this machine can read it", "", f"chmod 600 {path}")])
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    try:
        return pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(line) for line in lines])
    except (pyrage.DecryptError, pyrage.IdentityError) as error:
        wrong = f"the key {name} does not open it, or it was changed ({error})"
        mend = "Ask the site to which key it was sent"
        raise Refused("The package", [Problem("the encrypted package", wrong, "", mend)]) from None
