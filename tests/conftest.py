"""What every folder of tests may use."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared_code.config import Site, Study
from shared_code.model import Problem, Refused
from shared_code.releases import approve, keys, package
from shared_code.releases import signatures as sig

SHARED = Path(__file__).resolve().parents[2] / "shared"
if (SHARED / "data").is_dir():  # open data beside the checkout are used like any that a team keeps
    os.environ.setdefault("COHORTIUM_OPEN_DATA", str(SHARED / "data"))


TOGETHER = {"synthetic", "published", "quality", "open_data", "linkage"}  # folders whose tests share what takes long to make
DEMONSTRATED = {"test_demonstration", "test_inbox", "test_canary"}  # files that share one whole demonstration


def work_unit(nodeid: str) -> str:
    """Name what runs in one process, so that what its tests share is made once: a file, or a folder."""
    path = Path(nodeid.partition("::")[0])
    if path.parent.name in TOGETHER:
        return path.parent.name
    return "demonstration" if path.stem in DEMONSTRATED else path.as_posix()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out tests to processes by work unit (marks of groups are not seen by xdist 3.8 under pytest 9.2)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByWorkUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return work_unit(nodeid)

    return ByWorkUnit(config, log)


@pytest.fixture(autouse=True, scope="session")
def at_the_root():
    """Notebooks, protocols and codelists are named from the project's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).resolve().parents[1])
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of public data and known answers that lies beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the public data lie outside the repository, in ../shared")
    return SHARED


@pytest.fixture(scope="session")
def problems_of() -> Callable[..., list[Problem]]:
    """Call something that must refuse its input, and give every problem it names."""

    def call(function: Callable[..., Any], *args: Any, **more: Any) -> list[Problem]:
        with pytest.raises(Refused) as refused:
            function(*args, **more)
        for problem in refused.value.problems:  # one line each, without a traceback's words
            assert "\n" not in str(problem), problem
            assert "Traceback" not in str(problem)
        return refused.value.problems

    return call


@pytest.fixture(scope="session")
def message_of(problems_of: Callable[..., list[Problem]]) -> Callable[..., str]:
    """Call something that must refuse its input for one reason, and give that message."""

    def call(function: Callable[..., Any], *args: Any, **more: Any) -> str:
        problems = problems_of(function, *args, **more)
        assert len(problems) == 1, [str(p) for p in problems]
        return str(problems[0])

    return call


class Signing:
    """People and sites that sign in tests, with keys made from their names."""

    def key(self, name: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"test {name}".encode()).digest())

    def public(self, name: str) -> str:
        return keys.public_text(self.key(name))

    def settings(self, site: str) -> dict[str, Any]:
        """Give what a site file says about who may sign."""
        people = {"ada": {"roles": ["analyst", "reviewer"], "key": self.public("ada")},
                  "rosa": {"roles": ["reviewer"], "key": self.public("rosa")}}  # fmt: skip
        return {"people": people, "site_key": self.public(site)}

    def approve(self, site: Site, study: Study, draft: Path, today: dt.date | None = None) -> None:
        """Approve a draft as those whom the settings of the site ask for."""
        for role, name in {"analyst": "ada", "reviewer": "rosa", "typist": "tess"}.items():
            if role in approve.signers_of(site, study).roles:
                approve.approve(site, study, draft, name, role, "looked at it", self.key(name), today or dt.date.today())

    def send(self, site: Site, study: Study, draft: Path, target: Path, today: dt.date | None = None,
             **more: Any) -> package.Package:  # fmt: skip
        """Approve a draft and write the signed package."""
        self.approve(site, study, draft, today)
        register = target.with_name(f"{site.site}.sent.jsonl")
        signer = site.site if site.site_key else "tess"
        ready = approve.signed(site, study, draft, register, self.key(signer), today or dt.date.today(), **more)
        approve.remember(register, ready)
        package.put(target, ready.content)
        return package.opened(target)

    def signatures(self, site: str, study: str, content: str, **said: Any) -> dict[str, Any]:
        """Sign any content as the people and the site that `settings` names; `said` changes what the site says."""
        today = dt.date.today().isoformat()
        about = {"content": content, "study": study, "site": site, "date": today, "reason": "looked at it"}
        approvals = [sig.make(sig.Approval, self.key(name), role=role, name=name, **about)
                     for role, name in (("analyst", "ada"), ("reviewer", "rosa"))]  # fmt: skip
        sent = {**about, "role": "site", "name": site, "number": 1, "supersedes": "",
                "expires": (dt.date.today() + dt.timedelta(days=30)).isoformat(), "approvals": sig.digest_of(approvals), **said}
        return {"form": sig.FORM, "approvals": approvals, "sent": sig.make(sig.Sending, self.key(site), **sent)}

    def sealed(self, manifest: dict[str, Any], files: dict[str, bytes], **said: Any) -> bytes:
        """Give a properly signed package of any content: what a dishonest site could send."""
        _, digest = package.as_bytes(manifest, files)
        signatures = self.signatures(str(manifest["site"]), str(manifest["study"]), digest, **said)
        return package.as_bytes(manifest, files, signatures)[0]


@pytest.fixture(scope="session")
def signing() -> Signing:
    return Signing()
