"""Vapi's live events: who speaks when, interruptions, tool calls, transfers."""

from itertools import permutations
from typing import Any

import pytest

from tests.calls.tally import Tally
from tests.platforms.vapi_bodies import START_MS, message

Body = dict[str, Any]


def tally(*bodies: Body) -> Tally:
    """What the bodies add up to."""
    delivered = Tally()
    delivered.deliver(*bodies, platform="vapi")
    return delivered


def speech(role: str, status: str, at: float | None) -> Body:
    """A speech-update, `at` seconds into the call; without a time where None."""
    timestamp = None if at is None else START_MS + round(at * 1000)
    return message(f"speech-update-{role}-started", status=status, timestamp=timestamp)


def test_response_is_the_gap_between_speakers() -> None:
    """From the user's last word to the assistant's first, in whatever order and however often it is told."""
    turn = [speech("user", "started", 3), speech("user", "stopped", 5), speech("assistant", "started", 6.2)]
    for order in permutations([*turn, speech("assistant", "stopped", 7)]):
        assert tally(*order, *order).values("voice_response_seconds") == [1.2]


def test_responses_of_several_turns() -> None:
    """Each reply is measured from the user's end of speech directly before it."""
    turns = [
        speech("assistant", "started", 0.4),
        speech("user", "started", 3),
        speech("user", "stopped", 4),
        speech("user", "started", 4.2),
        speech("user", "stopped", 5),
        speech("assistant", "started", 6),
        speech("assistant", "started", 8),
        speech("user", "started", 10),
        speech("user", "stopped", 11),
        speech("assistant", "started", 13),
    ]
    swapped = [turns[index] for index in (1, 0, 3, 2, 5, 4, 6, 7, 9, 8)]
    assert tally(*turns).values("voice_response_seconds") == [1.0, 2.0]
    assert tally(*swapped).values("voice_response_seconds") == [1.0, 2.0]


@pytest.mark.parametrize(
    "bodies",
    [
        [speech("user", "stopped", 5)],
        [speech("assistant", "started", 5)],
        [speech("assistant", "started", 4), speech("user", "stopped", 5)],
        [speech("user", "stopped", 5), speech("user", "started", 6), speech("assistant", "started", 7)],
        [speech("user", "stopped", None), speech("assistant", "started", 7)],
        [speech("user", "paused", 5), speech("assistant", "started", 7)],
    ],
)
def test_no_response(bodies: list[Body]) -> None:
    """Nobody waited for a reply that has no end of speech directly before it."""
    assert tally(*bodies).values("voice_response_seconds") == []


def test_first_half_of_a_wait_is_worth_keeping() -> None:
    """What a later event will be counted with is no duplicate, though it adds to no series; its second delivery is."""
    delivered = Tally()
    delivered.deliver(message("status-update-in-progress"), platform="vapi")
    stopped = speech("user", "stopped", 5)
    assert delivered.deliver(stopped, stopped, platform="vapi") == [True, False]


@pytest.mark.parametrize("report_first", [False, True])
def test_response_counts_from_one_source(*, report_first: bool) -> None:
    """Speech and the report's turnLatency are the same waits: the first to deliver them counts."""
    spoken = [speech("user", "stopped", 5), speech("assistant", "started", 6.3)]
    report = [message("end-of-call-report")]
    order = report + spoken if report_first else spoken + report
    assert tally(*order).values("voice_response_seconds") == ([1.1, 1.2] if report_first else [1.3])


@pytest.mark.parametrize("fields", [{}, {"turnId": None}, {"timestamp": None}])
def test_interruption(fields: Body) -> None:
    """A barge-in counts once, known by its turn or by its time."""
    barge_in = message("user-interrupted", **fields)
    assert tally(barge_in, barge_in).total("voice_interruptions_total", interrupted="assistant") == 1


def test_interruptions_differ_by_turn() -> None:
    """Two turns cut off at one time are two interruptions."""
    bodies = [message("user-interrupted"), message("user-interrupted", turnId="another")]
    assert tally(*bodies, *bodies).total("voice_interruptions_total") == 2


def test_interruptions_count_from_one_source() -> None:
    """The report's count of barge-ins is what the live events told; what only it tells counts."""
    live = tally(message("user-interrupted"), message("end-of-call-report"), message("user-interrupted"))
    assert live.total("voice_interruptions_total", interrupted="assistant") == 1
    assert live.total("voice_interruptions_total", interrupted="user") == 1
    alone = tally(message("end-of-call-report"), message("user-interrupted"))
    assert alone.total("voice_interruptions_total", interrupted="assistant") == 2


def test_transfers_count_from_one_source() -> None:
    """A transfer counts live, with no status, or from the report by its status, but not twice."""
    live, report = message("transfer-update"), message("end-of-call-report")
    assert tally(live, report, live).series("voice_transfers_total") == {
        ("vapi", "a1b2c3d4-0000-4000-8000-000000000001", "unknown"): 1
    }
    reported = tally(report, live, report)
    assert reported.total("voice_transfers_total", status="no-answer") == 1
    assert reported.total("voice_transfers_total", status="completed") == 1
    assert reported.total("voice_transfers_total") == 2


def said(role: str, at: float, **fields: object) -> Body:
    """A message of a conversation, `at` seconds into the call."""
    return {"role": role, "message": "", "time": START_MS + round(at * 1000), **fields}


ASKED = said("tool_calls", 1, toolCalls=[{"id": "t1", "function": {"name": "find"}}, {"id": "t2", "name": "memory"}])
FOUND = said("tool_call_result", 1.5, toolCallId="t1", name="find", result="")
BOOKED = said("tool_call_result", 1.5, toolCallId="t2", name="memory", result="")


@pytest.mark.parametrize("order", list(permutations([[ASKED], [FOUND], [BOOKED], [ASKED, FOUND, BOOKED]])))
def test_tool_calls(order: tuple[list[Body], ...]) -> None:
    """Each tool call counts once from call to result, whichever of the two is known first."""
    counted = tally(*[message("conversation-update", messages=messages) for messages in order])
    assert counted.values("voice_tool_call_seconds", tool="find") == [0.5]
    assert counted.values("voice_tool_call_seconds", tool="memory") == [0.5]
    assert counted.total("voice_messages_total", role="tool") == 3


def test_tool_names_are_labels() -> None:
    """A name that can be no label is other; the name of a call that has none is the result's."""
    asked = said("tool_calls", 1, toolCalls=[{"id": "t1", "function": {"name": "no label"}}, {"id": "t2"}])
    counted = tally(message("conversation-update", messages=[asked, FOUND, BOOKED]))
    assert counted.values("voice_tool_call_seconds", tool="other") == [0.5]
    assert counted.values("voice_tool_call_seconds", tool="memory") == [0.5]


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED],
        [FOUND],
        [said("tool_calls", 1, toolCalls=[{"function": {"name": "find"}}, None, 5]), FOUND],
        [said("tool_calls", 1, toolCalls="find"), FOUND],
    ],
)
def test_tool_call_without_its_other_half(messages: list[Body]) -> None:
    """A call without a result, or a result without a call, has no duration."""
    assert tally(message("conversation-update", messages=messages)).values("voice_tool_call_seconds") == []


def test_result_before_its_call_is_left_out() -> None:
    """A result that is older than its call cannot be; it is reported once and left out."""
    early = said("tool_call_result", 0.5, toolCallId="t1", name="find", result="")
    body = message("conversation-update", messages=[ASKED, early])
    counted = tally(body, body)
    assert counted.values("voice_tool_call_seconds") == []
    assert counted.total("voice_exporter_rejected_values_total", field="tool", reason="negative") == 1
