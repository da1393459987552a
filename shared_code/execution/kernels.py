"""Start the kernel of one run: an ordinary process, or a fork of the process that already holds the imports."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import random
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from shared_code.execution import kernel
from shared_code.execution.place import kernel_environment

_SPEC = KernelSpec(
    argv=[sys.executable, kernel.__file__, "-f", "{connection_file}"],
    display_name="Python 3",
    language="python",
    metadata={"supported_encryption": ["curve"]},
)
_PARENT_DIED = 1  # PR_SET_PDEATHSIG of Linux' prctl


def kill_kernels(live: set[int]) -> None:
    """End the kernels whose process groups are given, at once."""
    for group in tuple(live):
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(group, signal.SIGKILL)
            else:
                os.kill(group, signal.SIGTERM)
    live.clear()


def manager_class(root: Path, folder: Path, seed: Seed | None, live: set[int]) -> type[AsyncKernelManager]:
    """Return a kernel manager class whose kernel works in root, talks through sockets in the private folder, and is
    grown from the seed where there is one, and stands in live as long as it runs. Where there are no unix sockets the
    connection is encrypted."""

    class Provisioner(LocalProvisioner):
        process: Any = None

        async def pre_launch(self, **options: Any) -> dict[str, Any]:
            environment = kernel_environment(root, os.environ, folder)
            return await super().pre_launch(**{**options, "env": environment, "cwd": str(root)})

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            if seed is None:
                information = await super().launch_kernel(cmd, **options)
            else:
                self.process = seed.grow(cmd[cmd.index("-f") :], options["env"], options["cwd"])
                self.pid = self.pgid = seed.pid
                information = self.connection_info
                for _ in range(100):  # a client that knocks too early would come again a tenth of a second later
                    if (folder / f"k-{information['iopub_port']}").exists():
                        break
                    await asyncio.sleep(0.002)
            live.add(self.process.pid)
            return information

        async def cleanup(self, restart: bool = False) -> None:
            live.discard(self.pid or 0)
            await super().cleanup(restart=restart)

    class Manager(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(connection_file=str(folder / "kernel.json"), **options)
            if os.name == "posix":
                self.transport, self.ip = "ipc", str(folder / "k")
            elif zmq.has("curve"):
                self.transport_encryption = "required"
            self.client_factory = Client
            self.provisioner = Provisioner(kernel_id="kernel", kernel_spec=_SPEC, parent=self)

        @property
        def kernel_spec(self) -> KernelSpec:
            return _SPEC

        async def _async_interrupt_kernel(self) -> None:
            """Leave it alone: no cell runs when it is shut down, and one that must not go on is killed."""

        async def _async_finish_shutdown(self, waittime: Any = None, pollinterval: float = 0.1, restart: bool = False):
            await super()._async_finish_shutdown(waittime, 0.01, restart)  # the usual tenth of a second adds up

    return Manager


class Client(AsyncKernelClient):
    """A kernel client that starts as soon as the kernel has answered on both channels.

    The usual one then listens for another fifth of a second, to throw away what it hears; here nobody minds, for
    replies and outputs are told apart by the request they belong to.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return once the kernel answers; raises RuntimeError when it has died or takes longer than timeout seconds."""
        end = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < end:
            self.kernel_info()
            with contextlib.suppress(Empty):
                reply = await self.shell_channel.get_msg(timeout=1)
                if reply["msg_type"] == "kernel_info_reply":
                    await self.iopub_channel.get_msg(timeout=0.2)  # only then does no output get lost
                    self._handle_kernel_info_reply(reply)
                    return
            if not await self.is_alive():
                raise RuntimeError("the kernel ended while it started")
        raise RuntimeError(f"the kernel did not answer within {timeout} seconds")


@dataclass
class Seed:
    """A process forked while it was still clean (no threads, sockets or event loops), waiting to become a kernel."""

    pid: int
    pipe: int
    returncode: int | None = None
    stdin = stdout = stderr = None

    def grow(self, arguments: list[str], environment: dict[str, str], folder: str) -> Seed:
        """Let it become the kernel that these ipykernel arguments describe."""
        order = {"arguments": arguments, "environment": environment, "folder": folder}
        with open(self.pipe, "w", encoding="utf-8", errors="surrogateescape") as pipe:
            json.dump(order, pipe)
        return self

    def poll(self) -> int | None:
        """Return the exit code, or None while it lives (as subprocess.Popen does)."""
        return self._ended(os.WNOHANG)

    def wait(self) -> int | None:
        """Return the exit code once it has ended."""
        return self._ended(0)

    def send_signal(self, number: int) -> None:
        """Send a signal while it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _ended(self, how: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, how)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def plant(close: list[int]) -> Seed:
    """Fork the process that will be the kernel; it closes the given descriptors, which are not its own business."""
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = fork()
    if pid:
        os.close(reading)
        return Seed(pid, writing)
    try:
        os.setsid()
        die_with_parent(parent, signal.SIGKILL)
        for descriptor in (writing, *close):
            os.close(descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with open(reading, encoding="utf-8", errors="surrogateescape") as pipe:
            text = pipe.read()
        if text:
            order = json.loads(text)
            take_environment({**order["environment"], "JPY_PARENT_PID": str(parent)})
            os.chdir(order["folder"])
            reseed()
            gc.enable()
            kernel.be_kernel(order["arguments"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def take_environment(environment: dict[str, str]) -> None:
    """Replace this process's environment variables."""
    os.environ.clear()
    os.environ.update(environment)
    if hasattr(time, "tzset"):
        time.tzset()


def reseed() -> None:
    """Give a forked process random numbers of its own; notebooks that need the same ones each time seed them."""
    import numpy

    random.seed()
    numpy.random.seed(int.from_bytes(os.urandom(4)))


def fork() -> int:
    """Fork; without the warning about threads, for those of the numeric libraries look after themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def die_with_parent(parent: int, number: int) -> None:
    """Have Linux send this process a signal when the process that forked it has gone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DIED, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
