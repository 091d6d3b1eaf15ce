"""All that a store of one process holds, as a batch for a store that several share."""

import time
from operator import attrgetter

from exporter.calls import state_codec
from exporter.config import Config
from exporter.metrics.catalogue import CALLS_TRACKED
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.series import Family
from exporter.recording.calls_in_memory import CallsInMemory
from exporter.recording.clock import Clock
from exporter.store.base import Batch, Store


def everything(store: Store, now: float) -> Batch:
    """A snapshot batch; ``now`` is Unix time by the clock of the shared store, by which calls age from here on.

    Raises:
        StorageError: the store can't be opened or read.
    """
    snapshot = store.load(state_codec.merge)
    config = Config()
    memory = CallsInMemory(config, LabelLimits(config.labels.max_values, config.labels.max_series, config.labels.ttl))
    memory.load(snapshot.calls, snapshot.assistants)
    clock = Clock()
    memory.resume(clock, snapshot.assistants)
    rows = memory.rows(later=now - clock.steady())
    # The process that has all calls in memory counts them; those that share a store keep a series.
    number = max(map(attrgetter("id"), snapshot.series), default=0) + 1
    tracked = Family(CALLS_TRACKED).create(number, (), time.time()).stored()
    tracked.cells[0] = len(rows)
    return Batch([*snapshot.series, tracked], [], [], {}, dict(snapshot.assistants), snapshot=True, rows=rows)
