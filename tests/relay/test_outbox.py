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

from exporter.relay import shelf
from exporter.relay.outbox import Outbox
from exporter.relay.parcel import Parcel
from exporter.relay.shelf import Lane, Queued
from exporter.store.base import StorageError

PARCEL = Parcel("vapi", "hang", "POST", "/x", "a=1", (("X-Tag", "a"), ("X-Tag", "ü")), b"\x1f\x8b\0")
NAME = "relay-queue.db"


def parcel(body: bytes, platform: str = "vapi") -> Parcel:
    """A parcel with that body."""
    return replace(PARCEL, body=body, platform=platform)


def contents(directory: Path) -> dict[str, bytes]:
    """What the files of a directory hold, by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    """An outbox of a file."""
    opened = Outbox(tmp_path / NAME)
    yield opened
    await opened.close()


async def claim(outbox: Outbox, now: float = 1.0, slots: int = 99) -> list[Queued]:
    """What is due."""
    return (await outbox.claim(now, lambda _: slots))[0]


async def test_what_comes_out_is_what_went_in(outbox: Outbox) -> None:
    """Every part of a request survives the file, bytes that are no text included."""
    await outbox.put({"": PARCEL, "http://further": parcel(b"")})
    claimed = await claim(outbox)
    assert [(each.target, each.attempts, each.parcel) for each in claimed] == [
        ("", 1, PARCEL),
        ("http://further", 1, parcel(b"")),
    ]
    assert claimed[1].lane == ("vapi", "http://further")
    assert outbox.waiting == {"vapi": 2}


async def test_what_is_claimed_is_not_due_until_it_is_postponed(outbox: Outbox) -> None:
    """Claim, postpone, claim again at its time, remove: each attempt is counted."""
    await outbox.put({"": PARCEL})
    [first] = await claim(outbox)
    assert await claim(outbox, 1e12) == []
    await outbox.postpone(first, 10.0)
    assert await outbox.claim(9.0, lambda _: 9) == ([], 10.0)
    [second] = await claim(outbox, 10.0)
    assert (second.id, second.attempts) == (first.id, 2)
    await outbox.remove(second)
    assert await outbox.claim(1e12, lambda _: 9) == ([], None)
    assert outbox.waiting == {"vapi": 0}


async def test_oldest_first_and_so_many_for_each_lane(outbox: Outbox) -> None:
    """A lane gives what it has slots for, in order; one without slots gives nothing and holds up no other."""
    for number in range(3):
        await outbox.put({"": parcel(b"%d" % number), "http://further": PARCEL})
        await outbox.put({"": parcel(b"%d" % number, "interactly")})
    slots: dict[Lane, int] = {("vapi", ""): 2, ("vapi", "http://further"): 0, ("interactly", ""): 9}

    claimed, due = await outbox.claim(1.0, slots.__getitem__)

    bodies = {lane: [each.parcel.body for each in claimed if each.lane == lane] for lane in slots}
    assert bodies == {
        ("vapi", ""): [b"0", b"1"],
        ("vapi", "http://further"): [],
        ("interactly", ""): [b"0", b"1", b"2"],
    }
    assert due is None


async def test_another_process_goes_on(tmp_path: Path, outbox: Outbox) -> None:
    """What an earlier process left is due at once, claimed or postponed, with its attempts."""
    for body in (b"claimed", b"postponed", b"untouched", b"removed"):
        await outbox.put({"": parcel(body)})
    claimed = await claim(outbox, slots=2)
    await outbox.postpone(claimed[1], 1e12)
    await outbox.close()

    later = Outbox(tmp_path / NAME)
    assert await later.load()
    assert later.waiting == {"vapi": 4}
    found = {each.parcel.body: each.attempts for each in await claim(later)}
    assert found == {b"claimed": 2, b"postponed": 2, b"untouched": 1, b"removed": 1}
    await later.close()


async def test_no_file_before_it_is_needed(tmp_path: Path) -> None:
    """Who never acknowledges by itself has no file with bodies; in memory there never is one."""
    for outbox in (Outbox(tmp_path / NAME), Outbox(None)):
        assert not await outbox.load()
        await outbox.close()
    memory = Outbox(None)
    await memory.put({"": PARCEL})
    assert [each.parcel for each in await claim(memory)] == [PARCEL]
    await memory.close()
    assert contents(tmp_path) == {}


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read the directory, the file, or the journal beside it."""
    outbox = Outbox(tmp_path / "new" / NAME)
    await outbox.put({"": PARCEL})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert set(modes.values()) == {0o600}
    assert NAME in modes
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    await outbox.close()


