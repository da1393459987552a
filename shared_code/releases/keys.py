"""Keys: an Ed25519 pair for every person and every site. The private half never lies in the project.

Signatures are those of RFC 8032 (Ed25519), made by the package cryptography.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared_code.config.digests import ROOT
from shared_code.config.people import KEY_FORM, key_bytes
from shared_code.model import Problem, Refused

FOLDER = "COHORTIUM_KEYS"


def folder() -> Path:
    """Give the folder of this person's private keys: COHORTIUM_KEYS, or .config/cohortium/keys in the home folder."""
    return Path(os.environ.get(FOLDER) or Path.home() / ".config" / "cohortium" / "keys")


def public_text(key: Ed25519PrivateKey) -> str:
    """Write the public half of a key as settings files hold it.

    >>> public_text(Ed25519PrivateKey.from_private_bytes(bytes(32)))[:20]
    'ed25519:O2onvM62pC1i'
    """
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return KEY_FORM + base64.b64encode(raw).decode()


def make(name: str, where: Path, passphrase: str = "") -> str:
    """Make a key pair; keep the private half for its owner only and give the public half as text.

    Raises model.Refused when there is such a key already, or the folder lies inside the project.
    """
    path = where / f"{name}.key"
    if where.resolve().is_relative_to(ROOT):
        mend = f"Set {FOLDER} to a folder of your own outside the project"
        raise Refused("The key", [Problem(str(where), "the folder lies inside the project", "a folder outside it", mend)])
    if path.exists():
        mend = "Use it, or take another name; a key that was lost or told is replaced under a new name"
        raise Refused("The key", [Problem(str(path), "there is a key of this name already", "", mend)])
    key = Ed25519PrivateKey.generate()
    locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    keep_private(path, pem)
    return public_text(key)


def keep_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def load(name: str, where: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """Read a private key.

    Raises model.Refused when it is not there, others can read it, or the passphrase does not open it.
    """
    path = where / f"{name}.key"

    def refuse(wrong: str, mend: str) -> Refused:
        return Refused("The key", [Problem(str(path), wrong, "", mend)])

    if not path.is_file():
        raise refuse("there is no such key on this machine", f"Make one: cohortium keys new {name}")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise refuse("other people of this machine can read it", f"chmod 600 {path}; if it may have been copied, make a new one")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        what = "the passphrase does not open it" if passphrase else "it is locked with a passphrase, or damaged"
        raise refuse(what, "Type the passphrase, or set COHORTIUM_PASSPHRASE") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise refuse("it is a key of another kind", f"Make one: cohortium keys new {name}")
    return key


def sign(key: Ed25519PrivateKey, content: bytes) -> str:
    """Sign some bytes; the signature as text."""
    return base64.b64encode(key.sign(content)).decode()


def fits(public: str, signature: str, content: bytes) -> bool:
    """Tell whether a signature is that of this key under these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(key_bytes(public)).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def demonstration(site: str, who: str) -> Ed25519PrivateKey:
    """Give the key of a person of a made-up site. Everybody can make it, so it protects nothing and serves no real site."""
    if not site.startswith("demo_"):
        raise ValueError("only made-up sites have keys that everybody knows")
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"cohortium demonstration: {site} {who}".encode()).digest())
