"""Reading process: reads statistical files, workbooks and the like for another process, so that a damaged file harms nobody.

Runs as `python -m shared_code.sources.reading_process`: one request per line of standard input, one answer per line of
standard output, both JSON. Each request is read in a copy of this process (a fork, where the system has it), so that a
file costs no start-up and leaves nothing behind; guarded.py holds the other end.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from shared_code.model import Refused
from shared_code.sources import statistical
from shared_code.sources.databases import sqlite_chunks
from shared_code.sources.delimited import fixed_width_chunks
from shared_code.sources.landing import land_chunks
from shared_code.sources.workbooks import sheet_chunks


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Read one file into Parquet; say what went wrong, if anything did."""
    path, target, options = Path(request["path"]), Path(request["target"]), request["options"]
    limits = (options["rows"], options["memory"])
    try:
        match request["kind"]:
            case "statistical":
                reader = statistical.Reader(path, options)
                land_chunks(reader.chunks(), target, reader.facts)
            case "workbook":
                land_chunks(sheet_chunks(path, options.get("table", ""), *limits), target)
            case "sqlite":
                land_chunks(sqlite_chunks(path, options.get("table", ""), *limits), target)
            case "fixed width":
                land_chunks(fixed_width_chunks(path, options["columns"], options["encoding"], *limits), target)
            case "catalogue":
                labels = statistical.value_labels(path, options.get("encoding", ""))
                return {"labels": {name: {str(code): text for code, text in codes.items()} for name, codes in labels.items()}}
        return {"peak": _peak()}
    except Refused as refused:
        problems = [["" if p.where == str(path) else p.where, p.wrong, p.allowed, p.mend] for p in refused.problems]
        return {"problems": problems}
    except (MemoryError, pa.ArrowMemoryError):
        return {"memory": True}
    except Exception as error:
        return {"failed": str(error).strip() or type(error).__name__, "unicode": isinstance(error, UnicodeError)}


def _peak() -> int:
    """Give the most memory this process ever held, in bytes (0 where the system does not say)."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _limit(seconds: float, memory: int) -> None:
    """Let the system end this process when it takes too much; not every system does."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))


def _in_a_copy(request: dict[str, Any], out: Any) -> None:
    child = os.fork()
    if child == 0:
        try:
            _limit(request["seconds"], request["options"]["memory"])
            _send(out, answer(request))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        _send(out, {"crashed": True})


def _send(out: Any, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def main() -> None:
    """Serve requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # a reader's own messages may hold values
    os.dup2(nowhere, 2)
    for line in sys.stdin:
        request = json.loads(line)
        if hasattr(os, "fork"):
            _in_a_copy(request, out)
        else:
            _send(out, answer(request))


if __name__ == "__main__":
    main()
