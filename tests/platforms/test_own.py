"""Our own event format: each event counts once, bare or as a CloudEvent, and the schema says what is read."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import fields

import exporter
from exporter.errors import InvalidEvent
from exporter.label_sets import REASONS
from exporter.platforms.own import OWN, wire
from tests.calls.tally import Tally, payload

SCHEMA = json.loads((Path(exporter.__file__).parent / "platforms" / "own" / "event.schema.json").read_text())
CALL = ("call_started", "message_user", "message_assistant", "hang", "error", "cost", "call_ended")


def tally(*bodies: dict[str, Any]) -> Tally:
    """What bodies come to, in this order."""
    counted = Tally()
    counted.deliver(*bodies, platform="events")
    return counted


def call() -> list[dict[str, Any]]:
    """The events of a call."""
    return [payload(name, "events") for name in CALL]


def test_a_call_in_events() -> None:
    """Everything that the format can say."""
    counted = tally(*call())
    pa = ("events", "front-desk")
    assert counted.series("voice_calls_started_total") == {pa: 1}
    assert counted.total("voice_calls_active") == 0
    ends = {"outcome": "ok", "ended_by": "customer", "reason": "customer_ended", "call_type": "phone"}
    assert counted.total("voice_calls_ended_total", **ends) == 1
    assert counted.values("voice_call_duration_seconds") == [42.5]
    assert counted.total("voice_messages_total", role="user") == 1
    assert counted.total("voice_messages_total", role="assistant") == 1
    assert counted.total("voice_interruptions_total", interrupted="assistant") == 1
    assert counted.values("voice_response_seconds") == [5.25]
    assert counted.total("voice_slow_replies_total") == 1
    assert counted.values("voice_llm_response_seconds", provider="openai", model="gpt-4o-mini") == [4.5]
    assert counted.values("voice_tts_generation_seconds", provider="cartesia", cached="false") == [0.25]
    assert counted.total("voice_tts_audio_seconds_total") == 3.5
    assert counted.values("voice_stt_confidence_ratio", provider="deepgram") == [0.9]
    assert counted.values("voice_stt_latency_seconds") == [0.125]
    assert counted.values("voice_turn_detection_seconds") == [0.5]
    assert counted.total("voice_hangs_total", provider="openai") == 1
    assert counted.total("voice_hang_outcomes_total", outcome="recovered") == 1
    assert counted.total("voice_errors_total", component="tts", error_code="quota_exceeded", severity="critical") == 1
    assert counted.total("voice_error_escalations_total", cause="not_retryable") == 1
    assert counted.total("voice_call_cost_dollars_total", component="llm", provider="openai") == pytest.approx(0.02)
    assert counted.total("voice_call_cost_dollars_total") == pytest.approx(0.05)
    assert counted.values("voice_cost_per_call_dollars") == [0.05]


@pytest.mark.parametrize("seed", range(8))
def test_order_and_repetition_do_not_matter(seed: int) -> None:
    """Whatever comes twice or late, once the assistant is known, totals are those of one clean delivery."""
    events, rng = call(), Random(seed)
    rest = events[1:] * 2
    rng.shuffle(rest)
    clean, mangled = tally(*events), tally(events[0], *rest)
    for name in ("messages", "hangs", "hang_outcomes", "errors", "call_cost_dollars", "calls_ended", "slow_replies"):
        assert mangled.total(f"voice_{name}_total") == pytest.approx(clean.total(f"voice_{name}_total")), name


def test_cloud_events_are_the_same_events() -> None:
    """In an envelope, with the time of the envelope or its own."""
    wrapped = []
    for event in call():
        time = event.pop("time")
        kind = event.pop("type")
        envelope = {"specversion": "1.0", "id": "1", "source": "/agent", "type": f"voice.{kind}", "time": time}
        wrapped.append({**envelope, "data": event})
    assert tally(*wrapped).snapshot() == tally(*call()).snapshot()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "type is missing"),
        ({"type": "hang"}, "call_id is missing"),
        ({"specversion": "1.0", "type": "voice.hang", "data": {}}, "call_id is missing"),
    ],
)
def test_what_is_no_event_says_why(body: dict[str, object], words: str) -> None:
    """A type and a call are all that an event needs."""
    with pytest.raises(InvalidEvent, match=words):
        OWN.parse(json.dumps(body).encode())


def test_events_of_other_types_are_taken() -> None:
    """A sender may be newer than we are, or publish other CloudEvents to the same place."""
    for body in ({"type": "new", "call_id": "c"}, {"specversion": "1.0", "type": "com.example.x", "data": {}}):
        assert OWN.parse(json.dumps(body).encode()).facts == ()


def test_the_schema_has_the_fields_that_are_read() -> None:
    """No more and no fewer, with the values that mean something."""

    def names(kind: Any) -> set[str]:  # noqa: ANN401 - a struct's class
        return {field.encode_name for field in fields(kind)}

    properties = SCHEMA["properties"]
    assert set(properties) == names(wire.Fields)
    assert set(properties["type"]["enum"]) == OWN.events
    for part, kind in {"assistant": wire.Assistant, "message": wire.Message, "error": wire.Error}.items():
        assert set(properties[part]["properties"]) == names(kind)
    assert set(properties["costs"]["items"]["properties"]) == names(wire.Cost)
    for role in properties["message"]["properties"]["role"]["enum"]:
        body = {"type": "message", "call_id": "c", "message": {"id": "1", "role": role}}
        assert tally(body).total("voice_messages_total", role=role) == 1
    for reason in REASONS:
        assert tally({"type": "call_ended", "call_id": "c", "reason": reason}).total(
            "voice_calls_ended_total", reason=reason
        )
