"""How much of a body is read: what an untrusted client could make expensive has a limit."""

import json
from typing import Any

import pytest

from exporter.errors import InvalidEvent
from exporter.events import Rejected
from exporter.platforms import PLATFORMS
from exporter.platforms.json_decoding import MAX_ITEMS, MAX_VALUES

NOW = 1_700_000_000_000
each_platform = pytest.mark.parametrize("platform", sorted(PLATFORMS))


each_that_tells_of_calls_as_they_go_on = pytest.mark.parametrize("platform", ["interactly", "vapi"])


def sent(platform: str, **more: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """An event with a time and further fields."""
    hang = {"message": {"type": "hang", "timestamp": NOW, **more}}
    bodies: dict[str, object] = {
        "interactly": hang,
        "vapi": hang,
        "retell": {"event": "call_started", "call": {"call_id": "c", "start_timestamp": NOW, **more}},
        "elevenlabs": {"type": "call_initiation_failure", "event_timestamp": NOW, "data": {**more}},
        "events": {"type": "hang", "call_id": "c", "time": NOW, **more},
    }
    return json.dumps(bodies[platform]).encode()


@each_platform
@pytest.mark.parametrize("digits", [25, 400, 4000])
def test_a_number_beyond_every_type_is_left_out(platform: str, digits: int) -> None:
    """JSON has no largest integer; what no float can hold is too large, and the rest of the event counts."""
    body = sent(platform).replace(str(NOW).encode(), b"9" * digits)

    event = PLATFORMS[platform].parse(body)

    assert event.facts
    [rejected] = event.rejected
    assert rejected.field.endswith("time") or rejected.field.endswith("timestamp")
    assert rejected.reason == "too_large"


@each_platform
def test_more_values_than_any_event_has_are_refused(platform: str) -> None:
    """A body of the allowed size can hold millions of values; each costs time and memory."""
    PLATFORMS[platform].parse(sent(platform, more=[0] * (MAX_VALUES - 10)))

    with pytest.raises(InvalidEvent, match=f"^the body has more than {MAX_VALUES} values$"):
        PLATFORMS[platform].parse(sent(platform, more=[0] * (MAX_VALUES + 2)))


@each_that_tells_of_calls_as_they_go_on
@pytest.mark.parametrize("flaw", [b"NaN", b'"\\ud800"', b"1e400"])
def test_a_flawed_body_may_have_fewer(platform: str, flaw: bytes) -> None:
    """Reading around a mistake takes ten times as long, so such a body ends at a fifth of the values."""
    PLATFORMS[platform].parse(sent(platform, more=[0] * 90_000, call={}).replace(b"{}", flaw))

    with pytest.raises(InvalidEvent, match=r"^the body has more than 100000 values$"):
        PLATFORMS[platform].parse(sent(platform, more=[0] * 110_000, call={}).replace(b"{}", flaw))


def test_an_array_that_is_too_long_is_left_out() -> None:
    """It is counted as too large, and the rest of the event counts."""
    cost = {"type": "model", "cost": 0.5}

    def report(count: int) -> bytes:
        return json.dumps({"message": {"type": "end-of-call-report", "costs": [cost] * count}}).encode()

    assert not PLATFORMS["vapi"].parse(report(MAX_ITEMS)).rejected
    event = PLATFORMS["vapi"].parse(report(MAX_ITEMS + 1))
    assert event.rejected == (Rejected("message.costs", "too_large"),)
    assert event.facts


@each_that_tells_of_calls_as_they_go_on
def test_a_conversation_has_an_end(platform: str) -> None:
    """No call has that many messages."""

    def update(count: int) -> bytes:
        message = {"type": "conversation-update", "call": {"id": "call-1"}, "messages": [{"role": "user"}] * count}
        return json.dumps({"message": message}).encode()

    assert PLATFORMS[platform].parse(update(MAX_ITEMS)).facts
    with pytest.raises(InvalidEvent, match=f"^the conversation has more than {MAX_ITEMS} messages$"):
        PLATFORMS[platform].parse(update(MAX_ITEMS + 1))
