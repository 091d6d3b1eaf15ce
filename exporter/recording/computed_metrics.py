"""Families that follow from the state of the exporter and are computed at each scrape."""

import platform
from typing import Final, TypeAlias

from exporter import __version__
from exporter.calls.assistants import SHARED_LABELS
from exporter.calls.state import AssistantState
from exporter.events import ALL, OTHER, TRANSIENT, UNKNOWN
from exporter.metrics import catalogue as m
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.label_values import clean_name
from exporter.metrics.metric import NANO, Labels, Metric
from exporter.metrics.series_table import SeriesTable
from exporter.platforms import HANGS_UNKNOWN, PLATFORMS
from exporter.recording.calls_in_memory import CallsInMemory

ComputedFamily: TypeAlias = tuple[Metric, list[tuple[Labels, int]]]
"""A family and its series: label values and amount in units of the metric's scale."""

_BUILD: Final[ComputedFamily] = (m.BUILD_INFO, [((__version__, platform.python_version()), 1)])


def derived(memory: CallsInMemory, labels: LabelLimits, table: SeriesTable) -> list[ComputedFamily]:
    """Every family that is computed rather than counted, where one process has the store."""
    tracked: ComputedFamily = (m.CALLS_TRACKED, [((), len(memory))])
    return [_BUILD, tracked, *_of_calls(memory, labels), table.sizes()]


def of_all_replicas(
    memory: CallsInMemory, labels: LabelLimits, table: SeriesTable, *, outdated: bool
) -> list[ComputedFamily]:
    """Those in which all processes agree that share a store, and what one says of its answer."""
    return [*_of_calls(memory, labels), table.sizes(stored=True), _BUILD, _outdated(outdated=outdated)]


def of_replica(*, outdated: bool, lag: float) -> list[ComputedFamily]:
    """Those of one process of several; ``lag`` is the seconds since it knew all that others recorded."""
    return [_BUILD, _outdated(outdated=outdated), (m.REPLICA_LAG, [((), int(lag * NANO))])]


def _outdated(*, outdated: bool) -> ComputedFamily:
    return m.STATE_OUTDATED, [((), int(outdated))]


def _of_calls(memory: CallsInMemory, labels: LabelLimits) -> list[ComputedFamily]:
    assistants = [assistant for assistant in memory.assistants.values() if assistant.id not in SHARED_LABELS]
    return [
        (m.ASSISTANT_INFO, [*map(_info, assistants), *_shared(memory)]),
        (m.EVENT_SUBSCRIBED, [row for assistant in assistants for row in _subscribed(assistant)]),
        labels.sizes(),
    ]


def _info(assistant: AssistantState) -> tuple[Labels, int]:
    configuration = (assistant.llm_provider, assistant.llm_model, assistant.stt_provider, assistant.tts_provider)
    known = (value or UNKNOWN for value in configuration)
    return (assistant.platform, assistant.id, clean_name(assistant.name), *known), 1


def _shared(memory: CallsInMemory) -> list[tuple[Labels, int]]:
    """Rows for labels that stand for many assistants, so that a join on voice_assistant_info keeps everything."""
    names = (UNKNOWN, OTHER, TRANSIENT) if memory.config.labels.assistant_id else (UNKNOWN, ALL)
    return [((platform, name, name, *[UNKNOWN] * 4), 1) for platform in PLATFORMS for name in names]


def _subscribed(assistant: AssistantState) -> list[tuple[Labels, int]]:
    if assistant.platform in HANGS_UNKNOWN:
        return [((assistant.platform, assistant.id, "hang"), 0)]
    if assistant.subscribed is None:
        return []
    events = sorted(PLATFORMS[assistant.platform].counted)
    return [((assistant.platform, assistant.id, event), int(event in assistant.subscribed)) for event in events]
