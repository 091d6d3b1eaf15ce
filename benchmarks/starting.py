"""How long until the exporter is ready: with nothing kept, and with a lot."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bodies, servers
from benchmarks.figures import Figure
from exporter.config import Config
from exporter.metrics.catalogue import METRICS
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.series_table import SeriesTable
from exporter.platforms.interactly import INTERACTLY
from exporter.recording.calls_in_memory import CallsInMemory, Draft
from exporter.store.base import Batch
from exporter.store.sqlite import SqliteStore

_AT_ONCE = 1000


def measure(folder: Path, series: int = 100_000, calls: int = 50_000) -> Iterator[Figure]:
    """Seconds from the start of the process to the first answer that it is ready."""
    with servers.exporter(folder / "empty") as server:
        yield Figure("start, empty", server.started, "s", 1)
    asyncio.run(fill(folder / "full" / "store", series, calls))
    with servers.exporter(folder / "full") as server:
        yield Figure(f"start, {series} series and {calls} open calls", server.started, "s", 5)


async def fill(folder: Path, series: int, calls: int) -> None:
    """Make a store with so many series and open calls."""
    store = SqliteStore(folder)
    store.load()
    for batch in (*_series(series), *_calls(calls)):
        await store.commit(batch)
    await store.close()


def _series(count: int) -> Iterator[Batch]:
    table = SeriesTable(LabelLimits({}, 10**9, 1e9))
    metric = METRICS["voice_llm_response_seconds"]
    for start in range(0, count, _AT_ONCE):
        labels = (("interactly", f"{number:024x}", "gemini", "flash") for number in range(start, start + _AT_ONCE))
        moved = table.resolve([(metric, each, 10**9) for each in labels], 1.7e9)
        yield Batch(table.staged(), [(one.id, cells) for one, cells in moved], [], {}, {})
        table.apply(moved)


def _calls(count: int) -> Iterator[Batch]:
    memory = CallsInMemory(Config(), LabelLimits({}, 10**9, 1e9))
    template = bodies.growing(10)[-1]
    for _ in range(0, count, _AT_ONCE):
        draft = Draft(memory)
        for _ in range(_AT_ONCE):
            draft.fold(INTERACTLY.parse(template.of(bodies.new_call())), 1.7e9)
        yield Batch([], [], [], draft.encoded_calls(), {})
