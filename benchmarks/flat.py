"""What an event costs, by how much is known already: ``python -m benchmarks.flat``.

Processor time of recording events that were understood before, 16 at a time: of calls with many messages seen, and
beside many open calls. Neither bodies nor a disk are in it; what a store would write is weighed.
"""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import cycle, islice
from statistics import median
from typing import Final

import uvloop
from msgspec.structs import replace

from benchmarks import bodies
from benchmarks.figures import Figure, table
from exporter.calls import state_codec
from exporter.calls.state import CallState
from exporter.config import Config
from exporter.events import Conversation, Event, Message, identity
from exporter.platforms.interactly import INTERACTLY
from exporter.recording.recorder import Recorder
from exporter.store.base import JOINED, Batch, Merge, Snapshot
from exporter.store.codec import pack
from exporter.store.memory import MemoryStore

AT_ONCE: Final = 16
_TAIL: Final = 2
_TURN_MS: Final = 5000
_NOON_MS: Final = 1_767_700_800_000
_OPEN: Final = CallState("interactly", "front-desk", opened=True, started=True)


class _Store(MemoryStore):
    """Begins with open calls, and weighs what a store would write."""

    def __init__(self, calls: int = 0, age: float = 0.0) -> None:
        self._open = calls
        self._age = age
        self.written = 0

    def load(self, merge: Merge = JOINED) -> Snapshot:  # noqa: ARG002 - part of the protocol
        record = state_codec.encode(replace(_OPEN, last_event=time.time() - self._age))
        return Snapshot([], [(number, record) for number in range(self._open)], [])

    async def commit(self, batch: Batch) -> None:
        self.written += len(pack(batch))


async def of_messages(sizes: Sequence[int] = (10, 100, 1000, 5000), rounds: int = 10) -> list[Figure]:
    """The same two new messages, in calls of which so many were seen before."""
    used: dict[int, list[float]] = {size: [] for size in sizes}
    written: dict[int, list[float]] = {size: [] for size in sizes}
    store = _Store()
    recorder = await _started(store)
    for _ in range(rounds):
        for size in sizes:
            calls = [_conversation(bodies.new_call(), size) for _ in range(AT_ONCE)]
            await _record(recorder, [known for known, _ in calls])
            before = store.written
            used[size].append(await _record(recorder, [new for _, new in calls]))
            written[size].append((store.written - before) / AT_ONCE)
    await recorder.stop()
    return [
        _flatness("update of two new messages, messages seen before", used, 1e6, "µs", 1.3),
        _flatness("the same, written", written, 1, "bytes", 1.05),
    ]


async def of_open_calls(sizes: Sequence[int] = (1_000, 100_000, 500_000), rounds: int = 40) -> list[Figure]:
    """Updates beside so many open calls."""
    recorders = {size: await _started(_Store(size)) for size in sizes}
    used: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, recorder in recorders.items():
            calls = [_conversation(bodies.new_call(), 10) for _ in range(AT_ONCE)]
            await _record(recorder, [known for known, _ in calls])
            used[size].append(await _record(recorder, [new for _, new in calls]))
    for recorder in recorders.values():
        await recorder.stop()
    return [_flatness("update of two new messages, open calls beside it", used, 1e6, "µs", 1.2)]


async def of_expiry(calls: int = 500_000) -> Figure:
    """The longest hold of the loop while so many calls expire."""
    recorder = await _started(_Store(calls, age=10 * 86_400.0))
    holds: list[float] = []
    watching = asyncio.create_task(_watch(holds))
    await recorder.tidy()
    watching.cancel()
    await recorder.stop()
    return Figure(f"longest hold of the loop while {calls} calls expire", max(holds) * 1e3, "ms", 20)


async def _watch(holds: list[float]) -> None:
    """Processor time of this thread between two turns of the loop."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0)
        holds.append(time.thread_time() - before)


async def _started(store: _Store) -> Recorder:
    recorder = Recorder(Config(), store)
    recorder.load()
    await recorder.start()
    return recorder


async def _record(recorder: Recorder, events: Sequence[Event]) -> float:
    """Seconds of the processor for each event."""
    began = time.thread_time()
    await asyncio.gather(*map(recorder.record, events))
    return (time.thread_time() - began) / len(events)


def _conversation(call: str, size: int) -> tuple[Event, Event]:
    """An update with so many messages, and the one after it. What is known of messages is known of a call's own."""
    event, messages, tail = _template(size)
    known, new = (
        replace(event, call=identity(call), call_id=call, facts=(Conversation(part),)) for part in (messages, tail)
    )
    return known, new


@cache
def _template(size: int) -> tuple[Event, tuple[Message, ...], tuple[Message, ...]]:
    """An update, so many messages (those of a conversation again and again, as other ones), and two that follow."""
    event = INTERACTLY.parse(bodies.growing(10)[-1].of("CA"), None)
    said = next(fact for fact in event.facts if isinstance(fact, Conversation)).messages
    messages = tuple(
        replace(message, key=identity(number), time_ms=_NOON_MS + number * _TURN_MS)
        for number, message in enumerate((*islice(cycle(said), size), *said[:_TAIL]))
    )
    return event, messages[:size], messages[size:]


def _flatness(name: str, found: Mapping[int, Sequence[float]], scale: float, unit: str, reach: float) -> Figure:
    middle = {size: median(each) * scale for size, each in found.items()}
    beside = ", ".join(f"{size}: {each:.0f} {unit}" for size, each in middle.items())
    return Figure(f"{name}: largest / smallest", max(middle.values()) / min(middle.values()), "x", reach, beside=beside)


async def measure(*, small: bool = False) -> list[Figure]:
    """All of it."""
    if small:
        return [*await of_messages((10, 20), 1), *await of_open_calls((10, 20), 1), await of_expiry(200)]
    return [*await of_messages(), *await of_open_calls(), await of_expiry()]


def main() -> None:
    """Measure and print."""
    sys.stdout.write(table(uvloop.run(measure())) + "\n")


if __name__ == "__main__":
    main()
