"""What counts as a body of Interactly's."""

import json

import pytest

from exporter.errors import InvalidEvent
from exporter.platforms.interactly import INTERACTLY
from tests.calls.tally import Tally, payload


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "message.type"),
        (b'{"test": "message"}', "message.type"),
        (b'{"message": "text"}', "message.type"),
        (b'{"message": {"type": 5}}', "message.type"),
    ],
)
def test_invalid_bodies(body: bytes, words: str) -> None:
    """What is no event is refused with words that name what is wrong."""
    with pytest.raises(InvalidEvent, match=words):
        INTERACTLY.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        {"event": "call_status", "call": {"id": "C1", "status": "completed"}},
        {"event": "workflow_run_started"},
        {"message": {"type": "new-kind-of-event", "call": {"id": "WC-1"}}},
    ],
)
def test_ignored_bodies(body: dict[str, object]) -> None:
    """Campaign and workflow bodies and events of unknown types are known and carry nothing to count."""
    event = INTERACTLY.parse(json.dumps(body).encode())
    assert event.kind == "other"
    assert event.facts == ()


@pytest.mark.parametrize("kind", sorted(INTERACTLY.events))
@pytest.mark.parametrize("messages", [None, [], {}, [{}], [{"role": "user"}], [5]])
@pytest.mark.parametrize("call", [None, {}, {"id": None}, {"id": "WC-1"}])
def test_every_field_may_be_missing(kind: str, messages: object, call: object) -> None:
    """A body of a known type is an event, however little it says."""
    body = {"message": {"type": kind, "messages": messages, "call": call}}
    assert INTERACTLY.parse(json.dumps(body).encode()).kind == kind


def test_a_status_beside_the_call() -> None:
    """Until 2026 the status stood beside the call, which could be missing, in words that the connection still has."""
    statuses = {"in-progress": "ongoing", "completed": "finished", "no-answer": "finished", "failed": "failed"}
    for sent, counted in statuses.items():
        tally = Tally()
        body = {
            "message": {"type": "status-update", "timestamp": 1741165280000, "status": sent, "call": {"id": "WC-1"}}
        }
        assert tally.deliver(body, body) == [True, False]
        assert tally.series("voice_call_status_updates_total") == {("interactly", "unknown", counted): 1}
        assert tally.total("voice_calls_ended_total") == (sent != "in-progress")
        assert tally.total("voice_calls_ended_total", outcome="unreached", reason="no_answer") == (sent == "no-answer")
        assert tally.total("voice_calls_ended_total", outcome="error", reason="failed") == (sent == "failed")


def test_an_end_without_a_call() -> None:
    """A call of which the body has no more than the status ended all the same, once for each time."""
    ends = [
        {"message": {"type": "status-update", "timestamp": 1741165280000 + ms, "status": "completed"}} for ms in (0, 7)
    ]
    tally = Tally()
    assert tally.deliver(*ends, *ends) == [True, True, False, False]
    assert tally.total("voice_calls_ended_total") == 2


def test_a_reply_whose_time_is_iso_8601_ends_a_hang() -> None:
    """Messages had such times until 2026: the reply of seven seconds later is the hang's recovery."""
    call = {"id": "WC-1", "assistantId": "a1"}
    hang = {"message": {"type": "hang", "timestamp": 1741165280000, "call": call}}
    reply = {"messageId": "user-1-x-1", "role": "assistant", "timestamp": "2025-03-05T10:01:27+01:00"}
    body = {"type": "conversation-update", "timestamp": 1741165290000, "call": call, "messages": [reply]}
    tally = Tally()
    tally.deliver(hang, {"message": body})
    assert tally.total("voice_hang_outcomes_total", outcome="recovered") == 1
    assert tally.values("voice_hang_recovery_seconds") == [7.0]


