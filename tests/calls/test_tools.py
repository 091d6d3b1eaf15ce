"""Tool calls that the relay measures, beside the conversations that measure them too."""

import json
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.calls import step
from exporter.events import Event, ToolsAnswered
from exporter.metrics.metric import NANO
from exporter.platforms.vapi import VAPI
from exporter.recording.calls_in_memory import Draft
from tests.calls.tally import Tally
from tests.platforms.test_vapi_live import ASKED, BOOKED, FOUND
from tests.platforms.vapi_bodies import message

CALLS = [{"id": "t1", "function": {"name": "find"}}, {"id": "t2", "function": {"name": "memory"}}]


def parse(body: dict[str, Any]) -> Event:
    """What a body says."""
    return VAPI.parse(json.dumps(body).encode())


def answered(seconds: float, **fields: object) -> Event:
    """The tool-calls message with what the application took to answer it."""
    event = parse(message("tool-calls", **{"toolCallList": CALLS, **fields}))
    return replace(event, facts=(ToolsAnswered(event.tools, round(seconds * NANO)),))


def fold(counted: Tally, event: Event) -> bool:
    """Fold an event that no body alone makes; whether it counted anything."""
    draft = Draft(counted.memory)
    folded = draft.fold(event, 1.0)
    draft.adopt()
    counted.add(folded.increments)
    return folded.fresh


def test_tool_calls_of_a_message() -> None:
    """A message names its tool calls, by either name that Vapi has had for the list; one without an id is none."""
    for field in ("toolCallList", "toolCalls"):
        body = message("tool-calls", toolCallList=None)
        body["message"][field] = [
            *CALLS,
            {"function": {"name": "nameless"}},
            "nonsense",
            {"id": "t3", "name": "no label"},
        ]
        assert [use.tool for use in parse(body).tools] == ["find", "memory", "other"]
    assert parse(message("hang", toolCallList=CALLS)).tools == ()


def test_the_platforms_own_limits() -> None:
    """Where Vapi documents how long it waits, the event says so."""
    kinds = ("assistant-request", "knowledge-base-request", "tool-calls", "hang")
    limits = [parse(message("tool-calls", type=kind)).answer_seconds for kind in kinds]
    assert limits == [7.5, 10.0, None, None]


def test_an_answer_counts_for_each_of_its_tool_calls() -> None:
    """The application's latency counts once for each tool call, however often the platform asks."""
    counted = Tally()
    assert fold(counted, answered(0.25))
    assert not fold(counted, answered(0.75))
    assert counted.values("voice_tool_call_seconds", tool="find") == [0.25]
    assert counted.values("voice_tool_call_seconds", tool="memory") == [0.25]
    assert counted.total("voice_calls_started_total") == 1


def test_a_tool_call_of_two_messages_counts_once() -> None:
    """A later message that repeats a tool call beside a new one adds only the new one."""
    counted = Tally()
    fold(counted, answered(0.25, toolCallList=CALLS[:1]))
    assert fold(counted, answered(0.75))
    assert counted.values("voice_tool_call_seconds", tool="find") == [0.25]
    assert counted.values("voice_tool_call_seconds", tool="memory") == [0.75]


@pytest.mark.parametrize("order", list(permutations(["answer", "asked", "results"])))
def test_one_source_measures_a_tool_call(order: tuple[str, ...]) -> None:
    """The relay's measurement or the conversation's counts, whichever is complete first."""
    counted = Tally()
    for part in order:
        if part == "answer":
            fold(counted, answered(0.25))
        else:
            messages = [ASKED] if part == "asked" else [FOUND, BOOKED]
            counted.deliver(message("conversation-update", messages=messages), platform="vapi")
    first = [0.5] if order[-1] == "answer" else [0.25]
    assert counted.values("voice_tool_call_seconds", tool="find") == first
    assert counted.values("voice_tool_call_seconds", tool="memory") == first


def test_tool_calls_without_a_call() -> None:
    """A message without call and time has nothing to be known by and counts at each delivery."""
    counted = Tally()
    for _ in range(2):
        fold(counted, answered(0.25, call=None, timestamp=None))
    assert counted.values("voice_tool_call_seconds", tool="find") == [0.25, 0.25]


def test_a_call_beyond_any_length_measures_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a call is full, the measurement is left out and counted as such."""
    monkeypatch.setattr(step, "MAX_SEEN", 1)
    counted = Tally()
    fold(counted, answered(0.25, toolCallList=CALLS[:1]))
    fold(counted, answered(0.25, toolCallList=CALLS[1:]))
    assert counted.values("voice_tool_call_seconds", tool="memory") == []
    assert counted.total("voice_exporter_rejected_values_total", field="tool", reason="too_large") == 1
