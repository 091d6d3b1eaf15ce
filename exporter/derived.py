"""Families that follow from the state of the exporter and are computed at each scrape."""

import platform
from typing import Final, TypeAlias

from exporter import __version__
from exporter import catalogue as m
from exporter.book import Book
from exporter.calls.assistants import SHARED_LABELS
from exporter.calls.state import AssistantState
from exporter.events import ALL, OTHER, TRANSIENT, UNKNOWN
from exporter.labels import LabelLimits, clean_name
from exporter.metric import Labels, Metric
from exporter.platforms import PLATFORMS
from exporter.series import SeriesTable

DerivedFamily: TypeAlias = tuple[Metric, list[tuple[Labels, int]]]
"""A family and its series: label values and amount in units of the metric's scale."""

_BUILD: Final[DerivedFamily] = (m.BUILD_INFO, [((__version__, platform.python_version()), 1)])


def derived(book: Book, labels: LabelLimits, table: SeriesTable) -> list[DerivedFamily]:
    """Every family that is computed rather than counted."""
    assistants = [assistant for assistant in book.assistants.values() if assistant.id not in SHARED_LABELS]
    return [
        _BUILD,
        (m.CALLS_TRACKED, [((), len(book))]),
        (m.ASSISTANT_INFO, [*map(_info, assistants), *_shared(book)]),
        (m.EVENT_SUBSCRIBED, [row for assistant in assistants for row in _subscribed(assistant)]),
        labels.sizes(),
        table.sizes(),
    ]


def _info(assistant: AssistantState) -> tuple[Labels, int]:
    configuration = (assistant.llm_provider, assistant.llm_model, assistant.stt_provider, assistant.tts_provider)
    known = (value or UNKNOWN for value in configuration)
    return (assistant.platform, assistant.id, clean_name(assistant.name), *known), 1


def _shared(book: Book) -> list[tuple[Labels, int]]:
    """Rows for labels that stand for many assistants, so that a join on voice_assistant_info keeps everything."""
    names = (UNKNOWN, OTHER, TRANSIENT) if book.config.labels.assistant_id else (UNKNOWN, ALL)
    return [((platform, name, name, *[UNKNOWN] * 4), 1) for platform in PLATFORMS for name in names]


def _subscribed(assistant: AssistantState) -> list[tuple[Labels, int]]:
    if assistant.subscribed is None:
        return []
    events = sorted(PLATFORMS[assistant.platform].COUNTED)
    return [((assistant.platform, assistant.id, event), int(event in assistant.subscribed)) for event in events]
