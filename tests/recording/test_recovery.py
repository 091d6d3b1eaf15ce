"""What a restart finds: the same calls and assistants, at a price for each event that does not grow with its call."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from exporter.calls.state import MAX_SEEN, CallState
from exporter.config import Config
from exporter.errors import StorageError, StoreLost
from exporter.events import Event, Hang, identity
from exporter.metrics.label_limits import LabelLimits
from exporter.platforms import PLATFORMS
from exporter.recording.calls_in_memory import CallsInMemory
from exporter.recording.recorder import Recorder
from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.traffic import MONDAY
from exporter.store.base import Batch
from exporter.store.codec import pack
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore


class Forgetful(MemoryStore):
    """Loses everything when told to, and knows when it was given back.

    Attributes:
        loses: whether the next commit finds everything lost.
        rebuilt: everything was given back.
    """

    def __init__(self) -> None:
        self.loses = False
        self.rebuilt = asyncio.Event()

    async def commit(self, batch: Batch) -> None:  # noqa: D102 - as in the protocol
        if batch.snapshot:
            self.rebuilt.set()
        if self.loses:
            self.loses = False
            raise StoreLost("malformed")


class Unrepaired(MemoryStore):
    """Loses everything, and has no memory for what it is given back the first time."""

    def __init__(self) -> None:
        self.faults: list[Exception] = []

    async def commit(self, _: Batch) -> None:  # noqa: D102 - as in the protocol
        if self.faults:
            raise self.faults.pop(0)


class Measured(MemoryStore):
    """Keeps the sizes of the batches that it is given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def commit(self, batch: Batch) -> None:  # noqa: D102 - as in the protocol
        self.sizes.append(len(pack(batch)))


async def started(store: MemoryStore | SqliteStore) -> Recorder:
    """A recorder on that store."""
    recorder = Recorder(Config(), store, clock=lambda: 1.7e9)
    await asyncio.to_thread(recorder.load)
    await recorder.start()
    return recorder


def interactly(kind: str, **fields: Any) -> Event:  # noqa: ANN401 - JSON
    """An event of one call."""
    message = {"type": kind, "timestamp": 1_700_000_000_000, "call": {"id": "one", "assistantId": "a"}, **fields}
    return PLATFORMS["interactly"].parse(json.dumps({"message": message}).encode())


def update(first: int, count: int) -> Event:
    """A conversation-update with messages of these numbers."""
    messages = [
        {"messageId": f"m-{n}", "role": "user", "timestamp": 1_700_000_000_000 + n} for n in range(first, first + count)
    ]
    return interactly("conversation-update", messages=messages)


def hangs(first: int, count: int) -> list[Event]:
    """Hangs of these numbers."""
    return [interactly("hang", timestamp=1_700_000_000_000 + n) for n in range(first, first + count)]


def hang_of(call: int) -> Event:
    """A hang of the call of that number."""
    return Event(
        platform="vapi", kind="hang", call=identity("call", call), call_id=f"{call}", facts=(Hang(messages=1),)
    )


def states(recorder: Recorder) -> dict[int, CallState]:
    """All calls."""
    return {**recorder.memory.open, **recorder.memory.done}


async def test_a_store_that_is_not_rebuilt_is_tried_again() -> None:
    """Whatever the first attempt ends with, the next event is answered, and the one after it counts."""
    recorder = await started(store := Unrepaired())
    store.faults = [StoreLost("malformed"), MemoryError(), StoreLost("malformed")]
    for number in range(2):
        with pytest.raises(StorageError, match="malformed"):
            await recorder.record(hang_of(number))
    assert await recorder.record(hang_of(2)) == "counted"
    await recorder.stop()


