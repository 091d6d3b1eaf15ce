"""The queue of acknowledged events: durable, bounded, private, in order."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from exporter.errors import StorageError
from exporter.relay.options import RelayOptions
from exporter.relay.queue import FILE_NAME, Queued, RelayQueue
from exporter.relay.queue_file import LAYOUT
from exporter.relay.request import RelayRequest

REQUEST = RelayRequest("vapi", "hang", "POST", "/x", "a=1", (("X-Tag", "a"), ("X-Tag", "ü")), b"\x1f\x8b\0")


def outgoing(body: bytes, platform: str = "vapi") -> RelayRequest:
    """A request with that body."""
    return replace(REQUEST, body=body, platform=platform)


def contents(directory: Path) -> dict[str, bytes]:
    """What the files of a directory hold, by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def opened(directory: Path | None, **limits: int) -> RelayQueue:
    """A queue in a directory, with some limits of its own."""
    return RelayQueue(RelayOptions(directory, **limits))


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[RelayQueue]:
    """A queue in a file."""
    one = opened(tmp_path)
    yield one
    await one.close()


async def claim(queue: RelayQueue, now: float = 1.0, slots: int = 99) -> list[Queued]:
    """What is due."""
    return (await queue.claim(now, lambda _: slots))[0]


async def test_what_comes_out_is_what_went_in(queue: RelayQueue) -> None:
    """Every part of a request survives the file, bytes that are no text included."""
    await queue.put({"": REQUEST, "http://further": outgoing(b"")})
    claimed = await claim(queue)
    assert [(each.target, each.attempts, each.request) for each in claimed] == [
        ("", 1, REQUEST),
        ("http://further", 1, outgoing(b"")),
    ]
    assert claimed[1].destination == ("vapi", "http://further")
    assert queue.waiting == {"vapi": 2}


async def test_what_is_claimed_is_not_due_until_it_is_postponed(queue: RelayQueue) -> None:
    """Claim, postpone, claim again at its time, remove: each attempt is counted."""
    await queue.put({"": REQUEST})
    [first] = await claim(queue)
    assert await claim(queue, 1e12) == []
    queue.postpone(first, 10.0)
    assert await queue.claim(9.0, lambda _: 9) == ([], 10.0)
    [second] = await claim(queue, 10.0)
    assert (second.id, second.attempts) == (first.id, 2)
    await queue.remove(second)
    assert await queue.claim(1e12, lambda _: 9) == ([], None)
    assert queue.waiting == {"vapi": 0}


async def test_oldest_first_and_so_many_for_each_destination(queue: RelayQueue) -> None:
    """A destination gives what it has slots for, in order; one without slots gives nothing and holds up no other."""
    for number in range(3):
        await queue.put({"": outgoing(b"%d" % number), "http://further": REQUEST})
        await queue.put({"": outgoing(b"%d" % number, "interactly")})
    slots = {("vapi", ""): 2, ("vapi", "http://further"): 0, ("interactly", ""): 9}

    claimed, due = await queue.claim(1.0, slots.__getitem__)

    bodies = {
        destination: [each.request.body for each in claimed if each.destination == destination] for destination in slots
    }
    assert bodies == {
        ("vapi", ""): [b"0", b"1"],
        ("vapi", "http://further"): [],
        ("interactly", ""): [b"0", b"1", b"2"],
    }
    assert due is None


async def test_another_process_goes_on(tmp_path: Path, queue: RelayQueue) -> None:
    """What an earlier process left is due at once, claimed or postponed, with its attempts."""
    for body in (b"claimed", b"postponed", b"untouched", b"removed"):
        await queue.put({"": outgoing(body)})
    claimed = await claim(queue, slots=2)
    queue.postpone(claimed[1], 1e12)
    await queue.close()

    later = opened(tmp_path)
    assert await later.load()
    assert later.waiting == {"vapi": 4}
    found = {each.request.body: each.attempts for each in await claim(later)}
    assert found == {b"claimed": 2, b"postponed": 2, b"untouched": 1, b"removed": 1}
    await later.close()


