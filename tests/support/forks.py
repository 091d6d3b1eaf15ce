"""Exporters forked from a process that has imported them already: importing takes longer than most tests do.

The process forks twice, so that the exporter becomes a child of the test's process, which adopts orphans (Linux's
child subreaper): its exit code and its processor time are to be had as those of any other child.
"""

import ctypes
import importlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final, Protocol, Self

from exporter.cli import main

_IMPORTED: Final = ("exporter.commands.serve", "exporter.service.server")
_ADOPT_ORPHANS: Final = 36
"""PR_SET_CHILD_SUBREAPER of prctl."""
_LONGEST: Final = 1 << 20


class Process(Protocol):
    """What tests do with a process: `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end: its exit code."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class _Adopted:
    """A process that was forked for this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """As of `subprocess.Popen`."""
        with self._lock:
            if self._code is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if ended else None
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """As of `subprocess.Popen`."""
        deadline = time.monotonic() + timeout if timeout else math.inf
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(0.005)
        return code

    def send_signal(self, sig: int) -> None:
        """As of `subprocess.Popen`."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """As of `subprocess.Popen`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As of `subprocess.Popen`."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """Starts exporters until the context ends."""

    def __enter__(self) -> Self:
        assert ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0) == 0
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            command = [sys.executable, "-m", __name__, str(asked.fileno())]
            self._forking = subprocess.Popen(command, pass_fds=[asked.fileno()], stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        self._asking.close()
        self._forking.wait(60)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], out: IO[bytes]) -> Process:
        """Start ``voice-exporter`` with these arguments, in this environment; the file gets what it writes."""
        asked = json.dumps([list(arguments), dict(environment)]).encode()
        socket.send_fds(self._asking, [asked], [out.fileno()])
        pid = self._asking.recv(32)
        assert pid, "the process that forks has ended"
        return _Adopted(int(pid))


def _serve(asked: socket.socket) -> int:
    """Fork an exporter whenever one is asked for. Returns in each of them, with its exit code, and at the end."""
    for name in _IMPORTED:
        importlib.import_module(name)
    while True:
        request, files, *_ = socket.recv_fds(asked, _LONGEST, 1)
        if not request:
            return 0
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            if pid := os.fork():
                os.write(writing, b"%d" % pid)
                os._exit(0)
            arguments, environment = json.loads(request)
            _become(arguments, environment, files[0])
            for used in (asked.detach(), reading, writing, files[0]):
                os.close(used)
            return main(arguments)
        os.waitpid(between, 0)
        asked.send(os.read(reading, 32))
        for used in (reading, writing, files[0]):
            os.close(used)


def _become(arguments: Sequence[str], environment: Mapping[str, str], out: int) -> None:
    """Have what a new process has of its own."""
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for standard in (1, 2):
        os.dup2(out, standard)


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
