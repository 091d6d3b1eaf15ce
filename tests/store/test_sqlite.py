"""The SQLite store from outside: what is handed over is there after a restart."""

import asyncio
import stat
from pathlib import Path

import pytest

from exporter.store.database import Database
from exporter.store.sqlite import SqliteStore
from tests.store.model import Model, batch, created, files, kept, numbered, same


async def test_nothing_is_kept_at_first(directory: Path) -> None:
    """An empty directory gives an empty snapshot."""
    store = SqliteStore(directory)
    assert same(store.load(), Model().snapshot())
    await store.close()


@pytest.mark.parametrize("count", [1, 4, 5, 6, 53])
async def test_restart(store: SqliteStore, directory: Path, count: int) -> None:
    """What was committed is there after a restart, with and without a checkpoint, and after one more restart."""
    batches = [numbered(number) for number in range(1, count + 1)]
    for each in batches:
        await store.commit(each)
    await store.close()
    assert same(kept(directory), Model(*batches).snapshot())
    assert same(kept(directory), Model(*batches).snapshot())


async def test_calls_come_in_the_order_of_their_last_commit(store: SqliteStore, directory: Path) -> None:
    """A call that is committed again moves to the end, across checkpoints and restarts."""
    for number in range(7):
        await store.commit(batch(calls={number: b"old"}))
    await store.commit(batch(calls={3: b"new", 1: b"new"}))
    await store.close()
    assert [key for key, _ in kept(directory).calls] == [0, 2, 4, 5, 6, 3, 1]


async def test_records_of_a_call_are_merged(store: SqliteStore, directory: Path) -> None:
    """Each record is added to those before it, by the caller's own rule, until the call is forgotten."""
    sizes = (10, 3000, 10, 10, 100_000, 500, 10)
    for number, size in enumerate(sizes):
        for _ in range(3):
            await store.commit(batch(calls={1: b"%d" % number * size, 2: b"x"}))
    await store.commit(batch(calls={2: None}))
    await store.commit(batch(calls={2: b"new"}))
    await store.close()
    expected = b"".join(b"%d" % number * size * 3 for number, size in enumerate(sizes))
    assert kept(directory).calls == [(1, expected), (2, b"new")]


async def test_a_long_call_is_not_written_anew_for_each_change(store: SqliteStore, directory: Path) -> None:
    """What commits and checkpoints write follows from what they add, not from what the call has."""
    await store.commit(batch(calls={1: bytes(400_000)}))
    await store.close()
    later = SqliteStore(directory, checkpoint_rows=5)
    await asyncio.to_thread(later.load)
    for _ in range(20):
        await later.commit(batch(calls={1: b"a few bytes"}))
    written = (directory / "voice-exporter.db-wal").stat().st_size
    await later.close()
    assert written < 400_000
    assert kept(directory).calls == [(1, bytes(400_000) + b"a few bytes" * 20)]


@pytest.mark.parametrize("amount", [2**63, 2**64, 10**40, -(2**63) - 1, -(10**40), -5])
async def test_amounts_of_any_size(store: SqliteStore, directory: Path, amount: int) -> None:
    """No amount and no sum is too large or too small to be kept exactly."""
    await store.commit(batch([created(1, 2)], [(1, ((1, amount),))]))
    for _ in range(6):
        await store.commit(batch(increments=[(1, ((1, amount),))], calls={1: b"\xff\x00"}))
    await store.close()
    assert kept(directory).series[0].cells == [0, 7 * amount]


async def test_the_latest_value(store: SqliteStore, directory: Path) -> None:
    """A first cell takes the value that a batch says, behind its increments and before those of later ones."""
    await store.commit(batch([created(1, 2)], [(1, ((0, 1), (1, 1)))], latest=[(1, 10**20)]))
    for number in range(6):
        await store.commit(batch(increments=[(1, ((0, 1), (1, 1)))], latest=[(1, 50)] if number == 4 else None))
    await store.close()
    assert kept(directory).series[0].cells == [51, 7]


async def test_the_list_of_a_series_stays_the_callers(store: SqliteStore, directory: Path) -> None:
    """A caller that goes on counting in the cells it handed over counts nothing twice."""
    one = created(1)
    await store.commit(batch([one], [(1, ((0, 3),))]))
    one.cells[0] += 3
    await store.close()
    assert kept(directory).series[0].cells == [3]


