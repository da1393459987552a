"""Guarded reading: files that may crash or loop their reader are read in another process, with limits.

One process waits for requests (see reading_process.py); it ends with this one. A file that takes too long, too much
memory, or kills its reader is refused in one line, and nothing of it stays behind.

Limits may be set in the environment:
COHORTIUM_READ_SECONDS     longest time for one file (as a rule: 30 s, and more for large files)
COHORTIUM_READ_MEMORY_MB   most memory for one file, in chunks (1024; a floor of about 150 MB for the programs is added)
COHORTIUM_MEMORY_MB        most memory for mapping and sorting the tables (4096); what needs more goes by way of the disk
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared_code.model import Problem, Refused
from shared_code.sources.landing import clear
from shared_code.sources.reasons import reason

COMMAND = [sys.executable, "-m", "shared_code.sources.reading_process"]
SECONDS = 30.0  # for any file
# More seconds per MB of a file: ten times what a slow machine was measured to need.
SECONDS_PER_MB = {".xlsx": 30.0, ".xlsm": 30.0, ".zsav": 15.0, ".por": 15.0, ".sas7bdat": 5.0}
MEMORY_MB = 1024
ENGINE_MEMORY_MB = 4096
MB = 2**20


def memory_allowed() -> int:
    """Give the memory that reading one file may take, in bytes."""
    return int(_setting("COHORTIUM_READ_MEMORY_MB", MEMORY_MB) * MB)


def engine_memory() -> int:
    """Give the memory that mapping and sorting may take, in MB."""
    return int(_setting("COHORTIUM_MEMORY_MB", ENGINE_MEMORY_MB))


def seconds_allowed(path: Path, suffix: str) -> float:
    """Give the time that reading one file may take."""
    usual = SECONDS + path.stat().st_size / MB * SECONDS_PER_MB.get(suffix, 3.0)
    return _setting("COHORTIUM_READ_SECONDS", usual)


def _setting(name: str, usual: float) -> float:
    text = os.environ.get(name, "").strip()
    try:
        value = float(text) if text else usual
    except ValueError:
        value = 0.0
    if value <= 0:
        problem = Problem(f"environment variable {name}", f"{text!r} is not a positive number", "a positive number", "Correct it")
        raise Refused("The environment", [problem])
    return value


class _Process:
    """Hold the reading process and the thread that listens to it."""

    def __init__(self) -> None:
        known = {k: v for k, v in os.environ.items() if not k.startswith("COHORTIUM_")}  # no keys, no addresses
        quiet = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONDONTWRITEBYTECODE": "1"}
        self.owner = os.getpid()
        self.process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**known, **quiet}, start_new_session=True)  # fmt: skip
        self.answers: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(b"")

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """Send a request; give the answer, an empty one when the process died, or None when it took too long."""
        try:
            assert self.process.stdin
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=seconds)
        except queue.Empty:
            return None
        except OSError:
            return {}
        return json.loads(line) if line else {}

    def end(self) -> None:
        """End the process and the copy of it that reads."""
        if self.owner != os.getpid():
            return
        if hasattr(os, "killpg") and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with suppress(OSError):  # what could not be written any more
                    pipe.close()


_waiting: _Process | None = None
_one_at_a_time = threading.Lock()


def _end() -> None:
    global _waiting
    if _waiting:
        _waiting.end()
    _waiting = None


atexit.register(_end)


def ask(kind: str, path: Path, target: Path, options: dict[str, Any], shown: Path | None = None) -> dict[str, Any]:
    """Have one file read into a Parquet file (raises model.Refused in one line).

    kind     what reads it (see reading_process.py)      options  settings of that reader; rows: most rows in a chunk
    shown    the file as the user knows it, where `path` is an unpacked copy
    Returns what the reading process says, with the most memory it held (`peak`, bytes).
    """
    global _waiting
    seconds, memory = seconds_allowed(path, options.get("suffix", path.suffix.lower())), memory_allowed()
    request: dict[str, Any] = {"kind": kind, "path": str(path), "target": str(target), "seconds": seconds}
    request["options"] = {**options, "memory": memory}
    target.parent.mkdir(parents=True, exist_ok=True)
    answer: dict[str, Any] | None = None
    with _one_at_a_time:
        try:
            if not _waiting or _waiting.owner != os.getpid() or _waiting.process.poll() is not None:
                _waiting = _Process()
            answer = _waiting.ask(request, seconds)
        finally:
            if not answer:  # it took too long, or died, or this process was interrupted
                _end()
            if not answer or not {"peak", "labels"} & set(answer):
                clear(target)
    return _checked(answer, shown or path, seconds, memory)


def _checked(answer: dict[str, Any] | None, path: Path, seconds: float, memory: int) -> dict[str, Any]:
    again = "Export it again, or in another form"
    if answer is None:
        raise _refused(path, f"the file cannot be read (took longer than {seconds:.0f} s)",
                       f"{again}; for a slow disk set COHORTIUM_READ_SECONDS")  # fmt: skip
    if "memory" in answer:
        raise _refused(path, f"the file cannot be read (needs more than {memory // MB} MB of memory)",
                       f"{again}; or set COHORTIUM_READ_MEMORY_MB")  # fmt: skip
    if "crashed" in answer or not answer:
        raise _refused(path, "the file cannot be read (it makes its reader crash)", again)
    if "failed" in answer:
        raise Refused(str(path), [Problem(str(path), *reason(answer["failed"], answer["unicode"]))])
    if "problems" in answer:
        raise Refused(str(path), [Problem(where or str(path), *said) for where, *said in answer["problems"]])
    return answer


def _refused(path: Path, wrong: str, mend: str) -> Refused:
    return Refused(str(path), [Problem(str(path), wrong, "", mend)])
