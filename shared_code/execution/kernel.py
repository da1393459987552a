"""Be a kernel: the same beginning and end for one started cold (this file is its script) and one forked warm.

Imports nothing of the shared code, which a notebook must find by its own search path.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from typing import Any


def be_kernel(arguments: list[str]) -> None:
    """Serve as the kernel that ipykernel's arguments describe until asked to end."""
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [__file__, *arguments]
    kernel = IPKernelApp.instance(parent_handle=int(os.environ.get("JPY_PARENT_PID") or 0))
    kernel.initialize(arguments)
    kernel.start()
    # The end of the interpreter, without taking hundreds of modules apart: threads that must be waited for, exit
    # functions, the notebook's open files. Not the kernel's own exit function, in which one thread now and then waits
    # for another that waits for it (about one run in twelve, until two and a half seconds later it is killed).
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit.unregister(kernel.close)
    shell: Any = kernel.shell
    shell.user_ns.clear()
    shell.user_ns_hidden.clear()
    atexit._run_exitfuncs()
    gc.collect()
    os._exit(0)


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    be_kernel(sys.argv[1:])
