"""The documented conversation, delivered in every way."""

from copy import deepcopy
from typing import Any

import pytest

from tests.calls.tally import Tally, payload


def growing() -> list[dict[str, Any]]:
    """The conversation as updates that each repeat it from the start."""
    whole = payload("conversation-update")
    updates = []
    for length in range(1, len(whole["message"]["messages"]) + 1):
        update = deepcopy(whole)
        update["message"]["messages"] = update["message"]["messages"][:length]
        updates.append(update)
    return updates


DELIVERIES = {
    "one update": [4],
    "growing": [0, 1, 2, 3, 4],
    "out of order": [2, 0, 4, 1, 3],
    "backwards": [4, 3, 2, 1, 0],
    "twice": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
    "middle lost": [0, 4],
}


@pytest.mark.parametrize("order", DELIVERIES.values(), ids=DELIVERIES.keys())
def test_documented_conversation(order: list[int]) -> None:
    """Every delivery of the documented conversation gives the documented numbers, once."""
    updates, tally = growing(), Tally()
    tally.deliver(payload("status-update-queued"), *[updates[index] for index in order])
    assert tally.values("voice_stt_confidence_ratio", provider="deepgram") == [0.2600708, 0.7314453, 0.7364502]
    assert tally.values("voice_llm_response_seconds", provider="gemini", model="gemini-3-flash-preview") == [2.557]
    assert tally.values("voice_response_seconds") == [3.913]
    assert tally.values("voice_tts_generation_seconds", cached="true") == [0.007]
    assert tally.values("voice_tts_generation_seconds", cached="false", provider="eleven-labs") == [0.353]
    assert tally.values("voice_stt_latency_seconds") == [0.0, 0.0, 0.0]
    assert tally.values("voice_turn_detection_seconds") == [1.0, 1.0, 1.0]
    assert tally.values("voice_player_wait_seconds") == [0.007, 0.352]
    assert tally.values("voice_audio_delay_seconds") == [0.013, 0.194]
    assert tally.total("voice_audio_received_seconds_total") == 15.696
    assert tally.total("voice_audio_delayed_packets_total") == 13
    assert tally.total("voice_messages_total", role="user") == 3
    assert tally.total("voice_messages_total", role="welcome") == 1
    assert tally.total("voice_messages_total", role="assistant") == 1
    assert tally.total("voice_service_requests_total", component="llm") == 1
    assert tally.total("voice_service_requests_total", component="stt") == 3
    assert tally.total("voice_exporter_rejected_values_total", field="audio.audioDelayPerTurnMs") == 1


def test_every_order_gives_the_same() -> None:
    """All deliveries add up to the same series, labels included, once the assistant is known."""
    updates, snapshots = growing(), []
    for order in DELIVERIES.values():
        tally = Tally()
        tally.deliver(payload("status-update-queued"), *[updates[index] for index in order])
        snapshots.append(tally.snapshot())
    assert all(snapshot == snapshots[0] for snapshot in snapshots)


def test_second_delivery_counts_nothing() -> None:
    """An update that brings nothing new is a duplicate."""
    assert Tally().deliver(payload("conversation-update"), payload("conversation-update")) == [True, False]


def test_group_counts_when_it_first_appears() -> None:
    """A measurement group that a later update adds to a known message is counted then."""
    early, late = payload("conversation-update"), payload("conversation-update")
    del early["message"]["messages"][4]["metrics"]["llm"]
    tally = Tally()
    tally.deliver(early)
    assert tally.values("voice_llm_response_seconds") == []
    tally.deliver(late, early)
    assert tally.values("voice_llm_response_seconds") == [2.557]


def test_only_first_part_of_a_split_answer_is_an_llm_latency() -> None:
    """The later parts of an answer report a few ms; they are messages with speech, but no LLM latency."""
    body = payload("conversation-update")
    part = deepcopy(body["message"]["messages"][4])
    part["messageId"] = "user-3-AbCdEfGhIj-1772702499000"
    part["timestamp"] += 4000
    part["metrics"]["llm"]["responseLatencyMs"] = 3
    body["message"]["messages"].append(part)
    for bodies in ([body], [payload("conversation-update"), body], [body, payload("conversation-update")]):
        tally = Tally()
        tally.deliver(*bodies)
        assert tally.values("voice_llm_response_seconds") == [2.557]
        assert tally.values("voice_response_seconds") == [3.913]
        assert len(tally.values("voice_tts_generation_seconds", cached="false")) == 2
        assert tally.total("voice_messages_total", role="assistant") == 2


def test_response_from_timestamps() -> None:
    """Without the call's own clock, the response time is the timestamps' difference plus the turn detection."""
    body = payload("conversation-update")
    for message in body["message"]["messages"]:
        del message["metrics"]["timeline"]
    tally = Tally()
    tally.deliver(body)
    assert tally.values("voice_response_seconds") == [3.911]


def test_barge_in() -> None:
    """A user message with skipped messages is one interruption of the assistant, and its skipped messages count."""
    body = payload("conversation-update")
    body["message"]["messages"][3]["skippedAssistantMessages"] = [{"text": "never heard"}, {"text": "nor this"}]
    tally = Tally()
    tally.deliver(body, body)
    assert tally.total("voice_interruptions_total", interrupted="assistant") == 1
    assert tally.total("voice_messages_skipped_total") == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [(1.7, "too_large"), (-0.1, "negative"), ("high", "type"), (True, "type"), (float("nan"), "type")],
)
def test_impossible_confidence(value: object, reason: str) -> None:
    """A confidence that cannot be is left out and counted once, and the rest of the message counts."""
    body = payload("conversation-update")
    body["message"]["messages"][1]["metrics"]["stt"]["confidence"] = value
    tally = Tally()
    tally.deliver(body, body)
    assert tally.values("voice_stt_confidence_ratio") == [0.2600708, 0.7314453]
    assert tally.total("voice_exporter_rejected_values_total", field="stt.confidence", reason=reason) == 1
    assert tally.total("voice_stt_audio_seconds_total") == 9.7


def test_fields_missing_null_or_of_another_shape() -> None:
    """Any part of a message may be missing, null or nonsense; the others count."""
    body = payload("conversation-update")
    messages = body["message"]["messages"]
    messages[0]["metrics"] = None
    messages[1]["metrics"] = "none"
    messages[2]["metrics"]["stt"] = [1, 2]
    messages[3] = {"messageId": "user-3"}
    messages.append(17)
    messages.append({"text": "nobody knows me"})
    tally = Tally()
    assert tally.deliver(body) == [True]
    assert sum(tally.series("voice_messages_total").values()) == 5
    assert tally.values("voice_llm_response_seconds") == [2.557]
    assert tally.values("voice_stt_confidence_ratio") == []


def test_messages_without_ids_are_known_by_role_and_time() -> None:
    """Without a message id, role and time identify a message."""
    body = payload("conversation-update")
    for message in body["message"]["messages"]:
        del message["messageId"]
    tally = Tally()
    assert tally.deliver(body, body) == [True, False]
    assert sum(tally.series("voice_messages_total").values()) == 5


def test_without_call_id() -> None:
    """A conversation whose call is not named is known by its first message."""
    updates = growing()
    for update in updates:
        del update["message"]["call"]
    tally = Tally()
    tally.deliver(*updates, *updates)
    assert tally.total("voice_messages_total") == 5
    assert tally.total("voice_calls_started_total") == 0
