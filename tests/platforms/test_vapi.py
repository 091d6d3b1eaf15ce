"""Vapi's messages: envelopes, types, calls, assistants and conversations."""

import json
from typing import Any

import pytest

from exporter.errors import InvalidEvent
from exporter.platforms.vapi import VAPI
from tests.calls.tally import FIXTURES, Tally, payload
from tests.platforms.vapi_bodies import START_MS, message

ASSISTANT = "a1b2c3d4-0000-4000-8000-000000000001"
SERVER_MESSAGES = [
    "assistant-request",
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "knowledge-base-request",
    "voice-request",
    "call.endpointing.request",
    "campaign.predial",
    "phone-call-control",
    "status-update",
    "end-of-call-report",
    "hang",
    "conversation-update",
    "speech-update",
    "user-interrupted",
    "transcript",
    "model-output",
    "voice-input",
    "transfer-update",
    "language-change-detected",
    "assistant.speechStarted",
    "chat.created",
    "chat.deleted",
    "session.created",
    "session.updated",
    "session.deleted",
    "call.deleted",
    "call.delete.failed",
    "call.artifact.upload",
]
COUNTED = [path.stem for path in sorted((FIXTURES / "vapi").glob("*.json")) if path.stem != "schemas"]


def encoded(body: object) -> bytes:
    """JSON of a body."""
    return json.dumps(body).encode()


def tally(*bodies: dict[str, Any]) -> Tally:
    """What the bodies add up to."""
    delivered = Tally()
    delivered.deliver(*bodies, platform="vapi")
    return delivered


def test_all_documented_types_are_known() -> None:
    """The 29 server messages of the documentation are events by their own names."""
    assert len(SERVER_MESSAGES) == 29
    assert set(SERVER_MESSAGES) <= VAPI.events


@pytest.mark.parametrize("kind", sorted(VAPI.events))
def test_smallest_message_of_each_type(kind: str) -> None:
    """Only the type is required: the smallest message is understood, in its envelope or bare."""
    wrapped, bare = VAPI.parse(encoded({"message": {"type": kind}})), VAPI.parse(encoded({"type": kind}))
    assert wrapped == bare
    assert wrapped.kind == kind
    assert wrapped.needs_answer == (kind in VAPI.needs_answer)


@pytest.mark.parametrize("kind", sorted(VAPI.needs_answer))
def test_messages_that_need_an_answer_count_nothing(kind: str) -> None:
    """What only the application can answer says so and has no facts."""
    event = VAPI.parse(encoded(message("tool-calls", type=kind)))
    assert event.needs_answer
    assert event.facts == ()


@pytest.mark.parametrize(
    "body",
    [
        {"message": {"type": "invented-next-year"}},
        {"message": {"type": "invented-next-year", "call": {"id": "c"}}},
        {"type": "simulation.run.started", "isSimulation": True},
        payload("simulation-run-ended", "vapi"),
    ],
)
def test_foreign_messages_are_ignored(body: dict[str, Any]) -> None:
    """Unknown types and simulations are well formed and count nothing."""
    event = VAPI.parse(encoded(body))
    assert (event.kind, event.facts, event.needs_answer) == ("other", (), False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"hang"',
        b"{}",
        b'{"message": {}}',
        b'{"message": null}',
        b'{"message": {"type": 5}}',
        b'{"message": "hang"}',
        b'{"type": "invented-next-year"}',
        b"\xff\xfe",
    ],
)
def test_no_known_envelope(body: bytes) -> None:
    """What is no message of any kind is refused, with nothing of its content in the message."""
    with pytest.raises(InvalidEvent) as refused:
        VAPI.parse(body)
    assert "invented" not in str(refused.value)


def test_lenient_json_with_a_wrong_type() -> None:
    """A body that is only JavaScript's JSON is read even where a field of it has the wrong type, which is named."""
    event = VAPI.parse(b'{"message": {"type": "hang", "artifact": [], "chat": {"cost": NaN}}}')
    assert event.kind == "hang"
    assert [(each.field, each.reason) for each in event.rejected] == [("message.artifact", "type")]


def test_final_transcripts_go_by_their_short_name() -> None:
    """The literal type of a subscription to final transcripts is a transcript."""
    assert VAPI.parse(encoded(message("transcript", type='transcript[transcriptType="final"]'))).kind == "transcript"


@pytest.mark.parametrize("name", COUNTED)
def test_nothing_private_is_kept(name: str) -> None:
    """No name, number, text, address or secret of a payload becomes part of an event."""
    event = VAPI.parse((FIXTURES / "vapi" / f"{name}.json").read_bytes())
    shown = repr(event)
    for private in ("Ada", "555010", "Clinic", "Tuesday", "example-secret", "auth-token", "example/", "slot\\"):
        assert private not in shown


