"""Hand a job to the warm server of its root, starting the server where there is none (standard library only).

The server listens on a unix socket in a folder of this user's own. Job and answer are JSON after their length; standard
output and error travel as open files. Whoever waits for the answer holds the connection open: when it closes, because
the waiting process was interrupted or killed, the server ends the job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared_code.execution import errors
from shared_code.execution.place import private_folder, server_key, source_digest

SOCKET = "s"
UNFIT = "unfit"  # stands in a server's folder when what it imported cannot be forked
ACCEPTED = b"+"
ATTEMPTS = 2  # a server may reach the end of its idle time in the very moment it is asked
STOP_SECONDS = 10
_LENGTH = struct.Struct("!Q")


def submit(job: dict[str, Any], environment: dict[str, str]) -> bool:
    """Have the job done and return True, or return False where no server can be had, so that nothing has run.

    environment: of the kernel, before what is each run's own. Raises what the job raised.
    """
    try:
        root = Path(job["root"])
        digest = source_digest()
        folder = private_folder() / server_key(root, os.environ, digest)
        message = json.dumps({**job, "environment": environment, "umask": _umask()}).encode("utf-8", "surrogateescape")
        for _ in range(ATTEMPTS):
            connection = _connect(folder) or _start(folder, digest, environment)
            if connection is None:
                return False
            with connection:
                if _hand_over(connection, message):
                    _await(connection, job)
                    return True
    except OSError:
        return False
    return False


def _hand_over(connection: socket.socket, message: bytes) -> bool:
    try:
        socket.send_fds(connection, [_LENGTH.pack(len(message))], [_open_or_null(1), _open_or_null(2)])
        connection.sendall(message)
        return connection.recv(1) == ACCEPTED
    except (BrokenPipeError, ConnectionResetError):
        return False


def _await(connection: socket.socket, job: dict[str, Any]) -> None:
    try:
        answer = receive(connection)
    except BaseException:
        connection.shutdown(socket.SHUT_WR)  # the server ends the job, then closes the connection
        connection.settimeout(STOP_SECONDS)
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass
        Path(job["target"]).unlink(missing_ok=True)
        raise
    if answer is None:
        raise errors.NotebookFailed(
            f"{job['name']}: the process that ran it was ended from outside (killed, or out of memory). "
            "Free memory and run it again."
        )
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])


def send(connection: socket.socket, content: Mapping[str, Any]) -> None:
    """Send one JSON object after its length."""
    message = json.dumps(content).encode("utf-8", "surrogateescape")
    connection.sendall(_LENGTH.pack(len(message)) + message)


def receive(connection: socket.socket, files: list[int] | None = None) -> Any:
    """Return the next JSON object, or None where the connection ended first; open files that came along join files."""
    head = b""
    while len(head) < _LENGTH.size:
        piece, received, _, _ = socket.recv_fds(connection, _LENGTH.size - len(head), 2 if files is not None else 0)
        if files is not None:
            files += received
        if not piece:
            return None
        head += piece
    (left,) = _LENGTH.unpack(head)
    pieces = []
    while left:
        piece = connection.recv(min(left, 1 << 20))
        if not piece:
            return None
        pieces.append(piece)
        left -= len(piece)
    return json.loads(b"".join(pieces).decode("utf-8", "surrogateescape"))


def _connect(folder: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(folder / SOCKET))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _start(folder: Path, digest: str, environment: dict[str, str]) -> socket.socket | None:
    with starting(folder.parent):
        connection = _connect(folder)  # perhaps another process was quicker
        if connection is None and not (folder / UNFIT).exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / SOCKET).unlink(missing_ok=True)
            code = "import sys; from shared_code.execution.server import main; main(*sys.argv[1:])"
            with open(os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as log:
                # Binds its socket, leaves the importing to a detached child and returns.
                outcome = subprocess.run(
                    [sys.executable, "-c", code, str(folder), digest],
                    env={"MPLBACKEND": "module://matplotlib_inline.backend_inline", **environment},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    check=False,
                )
            connection = _connect(folder) if outcome.returncode == 0 else None
    return connection


@contextlib.contextmanager
def starting(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock under which servers begin and end; raises BlockingIOError when told not to wait for it."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(lock)


def _open_or_null(descriptor: int) -> int:
    try:
        os.fstat(descriptor)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
    return descriptor


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
