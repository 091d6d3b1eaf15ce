"""The queue of acknowledged events: durable, bounded, private, in order."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter.errors import StorageError
from exporter.relay import queue_file
from exporter.relay.queue import RelayQueue
from exporter.relay.queue_file import Destination, Queued
from exporter.relay.request import RelayRequest

PARCEL = RelayRequest("vapi", "hang", "POST", "/x", "a=1", (("X-Tag", "a"), ("X-Tag", "ü")), b"\x1f\x8b\0")
NAME = "relay-queue.db"


def parcel(body: bytes, platform: str = "vapi") -> RelayRequest:
    """A parcel with that body."""
    return replace(PARCEL, body=body, platform=platform)


def contents(directory: Path) -> dict[str, bytes]:
    """What the files of a directory hold, by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[RelayQueue]:
    """An queue of a file."""
    opened = RelayQueue(tmp_path / NAME)
    yield opened
    await opened.close()


async def claim(queue: RelayQueue, now: float = 1.0, slots: int = 99) -> list[Queued]:
    """What is due."""
    return (await queue.claim(now, lambda _: slots))[0]


async def test_what_comes_out_is_what_went_in(queue: RelayQueue) -> None:
    """Every part of a request survives the file, bytes that are no text included."""
    await queue.put({"": PARCEL, "http://further": parcel(b"")})
    claimed = await claim(queue)
    assert [(each.target, each.attempts, each.parcel) for each in claimed] == [
        ("", 1, PARCEL),
        ("http://further", 1, parcel(b"")),
    ]
    assert claimed[1].destination == ("vapi", "http://further")
    assert queue.waiting == {"vapi": 2}


async def test_what_is_claimed_is_not_due_until_it_is_postponed(queue: RelayQueue) -> None:
    """Claim, postpone, claim again at its time, remove: each attempt is counted."""
    await queue.put({"": PARCEL})
    [first] = await claim(queue)
    assert await claim(queue, 1e12) == []
    await queue.postpone(first, 10.0)
    assert await queue.claim(9.0, lambda _: 9) == ([], 10.0)
    [second] = await claim(queue, 10.0)
    assert (second.id, second.attempts) == (first.id, 2)
    await queue.remove(second)
    assert await queue.claim(1e12, lambda _: 9) == ([], None)
    assert queue.waiting == {"vapi": 0}


async def test_oldest_first_and_so_many_for_each_lane(queue: RelayQueue) -> None:
    """A destination gives what it has slots for, in order; one without slots gives nothing and holds up no other."""
    for number in range(3):
        await queue.put({"": parcel(b"%d" % number), "http://further": PARCEL})
        await queue.put({"": parcel(b"%d" % number, "interactly")})
    slots: dict[Destination, int] = {("vapi", ""): 2, ("vapi", "http://further"): 0, ("interactly", ""): 9}

    claimed, due = await queue.claim(1.0, slots.__getitem__)

    bodies = {
        destination: [each.parcel.body for each in claimed if each.destination == destination] for destination in slots
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
        await queue.put({"": parcel(body)})
    claimed = await claim(queue, slots=2)
    await queue.postpone(claimed[1], 1e12)
    await queue.close()

    later = RelayQueue(tmp_path / NAME)
    assert await later.load()
    assert later.waiting == {"vapi": 4}
    found = {each.parcel.body: each.attempts for each in await claim(later)}
    assert found == {b"claimed": 2, b"postponed": 2, b"untouched": 1, b"removed": 1}
    await later.close()


async def test_no_file_before_it_is_needed(tmp_path: Path) -> None:
    """Who never acknowledges by itself has no file with bodies; in memory there never is one."""
    for queue in (RelayQueue(tmp_path / NAME), RelayQueue(None)):
        assert not await queue.load()
        await queue.close()
    memory = RelayQueue(None)
    await memory.put({"": PARCEL})
    assert [each.parcel for each in await claim(memory)] == [PARCEL]
    await memory.close()
    assert contents(tmp_path) == {}


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read the directory, the file, or the journal beside it."""
    queue = RelayQueue(tmp_path / "new" / NAME)
    await queue.put({"": PARCEL})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert set(modes.values()) == {0o600}
    assert NAME in modes
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    await queue.close()


async def test_nothing_of_a_body_stays(tmp_path: Path, queue: RelayQueue) -> None:
    """A removed body is gone from every file, though others still wait."""
    words = b"Ada Example, 555-0100 " * 10_000
    await queue.put({"": parcel(words)})
    await queue.put({"": parcel(b"other")})
    assert words[:22] in b"".join(contents(tmp_path).values())

    await queue.remove((await claim(queue))[0])

    left = b"".join(contents(tmp_path).values())
    assert b"Ada" not in left
    assert b"555-0100" not in left
    assert b"other" in left
    assert len(left) < 100_000


@pytest.mark.parametrize(("name", "limit"), [("MAX_EVENTS", 3), ("MAX_BYTES", 30)])
async def test_a_full_queue_takes_nothing(
    queue: RelayQueue, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """Beyond its limits it refuses, all of a request's parcels or none, until something is removed."""
    monkeypatch.setattr(queue_file, name, limit)
    await queue.put({"": parcel(b"0123456789"), "http://further": parcel(b"0123456789")})
    asked = [queue.put({"": parcel(b"0123456789"), "http://further": parcel(b"0123456789")}), queue.put({"": PARCEL})]

    full, fits = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(full, StorageError)
    assert fits is None
    assert queue.waiting == {"vapi": 3}
    with pytest.raises(StorageError, match="too many events"):
        await queue.put({"": parcel(b"0123456789")})
    await queue.remove((await claim(queue))[0])
    await queue.put({"": parcel(b"0")})


async def test_a_failing_disk_keeps_nothing_and_recovers(tmp_path: Path, queue: RelayQueue) -> None:
    """While another process blocks the file nothing is kept; afterwards all is as it was."""
    await queue.put({"": PARCEL})
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StorageError, match="locked"):
        await queue.put({"": PARCEL})

    other.execute("ROLLBACK")
    other.close()
    await queue.put({"": parcel(b"later")})
    assert [each.parcel.body for each in await claim(queue)] == [PARCEL.body, b"later"]
    assert queue.waiting == {"vapi": 2}


