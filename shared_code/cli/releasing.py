"""Commands for the people around a package: keys, approve, send, verify, receive."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shared_code.cli.stages import expected_sites
from shared_code.config import Site, Study, rooms
from shared_code.config.people import ANALYST, REVIEWER, TYPIST, only_public
from shared_code.config.site import SITES
from shared_code.model import Problem, Refused, few

PROTOCOL = Path("config/study.yaml")
SiteName = Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]
StudyFile = Annotated[Path, typer.Option("--study", help="the protocol")]
keys_app = typer.Typer(no_args_is_help=True, help="Make and show the keys with which people and sites sign.")


@keys_app.command("new")
def keys_new(
    name: Annotated[str, typer.Argument(help="name of the person, the site or the coordinating team, as the settings list it")],
    age: Annotated[bool, typer.Option("--age", help="a key that opens encrypted packages, for the coordinating team")] = False,
    passphrase: Annotated[bool, typer.Option(help="lock the private half with a passphrase")] = False,
) -> None:
    """Make a key pair; the private half stays in your own folder, the public half goes into the settings file."""
    from shared_code.releases import encryption, keys

    _check_name(name)
    where = keys.folder()
    if age:
        public = encryption.make(name, where)
        made = where / (name + encryption.SUFFIX)
        typer.echo(f"Made {made}; keep it, and a copy in a safe place. Its public half, for the study:\n\n"
                   f"coordinator_key: {public}")  # fmt: skip
        return
    public = keys.make(name, where, _passphrase(f"A passphrase for {name}: ") if passphrase else "")
    typer.echo(f"Made {where / (name + '.key')}; it is yours alone. Its public half, for config/sites/SITE.yaml:\n\n"
               f"people:\n  {name}: {{roles: [{ANALYST}], key: '{public}'}}     # or {REVIEWER}; a person may have both\n\n"
               f"or, where {name} is the site itself:\n\nsite_key: '{public}'")  # fmt: skip


@keys_app.command("show")
def keys_show(name: str) -> None:
    """Print the public half of a key."""
    from shared_code.releases import keys

    _check_name(name)
    typer.echo(keys.public_text(private_key(name)))


@keys_app.command("demo")
def keys_demo(site: SiteName) -> None:
    """Print what a made-up site's file says of keys; everybody can make them, so they protect nothing."""
    from shared_code.releases import keys

    if not site.startswith(rooms.DEMONSTRATION):
        wrong = f"{site} is no made-up site"
        raise Refused("The keys", [Problem(site, wrong, "names that begin with demo_", f"cohortium keys new {site}")])
    public = {who: keys.public_text(keys.demonstration(site, who)) for who in (ANALYST, REVIEWER, "site")}
    people = "".join(f"  {who}: {{roles: [{who}], key: \"{public[who]}\"}}\n" for who in (ANALYST, REVIEWER))
    typer.echo(f"people:\n{people}site_key: \"{public['site']}\"")


def approve(
    site: SiteName,
    by: Annotated[str, typer.Option("--by", help="who approves, as listed under people: in the site file")],
    reason: Annotated[str, typer.Option(help="why it may leave, in a sentence; it is sent along")],
    role: Annotated[str, typer.Option(help=f"{ANALYST}, {REVIEWER} or {TYPIST}; needed only by those who have several")] = "",
    study: StudyFile = PROTOCOL,
) -> None:
    """Approve what would leave a site, with your own key. Two different people must: an analyst and a reviewer."""
    from shared_code.releases.approve import approve as approve_draft
    from shared_code.releases.approve import signers_of

    read, settings, draft = _draft_of(site, study)
    signers = signers_of(settings, read)
    person = signers.people.get(by)
    if person is None:
        wrong = f"{by!r} may not approve releases of {site}"
        mend = f"Add the person and the public key under people: in config/sites/{site}.yaml"
        raise Refused("The approval", [Problem(by, wrong, few(signers.people) or "nobody is listed", mend)])
    role = role or next((one for one in person.roles if len(person.roles) == 1), "")
    if not role:
        raise Refused("The approval", [Problem(by, "has several roles", few(person.roles), "Say in which one: --role")])
    found, lacking = approve_draft(settings, read, draft, by, role, reason, private_key(by), dt.date.today())
    after = f"It still needs the approval of: {few(lacking)}." if lacking else f"Next: cohortium send {site}{_other(study)}."
    typer.echo(f"{by} approved release {found.digest[:12]} of {settings.title} as {role}. Any changed byte voids this. {after}")


