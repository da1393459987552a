"""Run one checked notebook with papermill and store it whole, or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill

from shared_code.execution.errors import NotebookFailed, failed_path
from shared_code.execution.kernels import Seed, kill_kernels, manager_class
from shared_code.execution.place import short_temporary_folder
from shared_code.execution.tidy import name_cells, name_injected_cell, tidy

START_SECONDS = 120  # a cold kernel on a busy network disk
OUTPUT_SECONDS = 60  # for the last outputs of a cell to arrive once it has ended
LONGEST_MESSAGE = 300  # characters


def execute_cold(job: dict[str, Any]) -> None:
    """Run a job in this process with an ordinary kernel."""
    with tempfile.TemporaryDirectory(prefix="cohortium-", dir=short_temporary_folder()) as folder:
        execute(job, Path(folder).resolve())


def execute(
    job: dict[str, Any], folder: Path, seed: Seed | None = None, wanted: Callable[[], bool] = lambda: True
) -> None:
    """Run a job (text and name of the notebook, target, parameters, root) and store the executed notebook.

    folder: private and short-lived, for the kernel's sockets. seed: a process that becomes the kernel.
    wanted: asked last, just before the target appears.
    Raises NotebookFailed when a cell raised an error or the kernel ended early; the notebook is then kept as
    '<stem>.failed.ipynb' beside the target.
    """
    target, parameters = Path(job["target"]), job["parameters"]
    seen: dict[str, Any] = {}
    reason: Exception | None = None

    def started(notebook: Any) -> None:
        seen["notebook"] = notebook
        name_injected_cell(notebook)

    def at_cell(cell: Any, cell_index: int) -> None:
        seen["cell"] = cell

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say is said in the errors
    live: set[int] = set()
    with _ending_kernels(live):
        try:
            papermill.execute_notebook(
                nbformat.from_dict(name_cells(json.loads(job["text"]))),
                None,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_SECONDS,
                iopub_timeout=OUTPUT_SECONDS,
                record_timing=False,
                kernel_manager_class=manager_class(Path(job["root"]), folder, seed, live),
                resources={"metadata": {"path": job["root"]}},
                on_notebook_start=started,
                on_cell_start=at_cell,
            )
        except Exception as error:
            reason = error
    notebook = seen.get("notebook")
    if notebook is None:
        raise NotebookFailed(f"{job['name']}: the kernel did not start ({_brief(reason)}). Run it again.")
    tidy(notebook, parameters)
    message = _message(notebook, seen, reason)
    if not wanted():
        raise SystemExit(1)
    try:
        write_whole(notebook, target if message is None else failed_path(target))
    except OSError as error:
        raise NotebookFailed(
            f"{job['name']}: the executed notebook cannot be written ({error.strerror}). "
            "Allowed: a folder of yours with room left. Make room, or name another target."
        ) from None
    if message is None:
        return
    raise NotebookFailed(
        f"{job['name']}, {message}\nWhat ran is kept in {job['kept']}; open it, correct the notebook or what it reads, "
        "and run again."
    )


def write_whole(notebook: Any, path: Path) -> None:
    """Write a notebook for its owner's eyes only, so that the path shows all of it or nothing."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    text = nbformat.writes(notebook)
    try:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(text.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _message(notebook: Any, seen: dict[str, Any], reason: Exception | None) -> str | None:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return f"cell '{cell.id}': {_brief(f'{output.ename}: {output.evalue}')}"
    if reason is None:
        return None
    cell = f"cell '{seen['cell'].id}': " if "cell" in seen else ""
    if type(reason).__name__ == "DeadKernelError":
        return f"{cell}the kernel ended in the middle of it (killed, or out of memory)."
    return f"{cell}{_brief(reason)}"


def _brief(what: object) -> str:
    text = f"{type(what).__name__}: {what}" if isinstance(what, BaseException) else str(what)
    line = (text.strip().splitlines() or [""])[0].strip()
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


@contextlib.contextmanager
def _ending_kernels(live: set[int]) -> Iterator[None]:
    """End the kernel when this process is asked to end, or whenever something unforeseen leaves one behind."""

    def stop(number: int, frame: object) -> None:
        kill_kernels(live)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    usual = {}
    if threading.current_thread() is threading.main_thread():
        usual = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        kill_kernels(live)
        for number, handler in usual.items():
            signal.signal(number, handler)