async def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be read is kept under another name and said so, and the queue goes on with a new file."""
    (tmp_path / NAME).write_bytes(b"no database at all" * 1000)
    queue = RelayQueue(tmp_path / NAME)

    with pytest.raises(StorageError, match="damaged"):
        await claim(queue)

    assert "quarantined" in caplog.text
    assert [name[:22] for name in contents(tmp_path)] == [f"{NAME}.corrupt"]
    await queue.put({"": PARCEL})
    assert len(await claim(queue)) == 1
    await queue.close()


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"\x3e\x61\x1d\xab\xc1"])
async def test_an_event_that_cannot_be_read_blocks_no_other(
    tmp_path: Path, queue: RelayQueue, caplog: pytest.LogCaptureFixture, blob: bytes
) -> None:
    """A file with a row that is no event, or not the one that was written, is quarantined like a damaged one."""
    await queue.put({"": PARCEL})
    await queue.close()
    db = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    db.execute("UPDATE parcels SET parcel = ?", (blob,))
    db.close()

    later = RelayQueue(tmp_path / NAME)
    with pytest.raises(StorageError, match="can't be read"):
        await claim(later)
    assert "quarantined" in caplog.text
    await later.put({"": PARCEL})
    assert len(await claim(later)) == 1
    await later.close()


async def test_a_newer_releases_file_is_left_alone(tmp_path: Path, queue: RelayQueue) -> None:
    """A file of a schema that this release does not know is not touched."""
    await queue.put({"": PARCEL})
    await queue.close()
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("PRAGMA user_version = 2")
    db.close()
    before = (tmp_path / NAME).read_bytes()

    newer = RelayQueue(tmp_path / NAME)
    with pytest.raises(StorageError, match="schema version 2"):
        await newer.put({"": PARCEL})
    await newer.close()

    assert (tmp_path / NAME).read_bytes() == before


CHILD = """
import asyncio, sys
from pathlib import Path
from exporter.relay.queue import RelayQueue
from tests.relay.test_queue import parcel

async def fill() -> None:
    queue = RelayQueue(Path(sys.argv[1]))
    async def put(number: int) -> None:
        await queue.put({"": parcel(b"%d" % number)})
        print(number, flush=True)
    for start in range(0, 1_000_000, 10):
        await asyncio.gather(*map(put, range(start, start + 10)))

asyncio.run(fill())
"""


def killed(path: Path) -> set[bytes]:
    """Bodies that a process kept before it was killed in the midst of it."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(55)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    return {line.strip() for line in lines if line.endswith(b"\n")}


async def test_what_was_kept_survives_kill_9(tmp_path: Path) -> None:
    """Every parcel that was reported as kept is there after a kill, once."""
    kept = await asyncio.to_thread(killed, tmp_path / NAME)

    queue = RelayQueue(tmp_path / NAME)
    found = [each.parcel.body for each in await claim(queue, slots=10**6)]
    await queue.close()

    assert len(kept) >= 55
    assert kept <= set(found)
    assert len(set(found)) == len(found)
