"""Fixtures that several test modules share."""

import asyncio
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import pytest
import uvloop
from aiohttp import web
from hypothesis import HealthCheck, settings

from exporter.http import addresses, listeners
from exporter.http.connection_limit import ConnectionLimit
from tests.support.effort import EFFORT
from tests.support.forks import Forks, Process
from tests.support.postgres import FAST, Postgres
from tests.support.programs import RELEASES, Programs
from tests.support.waiting import until

# A test starts exporters by the hundred: none of them is to compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# How long a draw or an example takes says something of the machine only.
settings.register_profile(
    "untimed", deadline=None, max_examples=40 * EFFORT, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the event loop that the exporter runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_xdist_auto_num_workers() -> int:
    """Two to a core, because most of the time tests wait: for a push, a scrape, a time that has to pass."""
    return 2 * len(os.sched_getaffinity(0))


STARTING: Final = {"start_exporter", "programs", "make_disk", "small_disk", "authority", "idle", "boards", "exporter"}
"""Fixtures that start programs."""
_STARTS: Final = re.compile(
    r"\bsubprocess\.|\b(?:promtool|signed|openssl|trace|library|tell|Authority|Prometheus|Alertmanager)\("
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that start programs: those with a fixture that does, and those of a module that does."""
    for item in items:
        if STARTING & set(getattr(item, "fixturenames", ())) or _starts(item.path):
            item.add_marker("processes")


@cache
def _starts(module: Path) -> bool:
    return _STARTS.search(module.read_text()) is not None


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Gives the root logger back as it was: commands that run in the test's own process set it up."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level, disabled = root.handlers, root.level, access.disabled
    yield
    root.handlers, access.disabled = handlers, disabled
    root.setLevel(level)


@pytest.fixture(params=RELEASES, ids=str, scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    """The real servers and tools, of each release in turn."""
    found: Programs = request.param
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server that the tests of one process share; each takes a database of its own."""
    with Postgres(FAST) as server:
        yield server


class Running:
    """An exporter in its own process, on free ports of the loopback address.

    Attributes:
        addresses: what it listens on, the web listener first, then the one of the webhooks if there is one.
    """

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self._log = log
        self.addresses: list[str] = []

    @property
    def log(self) -> str:
        """All that the process wrote so far."""
        return self._log.read_text()

    @property
    def url(self) -> str:
        """Where the web listener is."""
        return f"http://{self.addresses[0]}"

    def wait_ready(self) -> None:
        """Wait until it is ready."""
        until("msg=ready in the log", lambda: "msg=ready" in self.log or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        self.addresses = re.findall(r"msg=listening address=(\S+)", self.log)

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end: the exit code."""
        return self.process.wait(60)

    def stop(self) -> int:
        """Stop it as an operator does: the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()


_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_", "NOTIFY_"))}


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts exporters for the tests of one process."""
    with Forks() as started:
        yield started


class StartExporter(Protocol):
    """Starts ``voice-exporter serve`` and waits until it is ready."""

    def __call__(self, *flags: str, ready: bool = True, modules: Sequence[str] = (), **environment: str) -> Running:
        """Start it with these flags beside those that choose free ports and a fresh store.

        It is forked from a process that has imported it, unless modules say what a Python of its own runs: the
        exporter, or one that runs it and its arguments.
        """


@pytest.fixture
def start_exporter(tmp_path: Path, forks: Forks) -> Iterator[StartExporter]:
    """Starts exporters that end with the test."""
    started: list[Running] = []

    def start(*flags: str, ready: bool = True, modules: Sequence[str] = (), **environment: str) -> Running:
        defaults = {"--web.listen-address": "127.0.0.1:0", "--storage.path": str(tmp_path / "data")}
        given = {flag.partition("=")[0] for flag in flags}
        if "--storage.url" in given:
            del defaults["--storage.path"]
        arguments = ["serve", *flags]
        arguments += [f"{flag}={value}" for flag, value in defaults.items() if flag not in given]
        log, variables = tmp_path / f"exporter-{len(started)}.log", {**_ENVIRONMENT, **environment}
        process: Process
        with log.open("wb") as out:
            if modules:
                command = [sys.executable, "-m", *modules, *arguments]
                process = subprocess.Popen(command, stdout=out, stderr=out, env=variables)
            else:
                process = forks.start(arguments, variables, out)
        running = Running(process, log)
        started.append(running)
        if ready:
            running.wait_ready()
        return running

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


class Serve(Protocol):
    """Serves an application of the test's own process the way the exporter does, on a free port."""

    async def __call__(self, app: web.Application, connections: ConnectionLimit | None = None) -> str:
        """Serve it; gives its URL."""


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves applications until the test ends."""
    started: list[tuple[listeners.Listener, ConnectionLimit]] = []

    async def start(app: web.Application, connections: ConnectionLimit | None = None) -> str:
        sock, limited = addresses.listen("127.0.0.1:0"), connections or ConnectionLimit(100)
        started.append((await listeners.start(app, sock, limited), limited))
        return f"http://{addresses.name(sock)}"

    yield start
    for listener, limited in started:
        await listeners.stop([listener], limited, 0.1)


class Wire:
    """A connection whose bytes the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send the bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer, which states its length."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
        length = re.search(rb"content-length: (\d+)", head.lower())
        assert length, head
        return int(head.split()[1]), await self.reader.readexactly(int(length[1]))

    async def closed(self) -> bool:
        """Wait until the other side closes; whether it did so without another word."""
        try:
            return await asyncio.wait_for(self.reader.read(), 20) == b""
        except ConnectionError:
            return True


class Connect(Protocol):
    """Opens raw connections."""

    async def __call__(self, url: str) -> Wire:
        """Connect to the host of the URL."""


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens raw connections until the test ends."""
    opened: list[Wire] = []

    async def to(url: str) -> Wire:
        parts = urlsplit(url)
        opened.append(Wire(*await asyncio.open_connection(parts.hostname, parts.port)))
        return opened[-1]

    yield to
    for wire in opened:
        wire.writer.close()


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    """The head of a request as it goes over the wire."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: exporter", *headers, "", ""]).encode()


class MakeDisk(Protocol):
    """Makes a disk of its own size."""

    def __call__(self, mebibytes: int) -> Path:
        """The directory where it is mounted."""


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Makes small disks; only root can."""
    mounts: list[Path] = []

    def make(mebibytes: int) -> Path:
        mount = tmp_path / f"disk-{len(mounts)}"
        mount.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", str(mount)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        mounts.append(mount)
        return mount

    yield make
    for mount in mounts:
        subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(mount)


@pytest.fixture
def small_disk(make_disk: MakeDisk) -> Path:
    """A disk of 1 MiB."""
    return make_disk(1)