async def test_no_file_before_it_is_needed(tmp_path: Path) -> None:
    """Who never acknowledges by itself has no file with bodies; in memory there never is one."""
    for queue in (opened(tmp_path), opened(None)):
        assert not await queue.load()
        await queue.close()
    memory = opened(None)
    await memory.put({"": REQUEST})
    assert [each.request for each in await claim(memory)] == [REQUEST]
    await memory.close()
    assert contents(tmp_path) == {}


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read the directory, the file, or the journal beside it."""
    queue = opened(tmp_path / "new")
    await queue.put({"": REQUEST})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert set(modes.values()) == {0o600}
    assert FILE_NAME in modes
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    await queue.close()


async def test_nothing_of_a_body_stays(tmp_path: Path, queue: RelayQueue) -> None:
    """A removed body is gone from every file, though others still wait."""
    words = b"Ada Example, 555-0100 " * 10_000
    await queue.put({"": outgoing(words)})
    await queue.put({"": outgoing(b"other")})
    assert words[:22] in b"".join(contents(tmp_path).values())

    await queue.remove((await claim(queue))[0])

    left = b"".join(contents(tmp_path).values())
    assert b"Ada" not in left
    assert b"555-0100" not in left
    assert b"other" in left
    assert (tmp_path / FILE_NAME).stat().st_size < 100_000


@pytest.mark.parametrize(("name", "limit"), [("queued_events", 3), ("queued_bytes", 30)])
async def test_a_full_queue_takes_nothing(tmp_path: Path, name: str, limit: int) -> None:
    """Beyond its limits it refuses, an event with all its copies or nothing of it, until something is removed."""
    queue = opened(tmp_path, **{name: limit})
    await queue.put({"": outgoing(b"0123456789"), "http://further": outgoing(b"0123456789")})
    asked = [
        queue.put({"": outgoing(b"0123456789"), "http://further": outgoing(b"0123456789")}),
        queue.put({"": REQUEST}),
    ]

    full, fits = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(full, StorageError)
    assert fits is None
    assert queue.waiting == {"vapi": 3}
    with pytest.raises(StorageError, match="too many events"):
        await queue.put({"": outgoing(b"0123456789")})
    await queue.remove((await claim(queue))[0])
    await queue.put({"": outgoing(b"0")})
    await queue.close()


async def test_a_failing_disk_keeps_nothing_and_recovers(tmp_path: Path, queue: RelayQueue) -> None:
    """While another process blocks the file nothing is kept; afterwards all is as it was."""
    await queue.put({"": REQUEST})
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StorageError, match="locked"):
        await queue.put({"": REQUEST})

    other.execute("ROLLBACK")
    other.close()
    await queue.put({"": outgoing(b"later")})
    assert [each.request.body for each in await claim(queue)] == [REQUEST.body, b"later"]
    assert queue.waiting == {"vapi": 2}


async def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be read is kept under another name and said so, and the queue goes on with a new file."""
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 1000)
    queue = opened(tmp_path)

    with pytest.raises(StorageError, match="damaged"):
        await claim(queue)

    assert "quarantined" in caplog.text
    assert [name[:22] for name in contents(tmp_path)] == [f"{FILE_NAME}.corrupt"]
    await queue.put({"": REQUEST})
    assert len(await claim(queue)) == 1
    await queue.close()


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"\x3e\x61\x1d\xab\xc1"])
async def test_an_event_that_cannot_be_read_blocks_no_other(
    tmp_path: Path, queue: RelayQueue, caplog: pytest.LogCaptureFixture, blob: bytes
) -> None:
    """A file with a row that is no event, or not the one that was written, is quarantined like a damaged one."""
    await queue.put({"": REQUEST})
    await queue.close()
    db = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    db.execute("UPDATE requests SET part = ?", (blob,))
    db.close()

    later = opened(tmp_path)
    with pytest.raises(StorageError, match="can't be read"):
        await claim(later)
    assert "quarantined" in caplog.text
    await later.put({"": REQUEST})
    assert len(await claim(later)) == 1
    await later.close()


async def test_a_newer_releases_file_is_left_alone(tmp_path: Path, queue: RelayQueue) -> None:
    """A file of a schema that this release does not know is not touched."""
    await queue.put({"": REQUEST})
    await queue.close()
    db = sqlite3.connect(tmp_path / FILE_NAME)
    db.executescript(f"PRAGMA user_version = 3; PRAGMA application_id = {LAYOUT.stamp + 3};")
    db.close()
    before = (tmp_path / FILE_NAME).read_bytes()

    newer = opened(tmp_path)
    with pytest.raises(StorageError, match="schema version 3"):
        await newer.put({"": REQUEST})
    await newer.close()

    assert (tmp_path / FILE_NAME).read_bytes() == before


VERSION_1 = """
PRAGMA auto_vacuum = FULL;
CREATE TABLE parcels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    target TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL DEFAULT 0,
    size INTEGER NOT NULL,
    parcel BLOB NOT NULL
);
CREATE INDEX destinations ON parcels (platform, target, due);
PRAGMA user_version = 1;
"""


async def test_a_file_of_the_first_version(tmp_path: Path) -> None:
    """What the first version kept is delivered, with its attempts, claimed or postponed."""
    requests = [outgoing(b"claimed"), outgoing(b"x" * 200_000), outgoing(b"untouched", "interactly")]
    db = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    db.executescript(VERSION_1)
    for request, due in zip(requests, (None, 1e12, 0), strict=True):
        packed = msgspec.msgpack.encode(request)
        row = (request.platform, "", 3, due, len(request.body), zlib.crc32(packed).to_bytes(4, "big") + packed)
        db.execute("INSERT INTO parcels (platform, target, attempts, due, size, parcel) VALUES (?, ?, ?, ?, ?, ?)", row)
    db.close()

    queue = opened(tmp_path)
    await queue.load()
    assert queue.waiting == {"vapi": 2, "interactly": 1}
    await queue.put({"": outgoing(b"new")})
    claimed = await claim(queue)
    assert [each.request for each in sorted(claimed)] == [*requests, outgoing(b"new")]
    assert [each.attempts for each in sorted(claimed)] == [4, 4, 4, 1]
    for each in claimed:
        await queue.remove(each)
    await queue.close()
    assert (tmp_path / FILE_NAME).stat().st_size < 100_000


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.relay.test_queue import opened, outgoing

async def fill() -> None:
    queue = opened(Path(sys.argv[1]))
    async def put(number: int) -> None:
        await queue.put({"": outgoing(b"%d" % number)})
        print(number, flush=True)
    for start in range(0, 1_000_000, 10):
        await asyncio.gather(*map(put, range(start, start + 10)))

asyncio.run(fill())
"""


def killed(directory: Path) -> set[bytes]:
    """Bodies that a process kept before it was killed in the midst of it."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(55)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    return {line.strip() for line in lines if line.endswith(b"\n")}


async def test_what_was_kept_survives_kill_9(tmp_path: Path) -> None:
    """Every request that was reported as kept is there after a kill, once."""
    kept = await asyncio.to_thread(killed, tmp_path)

    queue = opened(tmp_path)
    found = [each.request.body for each in await claim(queue, slots=10**6)]
    await queue.close()

    assert len(kept) >= 55
    assert kept <= set(found)
    assert len(set(found)) == len(found)
