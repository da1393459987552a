"""Keys are made outside the project, for their owner only, and sign as RFC 8032 says."""

from __future__ import annotations

import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared_code.config.digests import ROOT
from shared_code.releases import encryption, keys


def test_a_key_is_for_its_owner_only_and_comes_back(tmp_path):
    public = keys.make("ada", tmp_path / "keys")
    assert keys.public_text(keys.load("ada", tmp_path / "keys")) == public
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "keys" / "ada.key").stat().st_mode) == 0o600


def test_a_passphrase_locks_it(tmp_path, message_of):
    public = keys.make("ada", tmp_path, "correct horse")
    assert keys.public_text(keys.load("ada", tmp_path, "correct horse")) == public
    assert "the passphrase does not open it" in message_of(keys.load, "ada", tmp_path, "wrong")
    assert "it is locked with a passphrase" in message_of(keys.load, "ada", tmp_path)


def test_what_stands_in_the_way_is_said(tmp_path, message_of):
    keys.make("ada", tmp_path)
    assert "there is a key of this name already" in message_of(keys.make, "ada", tmp_path)
    assert "the folder lies inside the project" in message_of(keys.make, "ada", ROOT / "private" / "keys")
    assert "there is no such key on this machine. Make one: cohortium keys new eve" in message_of(keys.load, "eve", tmp_path)
    (tmp_path / "ada.key").chmod(0o644)
    if os.name == "posix":
        assert "other people of this machine can read it" in message_of(keys.load, "ada", tmp_path)


def test_a_known_answer():
    """RFC 8032, section 7.1, test 2."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    expected = ("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")  # fmt: skip
    key = Ed25519PrivateKey.from_private_bytes(secret)
    assert key.sign(b"\x72").hex() == expected
    signature = keys.sign(key, b"\x72")
    assert keys.fits(keys.public_text(key), signature, b"\x72")
    assert not keys.fits(keys.public_text(key), signature, b"\x73")
    assert not keys.fits(keys.public_text(key), "no signature", b"\x72")


def test_only_made_up_sites_have_keys_that_everybody_knows():
    with pytest.raises(ValueError, match="only made-up sites"):
        keys.demonstration("leafield", "analyst")


def test_age_round_trip(tmp_path, message_of):
    public = encryption.make("coordinator", tmp_path)
    locked = encryption.encrypt(b"totals", public)
    assert locked.startswith(b"age-encryption.org/v1") and b"totals" not in locked
    assert encryption.decrypt(locked, "coordinator", tmp_path) == b"totals"
    encryption.make("other", tmp_path)
    assert "the key other does not open it" in message_of(encryption.decrypt, locked, "other", tmp_path)
    changed = locked[:-1] + bytes([locked[-1] ^ 1])
    assert "or it was changed" in message_of(encryption.decrypt, changed, "coordinator", tmp_path)
    assert "there is no such key on this machine" in message_of(encryption.decrypt, locked, "nobody", tmp_path)
