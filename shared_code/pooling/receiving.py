"""Receiving: a package goes into quarantine, is checked there, and moves to the inbox whole or not at all.

Nothing is ever unpacked and no name from inside a package becomes a path, so a package can write nothing anywhere.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.model import Problem, Refused
from shared_code.pooling.inbox import Received, accept
from shared_code.pooling.register import Register
from shared_code.pooling.superseded import set_aside
from shared_code.releases import package

ENCRYPTED = b"age-encryption.org/"


def take_in(file: Path, study: Study, expected: Mapping[str, Site], inbox: Path, quarantine: Path, today: dt.date,
            decrypt: Callable[[bytes], bytes] | None = None) -> Received:  # fmt: skip
    """Check one package from anywhere and put it into the inbox of a study.

    expected    site -> settings of every site that takes part      inbox  inbox/<study>
    quarantine  folder where the package lies while it is checked, under the digest of its bytes; a refused one stays there
    decrypt     opens an encrypted package with the coordinating team's key
    Raises model.Refused with every reason; then nothing was written outside the quarantine.
    """
    with quarantined(file, quarantine, decrypt) as (held, content):
        received = accept(study, held, expected, today)
        register = Register(inbox)
        replayed = register.replay(received.sent)
        if replayed:
            raise Refused(str(file), [Problem(str(file), replayed, "", "Keep the newer one; ask the site which release counts")])
    inbox.mkdir(parents=True, exist_ok=True)
    register.add(received.sent, today)
    set_aside(inbox / f"{received.site}.zip", content)
    package.put(inbox / f"{received.site}.zip", content)
    release_from(held)
    return received


@contextmanager
def quarantined(file: Path, quarantine: Path, decrypt: Callable[[bytes], bytes] | None) -> Iterator[tuple[Path, bytes]]:
    """Hold a package in quarantine while it is checked: (where it lies, its bytes, opened if they were encrypted).

    What is refused inside stays there, with the reasons in words beside it; `release_from` clears what was accepted.
    """
    content = _read(file)
    held = quarantine / f"{package.digest(content)[:16]}.package"
    package.put(held, content)
    try:
        if content.startswith(ENCRYPTED):
            content = opened(content, decrypt, file)
            package.put(held, content)
        yield held, content
    except Refused as refused:
        told = Refused(f"The package {file.name}", [_about(problem, held, file) for problem in refused.problems])
        package.put(held.with_suffix(".reason.txt"), (str(told) + "\n").encode("utf-8", "backslashreplace"))
        raise told from None


def release_from(held: Path) -> None:
    """Clear a package that was accepted, and reasons it was once refused for, from the quarantine."""
    held.unlink()
    held.with_suffix(".reason.txt").unlink(missing_ok=True)


def _read(file: Path) -> bytes:
    """Read an ordinary file that is not far too large; a link or a device is not a package."""
    wrong = ""
    try:
        status = os.lstat(file)
        if stat.S_ISLNK(status.st_mode):
            wrong = "it is a link, not a file"
        elif not stat.S_ISREG(status.st_mode):
            wrong = "it is not a file"
        elif status.st_size > package.LARGEST:
            wrong = "the file is far larger than any release"
        else:
            return file.read_bytes()
    except OSError:
        wrong = "there is no such file, or it cannot be read"
    raise Refused(f"The package {file}", [Problem(str(file), wrong, "a package as a site sent it", "Check the name")])


def opened(content: bytes, decrypt: Callable[[bytes], bytes] | None, file: Path) -> bytes:
    if decrypt is None:
        mend = "Name the key that opens it: cohortium receive FILE --key NAME"
        raise Refused(str(file), [Problem(str(file), "it is encrypted", "", mend)])
    return decrypt(content)


def _about(problem: Problem, held: Path, file: Path) -> Problem:
    """Name the file that a person handed over instead of its copy in quarantine."""
    return Problem(problem.where.replace(str(held), file.name), problem.wrong, problem.allowed, problem.mend, problem.told)
