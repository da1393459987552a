"""Keep the imports of notebooks warm, and fork a runner for each job (started on demand by the client)."""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from shared_code.execution.errors import NotebookError, NotebookFailed
from shared_code.execution.place import source_digest
from shared_code.execution.preload import preload
from shared_code.execution.warm import ACCEPTED, SOCKET, UNFIT, receive, send, starting

IDLE_VARIABLE = "COHORTIUM_WARM_SECONDS"
IDLE_SECONDS = 60.0
LOOK_SECONDS = 2.0  # how often it looks whether it is still wanted
GRACE_SECONDS = 3.0  # between asking a runner to end and ending it
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP


@dataclass
class Job:
    """A runner at work for whoever holds the other end of the connection."""

    connection: socket.socket
    pid: int
    folder: Path
    end_by: float | None = None  # set once it was asked to end


def main(folder: str, digest: str) -> None:
    """Listen, leave the rest to a detached child, and return to the client that starts it."""
    os.umask(0o077)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.path.join(folder, SOCKET))
    listener.listen(64)
    if os.fork():
        os._exit(0)
    server = Server(listener, Path(folder), digest)
    try:
        preload()
    except BaseException:
        traceback.print_exc()
        Path(folder, UNFIT).touch()
        listener.close()
        raise SystemExit(1) from None
    try:
        server.serve()
    finally:
        server.leave()


class Server:
    """The loop: take jobs, notice who hung up, collect who ended, and leave when nobody has asked for a while."""

    def __init__(self, listener: socket.socket, folder: Path, digest: str) -> None:
        self.listener, self.folder, self.digest = listener, folder, digest
        self.number = self._socket_number()
        self.idle = float(os.environ.get(IDLE_VARIABLE) or IDLE_SECONDS)
        self.jobs: dict[int, Job] = {}
        self.taken = 0
        self.woken, self.waker = os.pipe()
        for end in (self.woken, self.waker):
            os.set_blocking(end, False)

    def serve(self) -> None:
        """Serve until idle for long enough, or until the source has changed."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        last, current = time.monotonic(), self._current()
        while True:
            ready = self._wait()
            if not current:
                ready.discard(self.listener.fileno())  # whoever knocks now must find a newer server
            if self.listener.fileno() in ready:
                self._take()
            for job in self.jobs.values():
                self._end_if_unwanted(job, job.connection.fileno() in ready)
            self._collect()
            if self.jobs or ready:
                last = time.monotonic()
            if not self.jobs and not ready:
                current = self._current()
            if not self.jobs and (not current or time.monotonic() - last >= self.idle) and self.leave():
                return

    def leave(self) -> bool:
        """Remove the socket so that the next client starts a new server; False while one is just being started."""
        try:
            with starting(self.folder.parent, wait=False):
                if self._socket_number() == self.number:
                    shutil.rmtree(self.folder, ignore_errors=True)
                self.listener.close()
        except BlockingIOError:
            return False
        return True

    def _current(self) -> bool:
        return self._socket_number() == self.number and source_digest() == self.digest

    def _socket_number(self) -> int | None:
        try:
            return (self.folder / SOCKET).stat().st_ino
        except OSError:
            return None

    def _wait(self) -> set[int]:
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(self.woken, select.POLLIN)
        ending = False
        for job in self.jobs.values():
            if job.end_by is None:
                poll.register(job.connection, _HUNG_UP)
            ending = ending or job.end_by is not None
        ready = {number for number, _ in poll.poll(100 if ending else 1000 * min(LOOK_SECONDS, self.idle))}
        if self.woken in ready:
            os.read(self.woken, 4096)
        return ready

    def _take(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        self.taken += 1
        folder = self.folder / f"job-{self.taken}"
        folder.mkdir(mode=0o700)
        from shared_code.execution.kernels import fork

        parent = os.getpid()
        pid = fork()
        if not pid:
            try:
                self._become_runner(connection, folder, parent)
            finally:
                os._exit(1)
        self.jobs[pid] = Job(connection, pid, folder)

    def _become_runner(self, connection: socket.socket, folder: Path, parent: int) -> NoReturn:
        from shared_code.execution.kernels import die_with_parent

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent(parent, signal.SIGTERM)
        self.listener.close()
        for number in (self.woken, self.waker):
            os.close(number)
        for job in self.jobs.values():
            job.connection.close()
        gc.enable()
        run_job(connection, folder)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _end_if_unwanted(self, job: Job, hung_up: bool) -> None:
        if hung_up and job.end_by is None:
            job.end_by = time.monotonic() + GRACE_SECONDS
            os.kill(job.pid, signal.SIGTERM)  # not yet collected, so the number is still its own
        elif job.end_by is not None and time.monotonic() > job.end_by:
            os.kill(job.pid, signal.SIGKILL)

    def _collect(self) -> None:
        for pid in tuple(self.jobs):
            ended, _ = os.waitpid(pid, os.WNOHANG)
            if ended:
                job = self.jobs.pop(pid)
                shutil.rmtree(job.folder, ignore_errors=True)
                job.connection.close()


def run_job(connection: socket.socket, folder: Path) -> None:
    """Take one job from a connection, do it and answer; in the runner, a process of its own."""
    from shared_code.execution.kernels import plant, reseed, take_environment
    from shared_code.execution.runner import execute

    files: list[int] = []
    job: dict[str, Any] | None = receive(connection, files)
    if job is None or len(files) != 2:
        return
    connection.sendall(ACCEPTED)
    for number, descriptor in zip((1, 2), files, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.umask(job["umask"])
    take_environment(job["environment"])
    seed = plant([connection.fileno()])
    reseed()
    answer = {}
    try:
        os.chdir(job["root"])
        execute(job, folder, seed, lambda: not _closed(connection))
    except NotebookError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    except Exception as error:
        traceback.print_exc()
        answer = {"error": NotebookFailed.__name__, "message": f"{job['name']}: {type(error).__name__}: {error}"}
    send(connection, answer)


def _closed(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, _HUNG_UP)
    return bool(poll.poll(0))
