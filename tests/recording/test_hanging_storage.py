"""A disk that hangs: readiness says so, and a stop answers everybody without waiting for it."""

import asyncio
import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.config import Config
from exporter.errors import StorageError
from exporter.recording.recorder import Recorder
from exporter.store.base import Batch
from exporter.store.memory import MemoryStore
from tests.conftest import Running, head
from tests.recording.test_recorder import event
from tests.support.servers import free_port
from tests.support.waiting import reached, until
from tests.webhooks.posting import HANG, PATH


class Hanging(MemoryStore):
    """Ends each commit of a call when it is released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        """Wait."""
        if batch.calls:
            await asyncio.wait_for(self.release.wait(), 30)
        await super().commit(batch)


async def becomes(recorder: Recorder, *, ready: bool) -> None:
    """Wait until it is ready, or not."""
    await reached(f"ready: {ready}", lambda: (recorder.ready is None) is ready)


async def test_readiness_goes_while_a_commit_hangs() -> None:
    """And comes back with its end: nothing was lost."""
    recorder = Recorder(Config(), store := Hanging(), hang_seconds=0.1)
    recorder.load()
    await recorder.start()
    kept = asyncio.create_task(recorder.record(event("hang")))
    await becomes(recorder, ready=False)
    assert recorder.ready == "storage: a commit takes longer than 0.1 s"
    store.release.set()

    assert await kept == "counted"
    await becomes(recorder, ready=True)
    await recorder.stop()
    assert not recorder.abandoned


async def test_a_stop_answers_those_who_wait_for_a_commit_that_hangs() -> None:
    """Those in the commit and those behind it, once each, also if the commit ends after all."""
    recorder = Recorder(Config(), store := Hanging(), hang_seconds=0.1)
    recorder.load()
    await recorder.start()
    answers: list[object] = []
    recorder.submit(event("hang"), answers.append)
    await becomes(recorder, ready=False)
    recorder.submit(event("conversation-update"), answers.append)
    await asyncio.wait_for(recorder.stop(), 20)
    store.release.set()
    recorder.submit(event("hang"), answers.append)
    await asyncio.sleep(0)

    assert [str(answer) for answer in answers] == ["storage hangs", "storage hangs", "the exporter is stopping"]
    assert all(isinstance(answer, StorageError) for answer in answers)
    assert recorder.abandoned


HUNG = """
import os, sys, time
from exporter.cli import main
from exporter.store.database import Database
commit = Database.commit
def hang(self, batch):
    if os.path.exists({flag!r}):
        time.sleep(600)
    commit(self, batch)
Database.commit = hang
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Running]:
    """A running exporter whose disk hangs from now on."""
    log, flag = tmp_path / "log", tmp_path / "flag"
    port = free_port()
    command = [sys.executable, "-c", HUNG.format(flag=str(flag)), "serve", f"--web.listen-address=127.0.0.1:{port}"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, f"--storage.path={tmp_path / 'data'}"], stdout=out, stderr=out)
    running = Running(process, log)
    running.wait_ready()
    flag.touch()
    yield running
    process.kill()
    process.wait()


def test_a_stop_beside_a_disk_that_hangs(hung: Running) -> None:
    """Readiness goes, SIGTERM ends the process soon, and who waits gets an answer."""
    host, _, port = hung.addresses[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as waiting:
        waiting.sendall(head(PATH, f"Content-Length: {len(HANG)}") + HANG)
        until("the disk to be noticed", lambda: not ready(hung))
        hung.signal(signal.SIGTERM)
        answer = waiting.recv(1000)

        assert hung.wait() == 1
        assert answer.startswith(b"HTTP/1.1 503 ")
    assert "storage hangs, events are abandoned" in hung.log
    assert "Traceback" not in hung.log


def ready(running: Running) -> bool:
    """Whether readiness says so."""
    with closing(http.client.HTTPConnection(running.addresses[0], timeout=20)) as connection:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
