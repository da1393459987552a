"""A PostgreSQL server of its own on a free port of this machine, from Debian's or any other installed programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "s3cret pw/@:"
URL = "postgresql://cohort:s3cret%20pw%2F%40%3A@127.0.0.1:{port}/postgres"


def programs() -> Path | None:
    """Find the server's programs; install Debian's where this is allowed. None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # install, but start nothing
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(command, env=quiet, capture_output=True, timeout=300, check=False)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    if not found and not elsewhere:
        return None
    return found[-1].parent if found else Path(str(elsewhere)).resolve().parent


@contextmanager
def server(place: Path) -> Iterator[str]:
    """Run a server with a database of its own; gives its address, with a password that has awkward letters in it."""
    folder = Path(tempfile.mkdtemp(prefix="cohortium-pg-"))
    as_postgres: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        as_postgres = ["su", "postgres", "-s", "/bin/sh", "-c"]

    def run(command: str) -> None:
        line = [*as_postgres, command] if as_postgres else ["sh", "-c", command]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data = folder / "data"
    try:
        run(f"{place}/initdb -D {data} -A scram-sha-256 -U cohort --pwfile={folder}/password -E UTF8 --locale=C.UTF-8 --no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=Europe/London"
        run(f"{place}/pg_ctl -D {data} -w -t 30 -l {folder}/log -o '{options}' start")
        try:
            yield URL.format(port=port)
        finally:
            run(f"{place}/pg_ctl -D {data} -m immediate -w stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
