"""The warm server: shared by simultaneous clients, never stale, gone when nobody asks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_code.execution import tidy
from shared_code.execution.place import private_folder, server_key

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernels are forked on Linux")

# The kernel's parent is the runner, and the runner's is the server.
WHO = (
    "import os\n"
    "stat = open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()\n"
    "print(os.getpid(), os.getppid(), stat[1])"
)


def server_of(study: Any, target: Path) -> int:
    """Return the process number of the server that an executed WHO notebook ran under."""
    return int(study.printed(target).split()[2])


def alive(pid: int) -> bool:
    """Return whether a process of this number is a warm server."""
    try:
        return b"execution.server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_two_at_once_share_one_server_that_they_race_to_start(fresh_study: Any, tmp_path: Path) -> None:
    source = fresh_study.notebook("who", WHO, "import time; time.sleep(0.5)")
    targets = [tmp_path / f"{number}.ipynb" for number in range(4)]
    processes = [fresh_study.start(source, target) for target in targets]
    for process in processes:
        assert process.communicate(timeout=90) == ("", "")
    assert len({server_of(fresh_study, target) for target in targets}) == 1
    assert len({fresh_study.printed(target).split()[0] for target in targets}) == 4


def test_changed_source_starts_another_server(fresh_study: Any, tmp_path: Path, eventually: Any) -> None:
    module = fresh_study.root / "shared_code" / "answers.py"
    module.write_text("answer = 'old'\n")
    source = fresh_study.notebook("answer", WHO, "from shared_code.answers import answer\nprint(answer)")
    servers = []
    for text in ("old", "newer"):
        module.write_text(f"answer = '{text}'\n")
        assert fresh_study.run(source, tmp_path / "out.ipynb") == (0, "")
        assert fresh_study.printed(tmp_path / "out.ipynb", "step-2") == f"{text}\n"
        servers.append(server_of(fresh_study, tmp_path / "out.ipynb"))
    assert servers[0] != servers[1]
    assert eventually(lambda: not alive(servers[0]), 6), "the stale server should leave before it has been idle"
    assert alive(servers[1])


def test_it_leaves_when_idle_and_is_started_again(fresh_study: Any, tmp_path: Path, eventually: Any) -> None:
    source = fresh_study.notebook("who", WHO)
    servers = []
    for _ in range(2):
        assert fresh_study.run(source, tmp_path / "out.ipynb", COHORTIUM_WARM_SECONDS="0.5") == (0, "")
        servers.append(server_of(fresh_study, tmp_path / "out.ipynb"))
        assert eventually(lambda: not alive(servers[-1]), 10)
    assert servers[0] != servers[1]


def test_random_numbers_differ_between_runs_that_do_not_seed(study: Any, tmp_path: Path) -> None:
    source = study.notebook("random", "import random, numpy\nprint(random.random(), numpy.random.rand())")
    for name in "ab":
        study.run(source, tmp_path / f"{name}.ipynb")
    one, other = (study.printed(tmp_path / f"{name}.ipynb").split() for name in "ab")
    assert all(x != y for x, y in zip(one, other, strict=True))


def test_engines_work_in_a_forked_kernel(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    cell = (
        "import duckdb, numpy as np, pandas as pd\n"
        "pd.DataFrame({'a': np.arange(200_000) % 7, 'b': 1.0}).to_parquet(path)\n"
        "total = duckdb.connect().sql(f\"select sum(b) from '{path}' group by a\").fetchall()\n"
        "print(sum(t[0] for t in total), np.linalg.inv(np.eye(600)).sum(), len(pd.read_parquet(path)))"
    )
    source = study.notebook("engines", cell, parameters="path = ''")
    assert study.run(source, tmp_path / "out.ipynb", {"path": str(tmp_path / "t.parquet")}) == (0, "")
    assert study.printed(tmp_path / "out.ipynb") == "200000.0 600.0 200000\n"


def test_jobs_of_different_environments_do_not_share_a_server(tmp_path: Path) -> None:
    base = server_key(tmp_path, {"HOME": "/a"}, "digest")
    assert base == server_key(tmp_path, {"HOME": "/a", "ANYTHING": "else"}, "digest")
    for name in ("SLURM_JOB_ID", "OMP_NUM_THREADS", "PYTHONPATH", "TZ", "MPLBACKEND"):
        assert base != server_key(tmp_path, {"HOME": "/a", name: "1"}, "digest")
    assert base != server_key(tmp_path, {"HOME": "/a"}, "another")


def test_the_folder_of_the_sockets_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.execution.place.short_temporary_folder", lambda: str(tmp_path))
    folder = private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    os.chmod(folder, 0o755)
    with pytest.raises(PermissionError):
        private_folder()


def test_printed_pieces_are_joined_between_other_outputs() -> None:
    from nbformat.v4 import new_output

    def text(name: str, what: str) -> Any:
        return new_output("stream", name=name, text=what)

    shown = new_output("display_data", data={"text/plain": "x"})
    outputs = [text("stderr", "E"), text("stdout", "a"), text("stdout", "b"), shown, text("stdout", "c")]
    merged = tidy.merge_streams(outputs)
    assert [o.get("text") for o in merged] == ["ab", "E", None, "c"]
