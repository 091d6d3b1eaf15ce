"""The store that several processes share: what one commits the others learn once, whatever breaks meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from exporter.errors import StorageError, StoreConflict
from exporter.store.base import Due
from exporter.store.postgres import PostgresStore
from tests.store.model import Model, batch, created, same
from tests.store.replicas import Process, Start, called, fold, loaded, rows
from tests.support.cutting import Cutter, Point
from tests.support.postgres import FAST, Postgres
from tests.support.waiting import until


@pytest.fixture
async def start(url: str) -> AsyncIterator[Start]:
    """Starts processes on one database."""
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(url))
        return started[-1]

    yield begin
    for process in started:
        await process.store.close()


async def test_each_learns_once_what_the_others_commit(start: Start) -> None:
    """Whoever asks is told of all that the others committed before, and of nothing twice."""
    one, other, third = start(), start(), start()
    for number in range(1, 6):
        await one.keep(batch([created(number)], [(number, ((0, number),))]))
        await other.keep(batch(increments=[(number, ((0, 10),))]), exclusive=False)
        assert [len(told.increments) for told in await one.told()] == [1]
    assert len(await third.told()) == 10
    assert [*map(len, [await one.told(), await third.told()])] == [0, 0]
    assert [told.increments for told in await other.told()] == [[(number, ((0, number),))] for number in range(1, 6)]


async def test_a_new_process_finds_all(start: Start, url: str) -> None:
    """Whether the journals are folded or not, and however often: the same."""
    one, other, model = start(), start(), Model()
    for number in range(1, 40):
        grows = batch([created(number, 3)], [(number, ((0, 10**20), (2, 1)))], assistants={number % 5: b"%d" % number})
        adds = batch(increments=[(number, ((1, number),))], latest=[(number, number * 7)])
        await one.keep(grows)
        await other.keep(adds, exclusive=False)
        model.commit(grows)
        model.commit(adds)
        if number % 10 == 0:
            drops = batch(dropped=[number - 5], assistants={1: None})
            await other.keep(drops)
            model.commit(drops)
            assert same(await asyncio.to_thread(loaded, url), model.snapshot())
            await fold(url)
    assert same(loaded(url), model.snapshot())


async def test_a_call_is_lent_to_one_at_a_time(start: Start) -> None:
    """The next one waits, and gets it as it was committed."""
    one, other = start(), start()
    await one.keep(rows(n1=called(b"first"), n2=called(b"other")), [1, 2], exclusive=False)
    assert await one.store.borrow([2, 1]) == [(1, b"first"), (2, b"other")]
    waiting = asyncio.create_task(other.store.borrow([1, 3]))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    await one.store.commit(rows(n1=called(b"second")))
    assert await waiting == [(1, b"second")]
    await other.store.abort()


async def test_two_that_open_the_same_call(start: Start) -> None:
    """The later one has to begin again, and finds what the first one knows of it."""
    one, other = start(), start()
    assert await one.store.borrow([5]) == await other.store.borrow([5]) == []
    commits = (one.store.commit(rows(n5=called(b"one"))), other.store.commit(rows(n5=called(b"other"))))
    ends = await asyncio.gather(*commits, return_exceptions=True)
    assert sorted(map(type, ends), key=str) == [type(None), StoreConflict]
    first, late = (one, other) if ends[0] is None else (other, one)
    await late.store.abort()
    assert await late.store.borrow([5]) == [(5, b"one" if first is one else b"other")]
    await late.store.abort()


async def test_numbers_of_incidents(start: Start) -> None:
    """Nobody gets one twice, also of batches under way at the same moment, nor one that is taken elsewhere."""
    one, other = start(), start()
    for process in (one, other):
        await process.store.borrow(())
    found = [await process.store.number_incidents(3, above=0) for process in (one, other)]
    assert found == [[1, 2, 3], [4, 5, 6]]
    assert await one.store.number_incidents(2, above=5) == [7, 8]
    assert await one.store.number_incidents(2, above=700) == [701, 702]
    assert await other.store.number_incidents(2, above=6) == [703, 704]
    for process in (one, other):
        await process.store.abort()


async def test_records_that_come_in_any_order(start: Start, url: str) -> None:
    """Of those under one key remains what the caller chooses, whether they are in the journal, the tables or both."""

    def greater(_: int, one: bytes, other: bytes) -> bytes:
        return max(one, other)

    async def found() -> dict[int, bytes]:
        store = PostgresStore(url)
        store.listen(lambda _: None, greater)
        return dict((await asyncio.to_thread(store.load)).assistants)

    one, other = start(), start()
    for number in range(0, 60, 20):
        await one.keep(batch(assistants={1: b"%d" % (10 + number), 2: b"%d" % (15 + number)}), exclusive=False)
        await other.keep(batch(assistants={1: b"%d" % (15 + number), 2: b"%d" % (10 + number)}), exclusive=False)
        expected = {1: b"%d" % (15 + number), 2: b"%d" % (15 + number)}
        assert await found() == expected
        if number:
            await fold(url, greater)
            assert await found() == expected
    await one.keep(batch(assistants={1: b"10", 2: None}))
    assert await found() == {1: b"55"}
    await fold(url, greater)
    assert await found() == {1: b"55"}


async def test_exclusive_batches_follow_each_other(start: Start) -> None:
    """Whoever claims waits for the one before, and knows what it changed when its turn comes."""
    one, other = start(), start()
    await other.store.borrow(())
    await one.store.borrow(())
    await one.store.claim()
    waiting = asyncio.create_task(other.store.claim())
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    await one.store.commit(batch([created(1)]))
    await waiting
    assert [told.series for told in other.news] == [[created(1)]]
    await other.store.abort()


async def test_nothing_is_added_to_what_is_dropped(start: Start, url: str) -> None:
    """A batch that is under way when a series is dropped has to begin again, and is told of it."""
    one, other = start(), start()
    await one.keep(batch([created(1), created(2)]))
    await other.store.borrow(())
    await other.told()
    await one.keep(batch(dropped=[1]))
    with pytest.raises(StoreConflict):
        await other.store.commit(batch(increments=[(1, ((0, 1),))]))
    await other.store.abort()
    assert [told.dropped for told in other.news] == [[1]]
    await other.keep(batch(increments=[(2, ((0, 1),))]), exclusive=False)
    assert [(each.id, each.cells) for each in loaded(url).series] == [(2, [1])]


async def test_who_drops_knows_what_was_added_before(start: Start) -> None:
    """A batch that is on its way is waited for, and told."""
    one, other = start(), start()
    await one.keep(batch([created(1)]))
    await other.told()
    await other.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
    await one.store.borrow(())
    await one.store.claim(dropping=True)
    assert [told.increments for told in one.news] == [[(1, ((0, 1),))]]
    await one.store.abort()


async def test_due_calls(start: Start) -> None:
    """The oldest of each kind are lent, to one process at a time."""
    one, other = start(), start()
    calls = {f"n{n}": called(b"%d" % n, used=1000.0 * n, still_open=n % 2 == 0) for n in range(1, 9)}
    await one.keep(rows(**calls), range(1, 9), exclusive=False)
    due = Due(silent_before=5000.0, ended_before=4000.0, excess=0, limit=10)
    assert await one.store.borrow_due(due) == [(1, b"1"), (3, b"3"), (2, b"2"), (4, b"4")]
    assert await other.store.borrow_due(due) is None
    await one.store.commit(rows(n1=None, n3=None, n2=called(b"2", used=2000.0, still_open=False)))
    assert await other.store.borrow_due(due) == [(2, b"2"), (4, b"4")]
    assert await other.store.groups_in_use() == {"an assistant"}
    await other.store.abort()
    assert await one.store.borrow_due(Due(0.0, 0.0, 2, 2)) == [(2, b"2"), (5, b"5")]
    await one.store.abort()


@pytest.mark.parametrize("point", ["before COMMIT", "after COMMIT"])
async def test_a_connection_that_breaks_in_a_commit(url: str, point: Point) -> None:
    """Before it, nothing was kept and the caller hears so; after it, the batch is found to be kept. Never both."""
    async with Cutter(url) as cutter:
        process = await asyncio.to_thread(Process, cutter.url)
        await process.keep(batch([created(1)]))
        for count in range(1, 4):
            await process.store.borrow([])
            cutter.arm(point)
            if point == "before COMMIT":
                with pytest.raises(StorageError):
                    await process.store.commit(batch(increments=[(1, ((0, 1),))]))
                await process.store.abort()
                await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
            else:
                await process.store.commit(batch(increments=[(1, ((0, 1),))]))
            assert cutter.cuts == count
        await process.store.refresh()
        assert process.news == []
        await process.store.close()
    found = await asyncio.to_thread(loaded, url)
    assert found.series[0].cells == [3]


async def test_a_commit_whose_end_nobody_knows(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database stays away behind it, the caller hears so; what was kept is news once it is back."""
    monkeypatch.setattr("exporter.store.postgres.replica.RESOLVE_SECONDS", 0.5)
    async with Cutter(url) as cutter:
        process = await asyncio.to_thread(Process, cutter.url)
        await process.keep(batch([created(1)]))
        await process.store.borrow([])
        cutter.arm("after COMMIT")
        cutter.unreachable = True
        with pytest.raises(StorageError):
            await process.store.commit(batch(increments=[(1, ((0, 5),))]))
        await process.store.abort()
        cutter.unreachable = False
        await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
        assert [told.increments for told in process.news] == [[(1, ((0, 5),))]]
        process.news.clear()
        assert await process.told() == []
        await process.store.close()
    assert (await asyncio.to_thread(loaded, url)).series[0].cells == [6]


