"""ElevenLabs: what a conversation comes to, once, from the one event that tells of it."""

import json
from typing import Any

import pytest

from exporter.errors import InvalidEvent
from exporter.events import UNKNOWN
from exporter.label_sets import REASONS
from exporter.platforms.elevenlabs import ELEVENLABS
from tests.calls.tally import Tally, payload

TALK = "post_call_transcription"
AGENT = "agent_00000000000000000000000001"


def talk(**fields: object) -> dict[str, Any]:
    """The whole conversation with these fields of its metadata replaced."""
    body = payload(TALK, "elevenlabs")
    body["data"]["metadata"] |= fields
    return body


def tally(*bodies: dict[str, Any]) -> Tally:
    """What bodies come to, in this order."""
    counted = Tally()
    counted.deliver(*bodies, platform="elevenlabs")
    return counted


def test_a_conversation_counts_once() -> None:
    """One event opens and ends the call; a second transcription of it adds nothing."""
    once, twice = tally(talk()), tally(talk(), {**talk(), "event_timestamp": 1767603640})
    assert once.snapshot() == twice.snapshot()
    assert once.series("voice_calls_started_total") == {("elevenlabs", AGENT): 1}
    assert once.total("voice_calls_active") == 0
    ends = {"outcome": "ok", "reason": "customer_ended", "call_type": "phone", "direction": "inbound"}
    assert once.total("voice_calls_ended_total", **ends) == 1
    assert once.values("voice_call_duration_seconds") == [30.0]
    assert once.total("voice_call_evaluations_total", evaluation="pass") == 1
    assert once.total("voice_interruptions_total", interrupted="assistant") == 1
    assert once.total("voice_messages_total", role="assistant") == 5
    assert once.total("voice_messages_total", role="user") == 2


def test_latencies_are_of_turns_in_seconds() -> None:
    """What a tool call's entry repeats counts once, and neither the welcome nor a prompt after silence is a reply."""
    counted = tally(talk())
    assert counted.values("voice_response_seconds") == [1.275, 5.04]
    assert counted.total("voice_slow_replies_total") == 1
    labels = {"provider": "gemini", "model": "gemini-2.5-flash"}
    assert counted.values("voice_llm_response_seconds", **labels) == [0.4, 0.5125, 0.6, 4.1]
    assert counted.values("voice_tts_generation_seconds", provider="eleven-labs") == [0.15, 0.162, 0.17, 0.181, 0.2]
    assert counted.values("voice_stt_latency_seconds", provider="eleven-labs") == [0.0, 0.093]
    assert counted.values("voice_turn_detection_seconds") == [0.41, 0.6, 10.0]
    assert counted.values("voice_tool_call_seconds", tool="find_slot") == [0.75]


def test_metrics_without_their_level() -> None:
    """The documentation's sample has the values beside the providers."""
    body = talk()
    for entry in body["data"]["transcript"]:
        turn = entry["conversation_turn_metrics"]
        if turn:
            entry["conversation_turn_metrics"] = {**turn.pop("metrics"), **turn}
    assert tally(body).snapshot() == tally(talk()).snapshot()


def test_costs_and_usage_are_what_is_paid() -> None:
    """Prices are dollars and credits are not; tokens are those that were not thrown away."""
    counted = tally(talk())
    assert counted.values("voice_cost_per_call_dollars") == [0.0315]
    assert counted.total("voice_call_cost_dollars_total", component="llm", provider="gemini") == pytest.approx(0.0015)
    assert counted.total("voice_call_cost_dollars_total", component="platform") == pytest.approx(0.03)
    assert counted.total("voice_call_cost_dollars_total") == pytest.approx(0.0315)
    for kind, count in {"input": 3200, "cached": 1000, "output": 90}.items():
        assert counted.total("voice_llm_tokens_total", kind=kind, model="gemini-2.5-flash") == count
    assert counted.total("voice_tts_characters_total") == 130
    assert counted.total("voice_stt_audio_seconds_total") == 14.5
    old = talk(cost_fiat=None, charging={"llm_price": 0.0015})
    assert tally(old).values("voice_cost_per_call_dollars") == []


def test_a_failed_conversation_is_an_error() -> None:
    """A quota that is used up refuses the start, and pages."""
    counted = tally(payload(f"{TALK}_failed", "elevenlabs"))
    labels = {"component": "platform", "error_code": "quota_exceeded", "severity": "critical"}
    assert counted.total("voice_errors_total", **labels) == 1
    assert counted.total("voice_calls_ended_total", reason="start_refused", fault="customer", call_type="web") == 1
    assert counted.total("voice_call_status_updates_total", status="failed") == 1
    assert counted.values("voice_cost_per_call_dollars") == []


@pytest.mark.parametrize(
    ("failure", "body", "outcome", "reason", "code"),
    [
        ("busy", {"SipResponseCode": "487"}, "unreached", "busy", None),
        ("no-answer", {}, "unreached", "no_answer", None),
        *(("unknown", {"sip_status_code": code}, "unreached", "busy", None) for code in (486, 600)),
        *(("unknown", {"sip_status_code": code}, "unreached", "no_answer", None) for code in (408, 480, 487)),
        *(("unknown", {"sip_status_code": code}, "unreached", "rejected", None) for code in (404, 484, 603, 604)),
        *(
            ("unknown", {"sip_status_code": code}, "error", "transport_error", "authentication_failed")
            for code in (401, 403, 407)
        ),
        *(
            ("unknown", {"sip_status_code": code}, "error", "transport_error", "service_unavailable")
            for code in (500, 502, 504)
        ),
        ("unknown", {"SipResponseCode": "503"}, "error", "transport_error", "service_unavailable"),
        ("unknown", {"CallStatus": "no-answer"}, "unreached", "no_answer", None),
        ("unknown", {}, "error", "transport_error", UNKNOWN),
    ],
)
def test_calls_that_nobody_took(failure: str, body: dict[str, object], outcome: str, reason: str, code: object) -> None:
    """The platform's word counts before the line's codes; only a line that failed is an error."""
    sent = payload("call_initiation_failure", "elevenlabs")
    sent["data"] |= {"failure_reason": failure, "metadata": {"type": "sip", "body": body}}
    counted = tally(sent, sent)
    assert counted.total("voice_calls_ended_total", outcome=outcome, reason=reason, direction="outbound") == 1
    assert counted.total("voice_errors_total") == (code is not None)
    assert code is None or counted.total("voice_errors_total", error_code=str(code)) == 1


