"""What is held: by an idle process, an open call, a series."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bodies, servers
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, connect, request
from benchmarks.servers import SECRET
from benchmarks.throughput import PATH
from exporter.metrics.catalogue import METRICS
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import Metric
from exporter.metrics.series_table import SeriesTable


async def of_process(folder: Path, calls: int = 3200) -> list[Figure]:
    """The resident memory of an idle exporter, and what each open call of 40 messages adds to it."""
    template = bodies.growing(40)[-1]
    with servers.exporter(folder) as server:
        idle = server.memory_bytes()
        load = await connect(server.port)
        each = calls // CONNECTIONS
        for turn in range(2):
            before = server.memory_bytes()
            await load.run([[_post(template) for _ in range(each)] for _ in range(CONNECTIONS)])
            held = (server.memory_bytes() - before) / (each * CONNECTIONS)
            # The first turn fills what is not per call: buffers, free lists, the journal.
            del turn
        load.close()
    return [
        Figure("memory, idle", idle / 1e6, "MB", 60),
        Figure(
            "memory of an open call of 40 messages", held / 1000, "kB", 6, beside=f"resident memory over {calls} calls"
        ),
    ]


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


def _post(template: bodies.Template) -> bytes:
    return request(PATH, template.of(bodies.new_call()), SECRET)