async def test_nothing_of_a_body_stays(tmp_path: Path, outbox: Outbox) -> None:
    """A removed body is gone from every file, though others still wait."""
    words = b"Ada Example, 555-0100 " * 10_000
    await outbox.put({"": parcel(words)})
    await outbox.put({"": parcel(b"other")})
    assert words[:22] in b"".join(contents(tmp_path).values())

    await outbox.remove((await claim(outbox))[0])

    left = b"".join(contents(tmp_path).values())
    assert b"Ada" not in left
    assert b"555-0100" not in left
    assert b"other" in left
    assert len(left) < 100_000


@pytest.mark.parametrize(("name", "limit"), [("MAX_EVENTS", 3), ("MAX_BYTES", 30)])
async def test_a_full_queue_takes_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """Beyond its limits it refuses, all of a request's parcels or none, until something is removed."""
    monkeypatch.setattr(shelf, name, limit)
    await outbox.put({"": parcel(b"0123456789"), "http://further": parcel(b"0123456789")})
    asked = [outbox.put({"": parcel(b"0123456789"), "http://further": parcel(b"0123456789")}), outbox.put({"": PARCEL})]

    full, fits = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(full, StorageError)
    assert fits is None
    assert outbox.waiting == {"vapi": 3}
    with pytest.raises(StorageError, match="too many events"):
        await outbox.put({"": parcel(b"0123456789")})
    await outbox.remove((await claim(outbox))[0])
    await outbox.put({"": parcel(b"0")})


async def test_a_failing_disk_keeps_nothing_and_recovers(tmp_path: Path, outbox: Outbox) -> None:
    """While another process blocks the file nothing is kept; afterwards all is as it was."""
    await outbox.put({"": PARCEL})
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StorageError, match="locked"):
        await outbox.put({"": PARCEL})

    other.execute("ROLLBACK")
    other.close()
    await outbox.put({"": parcel(b"later")})
    assert [each.parcel.body for each in await claim(outbox)] == [PARCEL.body, b"later"]
    assert outbox.waiting == {"vapi": 2}


async def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be read is kept under another name and said so, and the queue goes on with a new file."""
    (tmp_path / NAME).write_bytes(b"no database at all" * 1000)
    outbox = Outbox(tmp_path / NAME)

    with pytest.raises(StorageError, match="damaged"):
        await claim(outbox)

    assert "set aside" in caplog.text
    assert [name[:22] for name in contents(tmp_path)] == [f"{NAME}.corrupt"]
    await outbox.put({"": PARCEL})
    assert len(await claim(outbox)) == 1
    await outbox.close()


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"\x3e\x61\x1d\xab\xc1"])
async def test_an_event_that_cannot_be_read_blocks_no_other(
    tmp_path: Path, outbox: Outbox, caplog: pytest.LogCaptureFixture, blob: bytes
) -> None:
    """A file with a row that is no event, or not the one that was written, is set aside like a damaged one."""
    await outbox.put({"": PARCEL})
    await outbox.close()
    db = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    db.execute("UPDATE parcels SET parcel = ?", (blob,))
    db.close()

    later = Outbox(tmp_path / NAME)
    with pytest.raises(StorageError, match="can't be read"):
        await claim(later)
    assert "set aside" in caplog.text
    await later.put({"": PARCEL})
    assert len(await claim(later)) == 1
    await later.close()


async def test_a_newer_releases_file_is_left_alone(tmp_path: Path, outbox: Outbox) -> None:
    """A file of a schema that this release does not know is not touched."""
    await outbox.put({"": PARCEL})
    await outbox.close()
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("PRAGMA user_version = 2")
    db.close()
    before = (tmp_path / NAME).read_bytes()

    newer = Outbox(tmp_path / NAME)
    with pytest.raises(StorageError, match="schema version 2"):
        await newer.put({"": PARCEL})
    await newer.close()

    assert (tmp_path / NAME).read_bytes() == before


CHILD = """
import asyncio, sys
from pathlib import Path
from exporter.relay.outbox import Outbox
from tests.relay.test_outbox import parcel

async def fill() -> None:
    outbox = Outbox(Path(sys.argv[1]))
    async def put(number: int) -> None:
        await outbox.put({"": parcel(b"%d" % number)})
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

    outbox = Outbox(tmp_path / NAME)
    found = [each.parcel.body for each in await claim(outbox, slots=10**6)]
    await outbox.close()

    assert len(kept) >= 55
    assert kept <= set(found)
    assert len(set(found)) == len(found)
