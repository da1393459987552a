"""Verify: what a package says of itself, and whether it is true, in plain words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from shared_code.config import Site, Study
from shared_code.model import Problem, Refused, few
from shared_code.pooling.receiving import ENCRYPTED
from shared_code.releases import package, signatures
from shared_code.releases.approve import signers_of
from shared_code.releases.manifest import wrong_with


def verify(path: Path, study: Study, sites: Path, decrypt: Callable[[bytes], bytes] | None) -> tuple[str, bool]:
    """Describe a package and check it; gives the words, and whether everything fits. Needs no network.

    sites  folder of site files, which hold the public keys of those who may sign
    """
    found = _opened(path, decrypt)
    manifest = found.manifest
    wrong = wrong_with(manifest)
    if wrong:
        raise Refused(str(path), [Problem(str(path), wrong, "", "Ask the site to release it again")])
    lines = [
        f"{path}",
        f"  A release of {manifest['site_title']} ({manifest['site']}) in the study {manifest['study']}: {manifest['kind']}.",
        f"  Every byte fits: {len(found.files)} files, content {found.digest}.",
    ]
    for name, counts in manifest["disclosure"]["tables"].items():
        lines.append(f"  {name}: {counts.get('cells', 0):,} numbers, {counts.get('withheld', 0):,} withheld.")
    rules = manifest["disclosure"]["rules"]
    lines.append(f"  Rules: counts below {rules['threshold']} people withheld, others rounded to {rules['rounding']}.")
    said, good = _signed(found, study, sites)
    return "\n".join([*lines, *said]), good


def _opened(path: Path, decrypt: Callable[[bytes], bytes] | None) -> package.Package:
    if path.is_file() and path.stat().st_size <= package.LARGEST:
        content = path.read_bytes()
        if content.startswith(ENCRYPTED):
            if decrypt is None:
                mend = "Name the key that opens it: --key NAME"
                raise Refused(str(path), [Problem(str(path), "it is encrypted", "", mend)])
            try:
                return package.parsed(decrypt(content))
            except ValueError as error:
                raise Refused(str(path), [Problem(str(path), str(error))]) from None
    return package.opened(path)


def _signed(found: package.Package, study: Study, sites: Path) -> tuple[list[str], bool]:
    """Say who signed, and whether they may."""
    if not found.signatures:
        return ["  Nobody has signed it: it is a draft and may not leave."], False
    try:
        signed = signatures.read(found.signatures)
    except ValueError as error:
        return [f"  {error}."], False
    lines = [f"  {one.name} approved it as {one.role} on {one.date}: “{one.reason}”." for one in signed.approvals]
    sent = signed.sent
    lines.append(f"  {sent.site} sent it on {sent.date} as release {sent.number}, good until {sent.expires}"
                 f"{'; it replaces ' + sent.supersedes[:12] if sent.supersedes else ''}.")  # fmt: skip
    try:
        site = Site.read(str(found.manifest["site"]), sites)
    except Refused:
        fit = all(one.fits and one.content == found.digest for one in [*signed.approvals, sent])
        lines.append(f"  The signatures {'fit' if fit else 'DO NOT FIT'} the keys they name. Whose keys those are is not known "
                     f"here: there is no site file of {found.manifest['site']} in {sites}.")  # fmt: skip
        return lines, False
    if found.manifest["study"] != study.study:
        other = f"  It belongs to the study {found.manifest['study']}, not {study.study}: name its protocol with --study."
        return [*lines, other], False
    signers = signers_of(site, study)
    wrong = signatures.faults(signed, found.digest, study.study, site.site, signers, dt.date.today())
    if wrong:
        return [*lines, *(f"  WRONG: {fault}." for fault in wrong)], False
    people = few([f"{one.name} ({one.role})" for one in signed.approvals])
    return [*lines, f"  All signatures stand: {people}, and {site.site} itself, with the keys in its settings."], True