def send(
    site: SiteName,
    days: Annotated[int, typer.Option(help="for how many days it may be pooled", min=1, max=3660)] = 366,
    study: StudyFile = PROTOCOL,
) -> None:
    """Check the approvals against the exact bytes, sign for the site, and put the package into the outbox."""
    from shared_code.cli.sending import send as send_package

    read, settings, _ = _draft_of(site, study)
    typer.echo(send_package(settings, read, private_key(site_signer(settings, read)), days))


def approve_demo(site: SiteName, study: StudyFile = PROTOCOL) -> None:
    """Play the people of a demonstration site: two approve its release, and the site sends it."""
    from shared_code.cli.sending import approve_demo as play

    typer.echo(play(site, Study.read(study)))


def verify(
    package: Annotated[Path, typer.Argument(help="the package")],
    key: Annotated[str, typer.Option(help="name of your key, for an encrypted package")] = "",
    study: StudyFile = PROTOCOL,
) -> None:
    """Say what a package is, who signed it, and whether every byte fits; needs no network and changes nothing."""
    from shared_code.cli.verifying import verify as verify_package

    said, good = verify_package(package, Study.read(study), SITES, decrypter(key))
    typer.echo(said)
    if not good:
        raise typer.Exit(1)


def receive(
    files: Annotated[list[Path], typer.Argument(help="packages, from anywhere")],
    key: Annotated[str, typer.Option(help="name of your key, for encrypted packages")] = "",
    study: StudyFile = PROTOCOL,
) -> None:
    """Take packages in: each goes into quarantine, is checked, and moves to the inbox whole or not at all."""
    from shared_code.pooling.receiving import take_in

    read = Study.read(study)
    expected, refusals = expected_sites(read), []
    for file in files:
        try:
            done = take_in(file, read, expected, rooms.INBOX / read.study, rooms.quarantine(), dt.date.today(), decrypter(key))
        except Refused as refused:
            refusals.append(refused)
            continue
        typer.echo(f"Received release {done.sent.number} of {done.manifest['site_title']}, {done.digest[:12]}, "
                   f"sent on {done.sent.date}: {rooms.incoming(done.site, read.study).as_posix()}.")  # fmt: skip
    if refusals:
        typer.echo(f"Refused packages lie in {rooms.quarantine().as_posix()}, each with its reason; nothing of them is used.")
        raise Refused("What arrived", [problem for refused in refusals for problem in refused.problems])


def _draft_of(name: str, study: Path) -> tuple[Study, Site, Path]:
    read, settings = Study.read(study), Site.read(name)
    settings.in_force(dt.date.today())
    draft = rooms.draft(name, read.study)
    if not draft.is_file():
        mend = f"Make it: python3 run.py release {name}"
        raise Refused(f"The release of {name}", [Problem(draft.as_posix(), "there is no draft to approve", "", mend)])
    return read, settings, draft


def site_signer(site: Site, study: Study) -> str:
    """Name the key with which a site signs: its own, or that of the one who types the tables of a site without keys."""
    if site.site_key or not only_public(site, study):
        return site.site
    return next((name for name, person in study.people.items() if TYPIST in person.roles), site.site)


def private_key(name: str) -> Any:
    from shared_code.releases import keys

    passphrase = os.environ.get("COHORTIUM_PASSPHRASE", "")
    try:
        return keys.load(name, keys.folder(), passphrase)
    except Refused as refused:
        if "locked with a passphrase" not in str(refused) or not sys.stdin.isatty():
            raise
        return keys.load(name, keys.folder(), _passphrase(f"The passphrase of {name}: "))


def _passphrase(prompt: str) -> str:
    return os.environ.get("COHORTIUM_PASSPHRASE") or getpass.getpass(prompt)


def decrypter(key: str) -> Any:
    if not key:
        return None
    from shared_code.releases import encryption, keys

    _check_name(key)
    return lambda content: encryption.decrypt(content, key, keys.folder())


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        allowed = "small letters, digits and _, a letter first"
        raise Refused("The key", [Problem(name, "it cannot be the name of a key", allowed, "Take another name")])


def _other(study: Path) -> str:
    return "" if study == PROTOCOL else f" --study {study.as_posix()}"


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(keys_app, name="keys")
    for command in (approve, send, approve_demo, verify, receive):
        app.command(command.__name__.replace("_", "-"))(command)
