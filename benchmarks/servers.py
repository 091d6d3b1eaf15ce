"""Servers under test: processes of their own, all on one core, while the load comes from another."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

SECRET: Final = "benchmark"
_CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = _CORES[0]
CLIENT_CORE: Final = _CORES[-1]


class Server(Struct):
    """A server that answers.

    Attributes:
        port: where, on 127.0.0.1.
        pid: its process.
        started: seconds from its start to the first answer.
    """

    port: int
    pid: int
    started: float

    def cpu_seconds(self) -> float:
        """Processor time of all of its threads so far."""
        return cpu_seconds(self.pid)

    def memory_bytes(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the process has no VmRSS")

    def get(self, path: str, accept: str = "*/*") -> bytes:
        """What the server answers to a GET."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            body: bytes = answer.read()
        return body


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def exporter(folder: Path, *options: str, config: str = "", database: str = "") -> Iterator[Server]:
    """The exporter, with its secret in a header and its store in a folder, or in a database."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yml"
    file.write_text(f"webhooks: {{interactly: {{secrets: [{SECRET}]}}, vapi: {{secrets: [{SECRET}]}}}}\n{config}")
    port = free_port()
    command = ["exporter", "serve", f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}"]
    storage = f"--storage.url={database}" if database else f"--storage.path={folder / 'store'}"
    with running(["-m", *command, storage, "--log.level=error", *options], port) as server:
        yield server


@contextmanager
def module(name: str) -> Iterator[Server]:
    """One of the servers in this package."""
    port = free_port()
    with running(["-m", f"benchmarks.{name}", str(port)], port) as server:
        yield server


@contextmanager
def running(
    arguments: Sequence[str], port: int, program: str = sys.executable, ready: str = "/-/ready"
) -> Iterator[Server]:
    """A program on the servers' core, once it answers ``ready`` with 200, until the context ends.

    Raises:
        RuntimeError: it ended, or did not get ready in a minute.
    """
    started = time.perf_counter()
    with subprocess.Popen(["taskset", "-c", str(SERVER_CORE), program, *arguments]) as process:
        try:
            _wait(process, f"http://127.0.0.1:{port}{ready}")
            yield Server(port, process.pid, time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    for _ in range(12_000):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.005)
    raise RuntimeError(f"{process.args!r} did not get ready")
