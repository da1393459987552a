"""Import what notebooks use into the warm process, opening nothing."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator

from shared_code.execution.place import WITHOUT_DEBUGGER

# Measured to survive a fork, with their thread pools used afterwards in the child. Modules only: nothing is opened.
# Not the backend of inline figures: it attaches itself to the kernel that exists while it is imported.
LIBRARIES = ("ctypes", "numpy", "pandas", "scipy.stats", "pyarrow.parquet", "duckdb", "ibis", "matplotlib.pyplot",
             "seaborn", "papermill", "nbclient", "ipykernel.kernelapp", "ipykernel.debugger",
             "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.oinspect", "IPython.core.logger",
             "IPython.extensions.storemagic", "tornado.platform.asyncio", "faulthandler", "encodings.unicode_escape",
             "shared_code.execution.runner")  # fmt: skip
NOT_LAYERS = ("shared_code.execution", "shared_code.cli")


def preload() -> None:
    """Import libraries and the layers of the shared code; what cannot be imported is left to whoever asks for it.

    Raises RuntimeError when something started a thread, for then a fork would not be a faithful copy.
    """
    sys.path[:] = [path for path in sys.path if path]
    gc.disable()
    os.environ.update(WITHOUT_DEBUGGER)
    for name in (*LIBRARIES, *_layers("shared_code")):
        try:
            importlib.import_module(name)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    if threading.active_count() > 1:
        raise RuntimeError("importing started a thread")
    gc.freeze()


def _layers(package: str) -> Iterator[str]:
    try:
        paths = importlib.import_module(package).__path__
    except Exception:
        return
    for module in pkgutil.iter_modules(paths, f"{package}."):
        if module.name in NOT_LAYERS or module.name.endswith(".__main__"):
            continue
        yield module.name
        if module.ispkg:
            yield from _layers(module.name)