@pytest.mark.parametrize("name", ["hang", "hang-client"])
def test_hang(name: str) -> None:
    """A hang counts in both forms, once, with the assistant's provider and model."""
    counted = tally(message("status-update-in-progress"), payload(name, "vapi"), payload(name, "vapi"))
    assert counted.total("voice_hangs_total", assistant_id=ASSISTANT, provider="openai", model="gpt-4.1-mini") == 1
    assert counted.total("voice_hangs_by_hour_total", hour="09") == 1
    assert counted.total("voice_hung_calls_total") == 1
    assert counted.values("voice_hang_conversation_messages") == ([3.0] if name == "hang" else [])


@pytest.mark.parametrize("body", [{"type": "hang"}, {"message": {"type": "hang"}}])
def test_hang_without_a_call(body: dict[str, Any]) -> None:
    """A hang of which only the type is known counts at each delivery, with unknown labels."""
    counted = tally(body, body)
    assert counted.series("voice_hangs_total") == {("vapi", "unknown", "unknown", "unknown"): 2}
    assert counted.total("voice_hang_outcomes_total", outcome="unknown") == 2
    assert counted.total("voice_calls_started_total") == 0


def test_hang_recovers_with_the_reply() -> None:
    """The assistant's next words end a hang, whether speech or message tells of them first."""
    speech, update = message("speech-update-assistant-started"), message("conversation-update")
    for replies in ((speech, update), (update, speech)):
        counted = tally(message("hang"), *replies)
        assert counted.total("voice_hang_outcomes_total", outcome="recovered") == 1
        assert counted.values("voice_hang_recovery_seconds") == [0.3]


def test_statuses() -> None:
    """Statuses have the contract's names, count once each, and only the last one ends the call."""
    names = ("queued", "ringing", "in-progress", "forwarding")
    counted = tally(*[message(f"status-update-{name}") for name in (*names, *names)])
    for status in ("queued", "ringing", "ongoing", "forwarded"):
        assert counted.total("voice_call_status_updates_total", status=status) == 1
    assert counted.total("voice_calls_active") == counted.total("voice_calls_started_total") == 1
    counted.deliver(message("status-update-ended"), message("end-of-call-report"), platform="vapi")
    assert counted.total("voice_calls_active") == 0
    ended = {"call_type": "phone", "direction": "inbound", "outcome": "ok", "ended_by": "customer"}
    assert counted.total("voice_calls_ended_total", **ended, reason="customer_ended", fault="none") == 1
    assert counted.total("voice_calls_ended_total") == 1


@pytest.mark.parametrize("status", ["scheduled", "deletion-failed"])
def test_planned_call_is_not_open(status: str) -> None:
    """A call that is only planned, or whose record could not be deleted, opens nothing; it starts when it starts."""
    counted = tally(message("status-update-scheduled", status=status))
    assert counted.total("voice_calls_started_total") == counted.total("voice_calls_active") == 0
    assert counted.total("voice_call_status_updates_total") == 1
    counted.deliver(message("status-update-queued"), platform="vapi")
    assert counted.total("voice_calls_started_total") == counted.total("voice_calls_active") == 1


def test_call_that_is_not_found_has_ended() -> None:
    """The status not-found is terminal."""
    counted = tally(message("status-update-queued"), message("status-update-queued", status="not-found"))
    assert counted.total("voice_calls_ended_total", reason="not_found", outcome="unknown") == 1
    assert counted.total("voice_calls_active") == 0


@pytest.mark.parametrize(
    ("call_type", "labels"),
    [
        ("inboundPhoneCall", ("phone", "inbound")),
        ("outboundPhoneCall", ("phone", "outbound")),
        ("webCall", ("web", "unknown")),
        ("vapi.websocketCall", ("websocket", "unknown")),
        ("carrierPigeon", ("unknown", "unknown")),
    ],
)
def test_kinds_of_calls(call_type: str, labels: tuple[str, str]) -> None:
    """The call's type gives its type and direction."""
    event = VAPI.parse(encoded({"message": {"type": "hang", "call": {"id": "c", "type": call_type}}}))
    assert (event.call_type, event.direction) == labels


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"call": {"assistantId": "a1", "squadId": "s1"}, "assistant": {"id": "a2"}}, "a1"),
        ({"call": {"squadId": "s1"}, "assistant": {"id": "a2"}}, "a2"),
        ({"call": {"squadId": "s1"}, "assistant": {"name": "Inline"}}, "s1"),
        ({"call": {"id": "c"}}, "transient"),
        ({"assistant": {"name": "Inline"}}, "transient"),
        ({}, ""),
        ({"call": {"assistantId": "not a label"}}, "other"),
    ],
)
def test_assistant_label(fields: dict[str, Any], label: str) -> None:
    """The assistant's id has the first place, then the message's assistant, then the squad; else it is transient."""
    assert VAPI.parse(encoded({"message": {"type": "hang", **fields}})).assistant.id == label


