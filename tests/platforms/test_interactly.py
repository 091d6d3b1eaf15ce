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


def test_an_empty_conversation_opens_its_call() -> None:
    """Nothing was said yet, but the call goes on."""
    body = {"message": {"type": "conversation-update", "call": {"id": "WC-1", "assistantId": "a1"}, "messages": []}}
    tally = Tally()
    assert tally.deliver(body, body) == [True, False]
    assert tally.series("voice_calls_started_total") == {("interactly", "a1"): 1}


@pytest.mark.parametrize("shape", ["%s", " %s ", "\ufeff%s"])
def test_python_json_is_read(shape: str) -> None:
    """NaN, surrogates and a byte order mark make a body no less readable."""
    body = payload("hang")
    body["message"]["assistant"]["name"] = "\ud800 name"
    body["message"]["messages"][1]["metrics"]["stt"]["confidence"] = float("nan")
    event = INTERACTLY.parse((shape % json.dumps(body)).encode("utf-8"))
    assert event.kind == "hang"
    assert event.call_id.startswith("WC-")


@pytest.mark.parametrize("time", [0, -1, 1772702490, 10**17, "now", True, 1e400])
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