@pytest.mark.parametrize(
    ("metadata", "outcome", "reason"),
    [
        ({"termination_reason": "Client disconnected: 1000"}, "ok", "customer_ended"),
        ({"termination_reason": "Client disconnected: 1006"}, "unknown", "customer_ended"),
        ({"termination_reason": "end_call tool was called."}, "ok", "assistant_ended"),
        ({"termination_reason": "voicemail_detection tool was called."}, "unreached", "voicemail"),
        ({"termination_reason": "Conversation ended after 20 seconds of silence"}, "ok", "silence_timeout"),
        ({"termination_reason": "Max duration reached"}, "ok", "max_duration"),
        ({"termination_reason": "Call ended by remote party"}, "ok", "customer_ended"),
        *(({"termination_reason": f"Client disconnected: {code}"}, "ok", "customer_ended") for code in (1001, 1005)),
        ({"termination_reason": "Client disconnected: 1012"}, "unknown", "customer_ended"),
        ({"termination_reason": "Answering machine detected"}, "unreached", "voicemail"),
        ({"termination_reason": "Max inactive time"}, "ok", "silence_timeout"),
        ({"error": {"code": 1002, "reason": "This request exceeds your quota limit."}}, "error", "platform_error"),
        (
            {"error": {"code": 3000, "reason": "[quota_exceeded] x"}, "call_duration_secs": 0},
            "error",
            "start_refused",
        ),
        ({"error": {"code": 1, "reason": "No credits left"}}, "error", "platform_error"),
        ({"error": {"code": 1, "reason": "Missing dynamic variable x"}}, "error", "assistant_config"),
        ({"termination_reason": "something new"}, "ok", "other"),
        ({"termination_reason": ""}, "ok", "unknown"),
        ({"error": {"code": 3000, "reason": "Override is unsafe"}}, "error", "assistant_config"),
        ({"error": {"code": 1011, "reason": "The LLM did not answer"}}, "error", "llm_error"),
        ({"error": {"code": 403, "reason": "sip status: 403: Forbidden"}}, "error", "transport_error"),
        ({"error": {"code": "a private word"}}, "error", "platform_error"),
    ],
)
def test_ends(metadata: dict[str, object], outcome: str, reason: str) -> None:
    """A conversation's end by its error, else by a text of which no word is kept."""
    counted = tally(talk(**metadata))
    assert counted.total("voice_calls_ended_total", outcome=outcome, reason=reason) == 1
    assert reason in REASONS
    assert "private" not in repr(ELEVENLABS.parse(json.dumps(talk(**metadata)).encode()))


@pytest.mark.parametrize(("result", "status"), [("transfer_to_number_twilio_success", "connected"),
                                                ("transfer_to_number_error", "failed")])  # fmt: skip
def test_a_transfer_goes_before_the_text(result: str, status: str) -> None:
    """Who was put through leaves the conversation, too."""
    body = talk()
    done = {"request_id": "transfer_1", "tool_name": "transfer_to_number", "result": {"result_type": result}}
    body["data"]["transcript"][4]["tool_results"] = [done]
    counted = tally(body, body)
    assert counted.total("voice_transfers_total", status=status) == counted.total("voice_transfers_total") == 1
    forwarded = status == "connected"
    assert counted.total("voice_calls_ended_total", reason="forwarded" if forwarded else "customer_ended") == 1


@pytest.mark.parametrize("fields", [{"text_only": True}, {"whatsapp": {"from": "+15550100001"}}, {"sms": {}}])
def test_a_chat_is_no_call(fields: dict[str, object]) -> None:
    """Nobody spoke."""
    assert ELEVENLABS.parse(json.dumps(talk(**fields)).encode()).facts == ()


@pytest.mark.parametrize("kind", sorted({*ELEVENLABS.events, "answering_machine_detection"} - ELEVENLABS.counted))
def test_events_that_count_nothing(kind: str) -> None:
    """Audio, voices and whatever comes next are 200, or the platform switches the webhook off."""
    assert ELEVENLABS.parse(json.dumps({**talk(), "type": kind}).encode()).facts == ()


def test_without_the_conversation_nothing_counts() -> None:
    """A transcription in another format is taken and ignored; a body without a type is none of its."""
    body = json.dumps({"type": TALK, "event_timestamp": 1767603638, "data": {"resource_spans": []}}).encode()
    assert ELEVENLABS.parse(body).facts == ()
    with pytest.raises(InvalidEvent, match="type is missing"):
        ELEVENLABS.parse(b'{"caller_id": "+15550100001", "agent_id": "a"}')


@pytest.mark.parametrize("name", [TALK, f"{TALK}_failed", "call_initiation_failure"])
def test_nothing_private_is_kept(name: str) -> None:
    """No name, number, text or id of a person becomes part of an event."""
    shown = repr(ELEVENLABS.parse(json.dumps(payload(name, "elevenlabs")).encode()))
    for private in ("Ada", "555010", "Tuesday", "AC0001", "CA000", "user-private", "quota limit"):
        assert private not in shown
