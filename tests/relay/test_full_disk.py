"""A disk that is full, to which the queue itself may have contributed most: it must empty itself all the same."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from exporter.errors import StorageError
from exporter.relay.journal_reserve import RESERVE_BYTES
from exporter.relay.options import RelayOptions
from exporter.relay.queue import FILE_NAME, RelayQueue
from tests.conftest import MakeDisk, Running, StartExporter
from tests.platforms.vapi_bodies import message
from tests.relay.application import application, fine, post
from tests.relay.test_process import Exporters, becomes, value
from tests.relay.test_queue import claim, contents, opened, outgoing

WAITING = "voice_exporter_relay_waiting_events"
WORDS = b"Ada Example, 555-0100 "


def body(number: int, size: int) -> bytes:
    """A body of some size, with its number and somebody's words."""
    return (b"%06d " % number + WORDS * (size // len(WORDS) + 1))[:size]


def fill(filler: Path) -> None:
    """Take all the room there is, to the last byte."""
    with filler.open("ab", buffering=0) as file:
        for size in (65_536, 4096, 64):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


async def put_until_full(queue: RelayQueue, size: int) -> int:
    """Put events into a queue until it takes no more: how many it took."""
    for number in count():
        try:
            await queue.put({"": outgoing(body(number, size))})
        except StorageError:
            return number
    raise AssertionError


@pytest.mark.parametrize("size", [3000, 100_000, 700_000])
async def test_a_full_disk_empties_itself(make_disk: MakeDisk, size: int) -> None:
    """With not one byte free the queue is read, counted and emptied, and each deletion gives its room back at once."""
    disk = make_disk(6)
    queue = opened(disk / "data")
    put = await put_until_full(queue, size)
    assert queue.waiting == {"vapi": put}
    fill(disk / "filler")
    await queue.close()

    again = opened(disk / "data")
    before = (disk / "data" / FILE_NAME).read_bytes()
    assert await again.load()
    assert again.waiting == {"vapi": put}
    assert (disk / "data" / FILE_NAME).read_bytes() == before
    free, large, found = 0, size > 8192, []
    while queued := await claim(again, slots=1):
        found.append(queued[0].request.body)
        await again.remove(queued[0])
        if large:
            now = os.statvfs(disk).f_bavail
            assert now * 4096 > free + size * 0.9
            fill(disk / "filler")
    assert found == [body(number, size) for number in range(put)]
    assert again.waiting == {"vapi": 0}
    assert (disk / "data" / FILE_NAME).stat().st_size < 50_000
    assert WORDS not in b"".join(contents(disk / "data").values())
    await again.close()


async def test_what_fits_is_kept_beside_what_does_not(make_disk: MakeDisk) -> None:
    """An event without room costs nothing that is asked for at the same time."""
    disk = make_disk(4)
    queue = opened(disk / "data")
    await queue.put({"": outgoing(b"first")})
    [first] = await claim(queue)
    asked = [
        queue.put({"": outgoing(body(1, 8_000_000))}),
        queue.put({"": outgoing(b"second")}),
        queue.remove(first),
    ]
    refused, *fine = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, StorageError)
    assert "no space left" in str(refused)
    assert fine == [None, None]
    assert queue.waiting == {"vapi": 1}
    assert [each.request.body for each in await claim(queue)] == [b"second"]
    await queue.close()


async def test_without_its_reserve_it_takes_nothing(make_disk: MakeDisk) -> None:
    """An event is kept only with the room that its deletion takes."""
    disk = make_disk(1)
    (disk / "filler").write_bytes(bytes(900_000))
    queue = opened(disk / "data")
    with pytest.raises(StorageError):
        await queue.put({"": outgoing(b"first")})
    assert not queue.waiting
    (disk / "filler").unlink()
    await queue.put({"": outgoing(b"first")})
    assert (disk / "data" / f"{FILE_NAME}-journal").stat().st_size == RESERVE_BYTES
    await queue.close()


async def test_an_exporter_on_a_full_disk(start_exporter: StartExporter, make_disk: MakeDisk, tmp_path: Path) -> None:
    """Killed and started on a full disk, it says how much waits, and delivers all of it without any room."""
    disk, works = make_disk(8), False

    async def answering(request: web.Request) -> web.StreamResponse:
        return await fine(request) if works else web.Response(status=500)

    def hang(number: int) -> bytes:
        return json.dumps(message("hang", timestamp=1_767_603_607_000 + number, padding="p" * 100_000)).encode()

    async with application(answering) as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url, ack="exporter")
        first = await exporters.start("--storage.path", str(disk / "data"))
        bodies = [hang(number) for number in range(80)]
        answers = [await post(f"{first.url}/webhook/vapi", body) for body in bodies]
        acknowledged = {body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200}
        assert len(acknowledged) in range(20, 80)
        assert await value(first, WAITING) == len(acknowledged)
        first.process.kill()
        await asyncio.to_thread(first.wait)
        fill(disk / "filler")

        second = await exporters.start("--storage.path", str(disk / "data"))
        await becomes(second, WAITING, len(acknowledged))
        works = True
        await becomes(second, WAITING, 0)
        assert acknowledged <= Counter(seen.body for seen in behind.seen).keys()


def written(exporter: Running) -> int:
    """Bytes that a process has written so far, to files and to sockets."""
    [line] = [line for line in Path(f"/proc/{exporter.process.pid}/io").read_text().splitlines() if "wchar" in line]
    return int(line.partition(":")[2])


async def test_a_start_writes_next_to_nothing(start_exporter: StartExporter, tmp_path: Path) -> None:
    """However much waits, only what is attempted is touched, and of that only a row that is small."""
    queue = RelayQueue(RelayOptions(tmp_path / "data"))
    for number in range(30):
        await queue.put({"": outgoing(body(number, 1_000_000))})
    await queue.close()
    async with application(lambda _: asyncio.sleep(0, web.Response(status=500))) as behind:
        exporters = Exporters(start_exporter, tmp_path, behind.url, ack="exporter")
        exporter = await exporters.start()
        await behind.wait_for(30)
        # What the application was sent is written, too.
        assert written(exporter) < sum(len(seen.body) for seen in behind.seen) + 3_000_000


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.relay.test_full_disk import body
from tests.relay.test_queue import claim, opened, outgoing

async def empty() -> None:
    queue = opened(Path(sys.argv[1]))
    for number in range(6):
        await queue.put({"": outgoing(body(number, 1_500_000))})
    for queued in await claim(queue):
        print(queued.id, flush=True)
        await queue.remove(queued)

asyncio.run(empty())
"""


def killed(directory: Path, removals: int) -> None:
    """Kill a process in the midst of deleting large bodies."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(removals):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("removals", [1, 3])
async def test_a_kill_leaves_no_half_body(tmp_path: Path, removals: int) -> None:
    """The next start deletes what was left of a body whose event is gone; every other event is whole."""
    await asyncio.to_thread(killed, tmp_path, removals)
    queue = opened(tmp_path)
    await queue.load()
    claimed = await claim(queue)
    assert len(claimed) in {6 - removals, 7 - removals}
    assert [each.request.body for each in claimed] == [body(each.id - 1, 1_500_000) for each in claimed]
    assert {each.attempts for each in claimed} == {2}
    for each in claimed:
        await queue.remove(each)
    await queue.close()
    assert WORDS not in b"".join(contents(tmp_path).values())
    db = sqlite3.connect(tmp_path / FILE_NAME)
    assert db.execute("SELECT count(*) FROM requests").fetchone() == (0,)
    db.close()
