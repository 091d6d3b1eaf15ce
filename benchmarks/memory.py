"""What is held: by an idle process, an open call, a series."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import bodies, servers
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, connect, request
from benchmarks.servers import SECRET
from exporter.metrics.catalogue import METRICS
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import Metric
from exporter.metrics.series_table import SeriesTable
from exporter.simulate.model import PlatformName

PLATFORMS: Final[Sequence[PlatformName]] = ("interactly", "vapi")


async def of_process(folder: Path, calls: int = 6400, platforms: Sequence[PlatformName] = PLATFORMS) -> list[Figure]:
    """The resident memory of an idle exporter, and what each open call of 40 messages adds to it on a platform."""
    with servers.exporter(folder / "idle") as server:
        idle = server.memory_bytes()
    found = [Figure("memory, idle", idle / 1e6, "MB", 50)]
    for platform in platforms:
        found += [figure async for figure in _of_calls(folder / platform, platform, calls, idle)]
    return found


async def _of_calls(folder: Path, platform: PlatformName, calls: int, idle: int) -> AsyncIterator[Figure]:
    """What each open call adds to a running exporter, and to one that is started with them."""
    template, each = bodies.conversation(platform, 40), calls // CONNECTIONS
    path, header, held = f"/webhook/{platform}", f"x-{platform}-secret", 0.0
    name = f"memory of an open call of 40 messages on {platform}"
    with servers.exporter(folder) as server:
        load = await connect(server.port)
        # The first turn fills what is not per call: buffers, free lists, the journal.
        for _ in range(2):
            before = server.memory_bytes()
            await load.run([[_post(template, path, header) for _ in range(each)] for _ in range(CONNECTIONS)])
            held = (server.memory_bytes() - before) / (each * CONNECTIONS)
        load.close()
    yield Figure(name, held / 1000, "kB", 4, beside=f"resident memory over {calls} calls")
    with servers.exporter(folder) as server:
        held = (server.memory_bytes() - idle) / (2 * each * CONNECTIONS)
    yield Figure(f"{name}, after a restart", held / 1000, "kB", 4, beside=f"resident memory over {2 * calls} calls")


def of_series(count: int = 5000) -> Iterator[Figure]:
    """What a counter and a histogram take, labels included."""
    for name, reach in (("voice_hangs_total", 1.0), ("voice_llm_response_seconds", 2.0)):
        metric = METRICS[name]
        held = _held(metric, count)
        yield Figure(f"memory of a {metric.kind}", held / 1000, "kB", reach, beside=f"{len(metric.bounds)} bounds")


def _held(metric: Metric, count: int) -> float:
    table = SeriesTable(LabelLimits({}, 10**9, 1e9))
    tracemalloc.start()
    for number in range(count):
        labels = ("interactly", f"65f0a1c2d3e4f5a6{number:08x}", "gemini", "gemini-3-flash-preview")
        table.apply(table.resolve([(metric, labels, 10**9)], 1.0))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / count


def _post(template: bodies.Template, path: str, header: str) -> bytes:
    return request(path, template.of(bodies.new_call()), SECRET, header)