async def test_a_commit_that_others_see_before_its_own_process(url: str) -> None:
    """Whoever asks that process waits for it: a scrape of another one may have shown it already."""
    async with Cutter(url) as cutter:
        one, other = [await asyncio.to_thread(Process, each) for each in (cutter.url, url)]
        await one.keep(batch([created(1)]))
        await one.store.refresh()
        await other.told()
        await one.store.borrow([])
        cutter.arm("hold the answer")
        committing = asyncio.create_task(one.store.commit(batch(increments=[(1, ((0, 1),))])))
        await cutter.held.wait()
        assert len(await other.told()) == 1
        asking = asyncio.create_task(one.store.refresh())
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        cutter.resume.set()
        await asking
        assert committing.done()
        assert one.news == []
        await one.store.close()
        await other.store.close()


async def test_who_was_away_for_long_reads_everything_anew(start: Start, url: str, postgres: Postgres) -> None:
    """Where the journal is folded and gone that a process lacks, it is told all there is."""
    one, other = start(), start()
    await one.keep(batch([created(1)], [(1, ((0, 3),))]))
    await fold(url)
    postgres.execute("UPDATE voice_exporter.journal SET at = at - interval '1 hour'", url.rpartition("/")[2])
    await fold(url)
    with pytest.raises(StoreConflict):
        await other.told()
    await other.keep(batch(), exclusive=False)
    assert other.anew is not None
    assert [each.cells for each in other.anew.series] == [[3]]
    await one.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
    assert len(await other.told()) == 1


