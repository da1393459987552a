"""Lists of people for the clinicians of one practice: encrypted to that practice, logged, and never part of a release.

A list says who, why and until when, and nothing else; the practice itself finds out whom a pseudonym means. It lies in the
private room, in a folder that no release reads. Source: methods specification, 12.7.

    private/<site>/case_lists/<practice>/<date>-<digest>.csv.age    the list, which only the practice's key opens
    private/<site>/case_lists/log/                                  who had which list made, for what purpose; only grows
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pandas as pd

from shared_code.config import rooms
from shared_code.model import Problem, Refused, few
from shared_code.model.columns import ODS
from shared_code.releases.chain import Chain
from shared_code.releases.encryption import SUFFIX, encrypt
from shared_code.releases.package import digest, put

COLUMNS = ["person_id", "reason", "expires"]
MOST, DAYS = 200, 28  # people on one list, and days for which it counts
PURPOSES = {"direct_care": "an offer of care to these people by their own practice"}
AGE_KEY = r"age1[0-9a-z]{58}"
MEND = "Keep the folder as it is and ask whoever is responsible for information governance; make no further list until then"


def folder_of(site: str) -> Path:
    """Name the folder of a site's case lists."""
    return rooms.PRIVATE / site / "case_lists"


def log_of(site: str) -> Chain:
    """Give the log of the lists of a site, which only grows (a changed or removed line is noticed)."""
    return Chain(folder_of(site) / "log", MEND)


def write_case_list(
    site: str, practice: str, key: str, people: pd.DataFrame, *, by: str, purpose: str, legal_basis: str, today: dt.date,
    most: int = MOST, days: int = DAYS, objections: frozenset[str] = frozenset(),
) -> Path:  # fmt: skip
    """Write the list of one practice, encrypted to its key, and log it; gives the path.

    people      person_id, practice (of current registration) and reason, the most important first; those of other practices, and
                those in `objections`, are left out here, whatever the caller did
    key         public age key of the practice     by, purpose, legal_basis  who asks, and on what ground; in the log
    most, days  people on one list; days until it expires
    The list is logged before it is written. Raises model.Refused, and writes nothing, for anything that is missing or too much.
    """
    own = people[(people["practice"] == practice) & ~people["person_id"].isin(objections)].drop_duplicates("person_id")
    problems = _problems(practice, key, own, by, purpose, legal_basis, most)
    if problems:
        raise Refused(f"The list for practice {practice}", problems)
    expires = (today + dt.timedelta(days=days)).isoformat()
    listed = own[["person_id", "reason"]].assign(expires=expires)[COLUMNS]
    locked = encrypt(listed.to_csv(index=False, lineterminator="\n").encode("utf-8"), key)
    log = log_of(site)
    path = folder_of(site) / practice / f"{today.isoformat()}-{digest(locked)[:12]}.csv{SUFFIX}"
    objected = int(((people["practice"] == practice) & people["person_id"].isin(objections)).sum())
    log.append({
        "date": today.isoformat(), "practice": practice, "by": by, "purpose": purpose, "legal_basis": legal_basis, "key": key,
        "people": len(listed), "objected": objected, "expires": expires,
        "list": digest(locked),
    })  # fmt: skip
    put(path, locked)
    path.chmod(0o600)
    return path


def _problems(practice: str, key: str, own: pd.DataFrame, by: str, purpose: str, legal_basis: str, most: int) -> list[Problem]:
    problems = []
    if not re.fullmatch(ODS, practice):
        problems.append(Problem("practice", f"{practice!r} is no ODS code", "such as Z11001", "Correct it"))
    if not re.fullmatch(AGE_KEY, key):
        mend = "Ask the practice for the public half of its key: cohortium keys new NAME --age"
        problems.append(Problem("key", "this is no public age key", "age1 and 58 letters and digits", mend))
    for name, text in (("by", by), ("legal_basis", legal_basis)):
        if len(text.strip()) < 3:
            mend = f"Say it with --{name.replace('_', '-')}"
            problems.append(Problem(name, "it is not said", "a name or a legal ground in words", mend))
    if purpose not in PURPOSES:
        wrong = f"{purpose!r} is no purpose for which people may be named"
        problems.append(Problem("purpose", wrong, few(PURPOSES), "Evaluation, planning and finance use released numbers"))
    if own.empty:
        problems.append(Problem("people", "nobody of this practice is to be listed", "", "Nothing needs to be written"))
    if not 0 < most <= MOST:
        problems.append(Problem("most", f"{most} people on one list", f"1 to {MOST}", "Ask again when these were seen"))
    elif len(own) > most:
        mend = "Raise the risk from which people are listed; lists are for offers that can be made"
        problems.append(Problem("people", f"{len(own)} people are more than a list may hold", f"at most {most}", mend))
    return problems