async def test_a_series_nobody_knows(store: SqliteStore, directory: Path) -> None:
    """An increment of a dropped series changes nothing."""
    await store.commit(batch([created(1), created(2)]))
    await store.commit(batch(dropped=[1]))
    await store.commit(batch(increments=[(1, ((0, 1),)), (2, ((0, 1),))]))
    await store.close()
    assert [(one.id, one.cells) for one in kept(directory).series] == [(2, [1])]


async def test_a_number_used_again(store: SqliteStore, directory: Path) -> None:
    """A series that is created under the number of a dropped one starts anew."""
    await store.commit(batch([created(1)], [(1, ((0, 5),))]))
    await store.commit(batch(dropped=[1]))
    await store.commit(batch([created(1)], [(1, ((0, 2),))]))
    await store.close()
    assert [one.cells for one in kept(directory).series] == [[2]]


async def test_a_snapshot_batch(store: SqliteStore, directory: Path) -> None:
    """A snapshot batch takes the place of everything, with the values that its series have."""
    await store.commit(numbered(1))
    one = created(500, 2)
    one.cells[:] = [4, 10**30]
    await store.commit(batch([one], calls={2: b"b", 1: b"a"}, assistants={9: b"z"}, snapshot=True))
    await store.commit(batch(increments=[(500, ((0, 1),))], calls={2: b"c"}))
    await store.close()
    found = kept(directory)
    assert [(each.id, each.cells) for each in found.series] == [(500, [5, 10**30])]
    assert (found.calls, found.assistants) == ([(1, b"a"), (2, b"bc")], [(9, b"z")])


async def test_only_the_owner_may_look(store: SqliteStore, directory: Path) -> None:
    """The directory and all files in it are closed to everybody else."""
    await store.commit(numbered(1))
    modes = files(directory) | files(directory.parent)
    assert modes.pop("data") == stat.S_IFDIR | 0o700
    assert modes.keys() >= {"voice-exporter.db", "voice-exporter.db-wal", "lock"}
    assert set(modes.values()) == {stat.S_IFREG | 0o600}


async def test_close_leaves_one_file(store: SqliteStore, directory: Path) -> None:
    """After the end everything is in the database file, so that it can be copied."""
    await store.commit(numbered(1))
    await store.close()
    assert files(directory).keys() == {"lock", "voice-exporter.db"}


async def test_a_cancelled_commit_is_finished(store: SqliteStore, directory: Path) -> None:
    """A batch that was handed over is kept though its task was cancelled."""
    task = asyncio.create_task(store.commit(numbered(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    await store.close()
    assert same(kept(directory), Model(numbered(1)).snapshot())


def test_a_commit_outlives_its_loop(directory: Path) -> None:
    """A batch that was handed over is kept though its event loop was closed."""
    store = SqliteStore(directory)
    store.load()
    loop = asyncio.new_event_loop()
    task = loop.create_task(store.commit(numbered(1)))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    asyncio.run(store.close())
    assert same(kept(directory), Model(numbered(1)).snapshot())


async def test_a_bug_is_reported_to_the_one_who_waits(store: SqliteStore) -> None:
    """A batch that can't be encoded fails where it was handed over, and the next one is kept."""
    with pytest.raises(TypeError):
        await store.commit(batch(calls={1: object()}))  # type: ignore[dict-item]  # that is the defect
    await store.commit(numbered(1))


async def test_a_bug_in_tidying_up(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong after the answer is in the log, and the next commit is served."""
    monkeypatch.setattr(Database, "tidy", lambda _: 1 / 0)
    await store.commit(numbered(1))
    await store.commit(numbered(2))
    assert "storage has a bug, please report it" in caplog.messages
    assert "ZeroDivisionError at " in vars(caplog.records[0])["fields"]["error"]


async def test_quarantined(store: SqliteStore, directory: Path) -> None:
    """A store that was damaged gives the name of what it quarantined."""
    assert store.quarantined is None
    await store.close()
    (directory / "voice-exporter.db").write_bytes(b"garbage")
    damaged = SqliteStore(directory)
    assert same(damaged.load(), Model().snapshot())
    await damaged.close()
    assert damaged.quarantined in files(directory)