async def test_a_process_that_was_forgotten_begins_again(start: Start, url: str, postgres: Postgres) -> None:
    """As a new one; nothing that it committed is lost or counted twice."""
    one = start()
    await one.keep(batch([created(1)], [(1, ((0, 3),))]))
    await fold(url)
    postgres.execute(
        "UPDATE voice_exporter.journal SET at = at - interval '1 day';"
        "UPDATE voice_exporter.replica SET seen = seen - interval '1 day'",
        url.rpartition("/")[2],
    )
    await fold(url)
    await one.store.borrow(())
    with pytest.raises(StoreConflict):
        await one.store.commit(batch(increments=[(1, ((0, 1),))]))
    await one.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
    assert loaded(url).series[0].cells == [4]


async def test_a_database_that_is_away() -> None:
    """Nothing is kept meanwhile, and what was kept is there when it is back."""
    with Postgres(FAST) as server:
        process = await asyncio.to_thread(Process, server.database())
        await process.keep(batch([created(1)], [(1, ((0, 1),))]))
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: process.store.commit(batch(increments=[(1, ((0, 1),))])),
            lambda: process.store.borrow([]),
            process.store.refresh,
        ]
        for end in (server.stop, server.kill):
            await process.store.borrow([])
            await asyncio.to_thread(end)
            for attempt in attempts:
                with pytest.raises(StorageError):
                    await attempt()
                await process.store.abort()
            await asyncio.to_thread(server.start)
            await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
            assert await process.told() == []
        await process.store.close()
        assert (await asyncio.to_thread(loaded, server.url("test_1"))).series[0].cells == [3]


async def test_a_standby_takes_over() -> None:
    """With a synchronous standby, what was kept is there after its promotion, and the same URL finds it."""
    with Postgres((*FAST, "synchronous_standby_names = '*'", "synchronous_commit = local")) as primary:
        primary.execute("CREATE DATABASE voice")
        with Postgres(FAST, copy_of=primary) as standby:
            until(
                "sync",
                lambda: primary.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1",
            )
            url = f"postgresql://voice@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/voice"
            process = await asyncio.to_thread(Process, url)
            await process.keep(batch([created(1)]))
            for _ in range(20):
                await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
            await asyncio.to_thread(primary.kill)
            with pytest.raises(StorageError):
                await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
            await process.store.abort()
            await asyncio.to_thread(standby.promote)
            # Without a standby of its own it would wait for one.
            standby.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            standby.execute("SELECT pg_reload_conf()")
            await process.keep(batch(increments=[(1, ((0, 1),))]), exclusive=False)
            assert process.anew is None
            await process.store.close()
            assert (await asyncio.to_thread(loaded, url)).series[0].cells == [21]
