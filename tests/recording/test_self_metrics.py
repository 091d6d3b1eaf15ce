"""What the process counts of itself has one owner, and exists before the first of its kind."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import exporter
from exporter.config import Config
from exporter.errors import Refusal, RelayFailure
from exporter.metrics.catalogue import METRICS
from exporter.metrics.label_limits import SERIES
from exporter.metrics.label_values import FREE
from exporter.recording.recorder import Recorder
from exporter.store.memory import MemoryStore

SOURCES = Path(exporter.__file__).parent


def values(recorder: Recorder, name: str) -> Mapping[tuple[str, ...], list[int]]:
    """The cells of a family's series, by label values."""
    [family] = [family for family in recorder.table.families() if family.metric is METRICS[name]]
    return {series.labels: series.cells for series in family.series}


def test_nobody_else_writes_a_series_of_the_process() -> None:
    """A counter that seven modules write has seven ideas of when it moves."""
    writers = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if re.search(r"table\.(add|set)\(", path.read_text())
    }

    assert writers == {"recording/self_metrics.py"}


async def test_counters_begin_at_zero() -> None:
    """The first refusal and the first failure are increases."""
    metrics = (recorder := Recorder(Config(), MemoryStore())).metrics
    metrics.begin_webhooks("vapi")
    metrics.begin_relay("vapi")
    metrics.begin_storage()

    refused = values(recorder, "voice_exporter_webhooks_total")
    failed = values(recorder, "voice_exporter_relay_errors_total")
    assert refused == {("vapi", "unknown", outcome): [0] for outcome in get_args(Refusal)}
    assert failed == {("vapi", reason): [0] for reason in get_args(RelayFailure)}
    assert values(recorder, "voice_exporter_storage_errors_total") == {(): [0]}


async def test_closed_label_sets_exist_from_the_start() -> None:
    """What a rule asks for is never missing, and the first of a kind is an increase; a restart keeps what there was."""
    recorder = Recorder(Config(), MemoryStore(), clock=lambda: 1.7e9)
    await recorder.start()
    try:
        assert values(recorder, "voice_exporter_calls_expired_total") == {(): [0]}
        overflows = values(recorder, "voice_exporter_label_overflows_total")
        assert overflows == {(label,): [0] for label in (*FREE, SERIES)}
        missed = values(recorder, "voice_exporter_missed_events_total")
        assert {platform for platform, _ in missed} == {"interactly", "vapi"}
        assert {*map(tuple, missed.values())} == {(0,)}
    finally:
        await recorder.stop()


async def test_the_delay_of_an_event() -> None:
    """A delay below zero is a sender's clock and no delay; an event without a time of its own has none."""
    metrics = (recorder := Recorder(Config(), MemoryStore())).metrics
    metrics.delayed("vapi", 1_800_000_000.5, 1_800_000_000_000)
    metrics.delayed("vapi", 1_800_000_001.0, 1_800_000_002_000)
    metrics.delayed("vapi", 1_800_000_002.0, None)

    [delays] = values(recorder, "voice_exporter_event_delay_seconds").values()
    assert (delays[0], sum(delays[1:])) == (500_000_000, 1)


async def test_a_reload_that_fails_leaves_the_time_of_the_last_success() -> None:
    """An alert tells since when the configuration is stale."""
    recorder = Recorder(Config(), MemoryStore(), clock=lambda: 1_800_000_000.0)
    recorder.metrics.reloaded(successfully=True)
    recorder.metrics.reloaded(successfully=False)

    assert values(recorder, "voice_exporter_config_last_reload_successful") == {(): [0]}
    kept = values(recorder, "voice_exporter_config_last_reload_success_timestamp_seconds")
    assert kept == {(): [1_800_000_000 * 10**9]}
