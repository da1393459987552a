"""Say where the warm server of a root lives, what it is warm for, and in which environment kernels run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
PROTOCOL = "1"
LONGEST_FOLDER = 48  # characters; a unix socket's path ends at about 104, and folders and names below still follow
WITHOUT_DEBUGGER = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYDEVD_USE_FRAME_EVAL": "NO"}  # nor its remarks
# Read while Python or a library is being imported, so a server started with other values cannot serve the job.
# A scheduler's job number is among them: a server must not live on inside another job's allotment.
_IMPORT_TIME = ("PYTHON", "LD_", "DYLD_", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "ARROW_", "MPL", "LC_", "XDG_",
                "COHORTIUM_")  # fmt: skip
_IMPORT_TIME_NAMES = ("LANG", "LANGUAGE", "TZ", "HOME", "PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "SLURM_JOB_ID",
                      "PBS_JOBID", "LSB_JOBID", "JOB_ID")  # fmt: skip


def warm_possible(root: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a kernel may be forked from a warm process for notebooks of this root.

    Not on Windows (no fork) nor macOS (system libraries do not survive one); not when COHORTIUM_COLD=1; and not when
    the root brings shared code of its own, other than the one running here, which the warm process would hide.
    """
    if environment.get("COHORTIUM_COLD", "") not in ("", "0"):
        return False
    if not hasattr(os, "fork") or sys.platform in ("win32", "darwin", "cygwin", "emscripten", "wasi"):
        return False
    own = root / PACKAGE.name
    return not own.exists() or os.path.samefile(own, PACKAGE)


def source_digest() -> str:
    """Return a digest of path, size and modification time of every source file of the shared code and of what is
    installed (modification time of the package folders)."""
    digest = hashlib.sha256()
    folders = [str(PACKAGE)]
    while folders:
        found = []
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                elif entry.name.endswith(".py"):
                    state = entry.stat()
                    found.append(f"{entry.path}\0{state.st_size}\0{state.st_mtime_ns}\n")
        folders.sort()
        digest.update("".join(sorted(found)).encode())
    for folder in sys.path:
        if folder.endswith(("site-packages", "dist-packages")) and os.path.isdir(folder):
            digest.update(f"{folder}\0{os.stat(folder).st_mtime_ns}\n".encode())
    return digest.hexdigest()


def server_key(root: Path, environment: Mapping[str, str], digest: str) -> str:
    """Return the name of the server that may serve this root, Python, source and environment."""
    settings = [
        f"{name}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(_IMPORT_TIME) or name in _IMPORT_TIME_NAMES
    ]
    parts = [PROTOCOL, os.path.realpath(root), sys.executable, sys.version, digest, *settings]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def private_folder() -> Path:
    """Return this user's folder for sockets, made on demand and readable by nobody else.

    Raises PermissionError when somebody else made it, or opened it to others.
    """
    folder = os.path.join(short_temporary_folder(), f"cohortium-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    state = os.lstat(folder)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")
    return Path(folder)


def short_temporary_folder() -> str:
    """Return the system's temporary folder, or the usual one where its name is too long for a socket's path."""
    folder = tempfile.gettempdir()
    return "/tmp" if os.name == "posix" and len(folder) > LONGEST_FOLDER else folder


def shared_environment(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the root and the shared code importable, and text hashed alike in every run.

    Without a fixed hash seed the order of sets differs between runs, and so may whatever a notebook makes of it.
    """
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    paths = dict.fromkeys([str(root), str(PACKAGE.parent), *filter(None, given)])
    return {"PYTHONHASHSEED": "0", **environment, "PYTHONPATH": os.pathsep.join(paths)}


def kernel_environment(root: Path, environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of a kernel: the shared one, without the user's own IPython settings and start-up files."""
    own = {"IPYTHONDIR": str(folder / "ipython"), **WITHOUT_DEBUGGER}
    return shared_environment(root, environment) | own