def test_transient_assistants_are_not_remembered() -> None:
    """What one transient assistant is configured with is not said of the next one's calls."""
    first = {"type": "hang", "call": {"id": "c1", "assistant": {"model": {"provider": "groq", "model": "m"}}}}
    second = {"type": "hang", "call": {"id": "c2"}}
    counted = tally(first, second)
    assert counted.total("voice_hangs_total", assistant_id="transient", provider="groq", model="m") == 1
    assert counted.total("voice_hangs_total", assistant_id="transient", provider="unknown") == 1


def test_call_keeps_the_assistant_that_it_started_with() -> None:
    """A squad hands over in the middle of a call; the call's series stay with the first assistant."""
    call = {"id": "c1", "squadId": "s1"}
    first = {"type": "status-update", "status": "in-progress", "call": call, "assistant": {"id": "a1"}}
    counted = tally(first, {"type": "hang", "timestamp": START_MS, "call": call, "assistant": {"id": "a2"}})
    assert counted.total("voice_hangs_total", assistant_id="a1") == 1


def test_assistant_configuration() -> None:
    """Names of providers are unified, and what the assistant sends here is known by the events' names."""
    told = VAPI.parse((FIXTURES / "vapi" / "hang.json").read_bytes()).assistant
    assert (told.llm_provider, told.llm_model) == ("openai", "gpt-4.1-mini")
    assert (told.stt_provider, told.tts_provider) == ("deepgram", "eleven-labs")
    assert told.subscribed is not None
    assert {"hang", "transcript"} <= told.subscribed
    assert "transfer-update" not in told.subscribed


def test_conversation() -> None:
    """Messages count once by role, each user message with the mean confidence of its words."""
    update = message("conversation-update")
    early = message("conversation-update", messages=update["message"]["messages"][:4])
    for updates in ((early, update, update), (update, early)):
        counted = tally(*updates)
        for role, count in {"system": 1, "assistant": 3, "user": 2, "tool": 2}.items():
            assert counted.total("voice_messages_total", role=role) == count
        assert counted.values("voice_stt_confidence_ratio", provider="deepgram") == [0.8, 0.95]
        assert counted.values("voice_tool_call_seconds", tool="find_slot") == [0.85]


@pytest.mark.parametrize("words", [None, [], [{"word": "visit"}], [{"confidence": 1.2}], "high"])
def test_no_confidence(words: object) -> None:
    """A message without usable confidences is counted without one."""
    said = {"role": "user", "message": "", "time": START_MS, "metadata": {"wordLevelConfidence": words}}
    counted = tally(message("conversation-update", messages=[said]))
    assert counted.total("voice_messages_total", role="user") == 1
    assert counted.values("voice_stt_confidence_ratio") == []


def test_impossible_confidence_is_reported() -> None:
    """A confidence over 1 is left out of the mean, and the message that has it is named once."""
    words = [{"confidence": 0.5}, {"confidence": 1.2}]
    said = {"role": "user", "message": "", "time": START_MS, "metadata": {"wordLevelConfidence": words}}
    body = message("conversation-update", messages=[said])
    counted = tally(body, body)
    assert counted.values("voice_stt_confidence_ratio") == [0.5]
    assert counted.total("voice_exporter_rejected_values_total", field="wordLevelConfidence.confidence") == 1


def test_conversation_of_the_artifact() -> None:
    """Where the message has no messages of its own, the artifact's copy counts."""
    counted = tally(message("conversation-update", messages=None))
    assert counted.total("voice_messages_total") == 8


@pytest.mark.parametrize("messages", [None, [], {}, "none", [{"role": "user", "content": "no time"}]])
def test_conversation_without_messages(messages: object) -> None:
    """An update in which no message can be known again counts no message."""
    counted = tally(message("conversation-update", messages=messages, artifact=None))
    assert counted.total("voice_messages_total") == 0


def test_conversation_without_a_call() -> None:
    """A conversation whose call is not named is known by its first message, so that it counts once."""
    body = message("conversation-update", call=None)
    assert tally(body, body).total("voice_messages_total") == 8


@pytest.mark.parametrize("kind", sorted(VAPI.events))
def test_types_that_count_nothing_open_no_call(kind: str) -> None:
    """A call starts with an event that is counted; any other type leaves no trace of it."""
    event = VAPI.parse(encoded(message("transcript", type=kind, status=None, role=None)))
    assert (event.facts == ()) == (
        kind not in {"conversation-update", "end-of-call-report", "hang", "user-interrupted", "transfer-update"}
    )