def test_money_without_a_name() -> None:
    """What the total has beyond the named parts is of component other; a rounding is nobody's."""
    report = payload("end-of-call-report")
    cost, tally = report["message"]["call"]["cost"], Tally()
    tally.deliver(report)
    assert tally.total("voice_call_cost_dollars_total", component="other") == 0
    cost["totalCost"] += 0.02
    tally = Tally()
    tally.deliver(report)
    assert tally.total("voice_call_cost_dollars_total", component="other") == pytest.approx(0.02)
    assert tally.total("voice_call_cost_dollars_total") == pytest.approx(cost["totalCost"])


def test_zero_waits_for_a_measurement() -> None:
    """A length, a total and an LLM latency of 0 say that there is none yet: what comes later counts."""
    report = payload("end-of-call-report")
    early = json.loads(json.dumps(report))
    early["message"]["call"]["cost"] = {"callDuration": 0, "totalCost": 0}
    early["message"]["call"] |= {"endAt": None, "assistantCallDuration": 0}
    tally = Tally()
    tally.deliver(early, report)
    assert tally.values("voice_call_duration_seconds") == [41.676]
    assert tally.values("voice_cost_per_call_dollars") == [pytest.approx(0.0397529186108)]
    update = payload("conversation-update")
    messages = update["message"]["messages"]
    unmeasured = json.loads(json.dumps(update))
    for message in unmeasured["message"]["messages"]:
        if message.get("metrics", {}).get("llm"):
            message["metrics"]["llm"] = {"responseLatencyMs": 0}
    assert messages != unmeasured["message"]["messages"]
    late, once = Tally(), Tally()
    late.deliver(unmeasured, update)
    once.deliver(update)
    assert late.values("voice_llm_response_seconds") == once.values("voice_llm_response_seconds") != []


def test_an_empty_conversation_opens_its_call() -> None:
    """Nothing was said yet, but the call goes on."""
    body = {"message": {"type": "conversation-update", "call": {"id": "WC-1", "assistantId": "a1"}, "messages": []}}
    tally = Tally()
    assert tally.deliver(body, body) == [True, False]
    assert tally.series("voice_calls_started_total") == {("interactly", "a1"): 1}
    nobody = {"message": {"type": "conversation-update", "call": {"id": "WC-2"}, "messages": []}}
    assert tally.deliver(nobody, nobody) == [True, False]


@pytest.mark.parametrize("shape", ["%s", " %s ", "\ufeff%s"])
def test_python_json_is_read(shape: str) -> None:
    """NaN, surrogates and a byte order mark make a body no less readable."""
    body = payload("hang")
    body["message"]["assistant"]["name"] = "\ud800 name"
    body["message"]["messages"][1]["metrics"]["stt"]["confidence"] = float("nan")
    event = INTERACTLY.parse((shape % json.dumps(body)).encode("utf-8"))
    assert event.kind == "hang"
    assert event.call_id.startswith("WC-")


@pytest.mark.parametrize("time", [0, -1, 17727024, 10**17, "now", True, 1e400])
def test_absurd_time_of_an_event(time: object) -> None:
    """A time that cannot be is left out and named; the event counts."""
    body = payload("hang")
    body["message"]["timestamp"] = time
    event = INTERACTLY.parse(json.dumps(body).encode())
    assert event.time_ms is None
    assert [rejected.field for rejected in event.rejected] == ["message.timestamp"]


@pytest.mark.parametrize(
    ("spelling", "provider"),
    [("11labs", "eleven-labs"), ("elevenlabs", "eleven-labs"), ("eleven-labs", "eleven-labs"), ("OpenAI", "openai"),
     ("google", "gemini"), ("gemini", "gemini"), ("a b", "other"), ("", "")],
)  # fmt: skip
def test_spellings_of_providers(spelling: str, provider: str) -> None:
    """A provider has one spelling."""
    body = payload("error-llm-rate-limit")
    body["message"]["assistant"]["assistantProvider"] = spelling
    assert INTERACTLY.parse(json.dumps(body).encode()).assistant.llm_provider == provider