@pytest.mark.parametrize("platform", ["interactly", "vapi"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_restart_brings_back_every_state(
    tmp_path: Path, platform: Literal["interactly", "vapi"], seed: int
) -> None:
    """Whenever the process dies, the next one has the calls and assistants that it had."""
    rng = Random(seed)
    scenarios = rng.choices(sorted(SCENARIOS), k=6)
    calls = [generate_call(rng, MONDAY, SCENARIOS[name], traffic=Traffic(platforms=(platform,))) for name in scenarios]
    bodies = [delivery.body for call in calls for delivery in call]
    rng.shuffle(bodies)
    recorder = await started(SqliteStore(tmp_path, checkpoint_rows=5))
    for number, body in enumerate(bodies):
        await recorder.record(PLATFORMS[platform].parse(json.dumps(body).encode()))
        if rng.random() < 0.1 or number == len(bodies) - 1:
            before, assistants = states(recorder), recorder.memory.assistants
            await recorder.stop()
            recorder = await started(SqliteStore(tmp_path, checkpoint_rows=5))
            assert states(recorder) == before
            assert recorder.memory.assistants == assistants
    await recorder.stop()


async def test_an_event_that_only_opens_a_call_is_kept(tmp_path: Path) -> None:
    """A call that began with nothing to count is still open after a restart."""
    recorder = await started(SqliteStore(tmp_path))
    await recorder.record(interactly("conversation-update", messages=[]))
    before = states(recorder)
    assert [state.opened for state in before.values()] == [True]
    await recorder.stop()
    recorder = await started(SqliteStore(tmp_path))
    assert states(recorder) == before
    await recorder.stop()


async def size_after(before: list[Event], event: Event) -> int:
    """Bytes of the commit that keeps an event, after others of its call."""
    store = Measured()
    recorder = await started(store)
    await asyncio.gather(*map(recorder.record, before))
    await recorder.record(event)
    await recorder.stop()
    return store.sizes[-1]


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (lambda count: [update(0, count)], update(MAX_SEEN, 3)),
        (lambda count: hangs(0, count), hangs(MAX_SEEN, 1)[0]),
        (lambda count: hangs(0, count), interactly("status-update", call={"id": "one", "status": "ongoing"})),
    ],
    ids=["messages", "hangs", "a status after hangs"],
)
async def test_what_an_event_writes_does_not_grow_with_its_call(
    before: Callable[[int], list[Event]], event: Event
) -> None:
    """An event is kept in as many bytes after 5,000 others as after 10, but for numbers that have more digits."""
    sizes = [await size_after(before(count), event) for count in (10, 100, 1000, 5000)]
    assert max(sizes) - min(sizes) < 30
    assert max(sizes) < 1000


async def test_a_full_call_writes_next_to_nothing() -> None:
    """What does not count any more does not write the call either."""
    assert await size_after([update(0, 9000), update(9000, 9000), update(18000, 2000)], update(MAX_SEEN, 3)) < 500


async def test_no_round_of_expiry_holds_the_loop() -> None:
    """However many calls are due, or are written anew, the loop turns after a bounded number of them."""
    now, count, store = [1.7e9], 3000, Forgetful()
    recorder = Recorder(Config(), store, clock=lambda: now[0])
    recorder.load()
    await recorder.start()
    await asyncio.gather(*(recorder.record(hang_of(number)) for number in range(count)))
    assert len(recorder.memory.open) == count
    store.loses = True
    with pytest.raises(StorageError, match="malformed"):
        await recorder.record(hang_of(count))
    turns = await turns_during(store.rebuilt.wait())
    assert turns >= count // 500
    now[0] += 86_400
    turns = await turns_during(recorder.tidy())
    assert turns >= count // 200
    assert not recorder.memory.open
    await recorder.stop()


async def turns_during(work: Coroutine[Any, Any, object]) -> int:
    """How often the loop turned while something was done."""
    done, turns = asyncio.ensure_future(work), 0
    while not done.done():
        turns += 1
        await asyncio.sleep(0)
    await done
    return turns


def test_assistants_with_open_calls_are_counted() -> None:
    """Which assistants have open calls is known without looking at all calls."""
    limits = LabelLimits({}, 100, 1.0)
    memory = CallsInMemory(Config(), limits)
    for number in range(4):
        memory.put(number, CallState("vapi", "ab"[number % 2], opened=True))
    memory.put(0, CallState("vapi", "a", opened=True, ending="ended"))
    memory.put(3, CallState("vapi", "b", opened=True))
    memory.forget(2)
    memory.forget(0)
    assert memory.in_use == {"b": 2}
    assert memory.size == 2
