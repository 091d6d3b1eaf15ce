"""Retell: what its events come to, each thing once, whichever event brings it."""

import json
from itertools import permutations
from typing import Any

import pytest

from exporter.errors import InvalidEvent
from exporter.events import UNKNOWN
from exporter.label_sets import REASONS
from exporter.platforms.retell import RETELL
from exporter.platforms.retell.reasons import ending
from tests.calls.tally import FIXTURES, Tally, payload

BODIES = ("call_started", "call_ended", "call_analyzed")
UNCONNECTED = {"call_id": "call_9", "agent_id": "agent_9", "call_status": "not_connected", "call_type": "phone_call"}


def retell(name: str, **fields: object) -> dict[str, Any]:
    """A fixture with these fields of its call replaced."""
    body = payload(name, "retell")
    body["call"] |= fields
    return body


def tally(*bodies: dict[str, Any]) -> Tally:
    """What bodies come to, in this order."""
    counted = Tally()
    counted.deliver(*bodies, platform="retell")
    return counted


@pytest.mark.parametrize("order", list(permutations(BODIES)), ids="-".join)
def test_a_call_counts_once_in_any_order(order: tuple[str, ...]) -> None:
    """Start, end and analysis of a call, each delivered twice, give what one clean delivery gives."""
    counted = tally(*(retell(name) for name in (*order, *order)))
    assert counted.series("voice_calls_started_total") == {("retell", "agent_00000000000000000000000001"): 1}
    assert counted.total("voice_calls_ended_total", outcome="ok", ended_by="customer", direction="inbound") == 1
    assert counted.total("voice_calls_active") == 0
    assert counted.values("voice_call_duration_seconds") == [23.5]
    assert counted.total("voice_call_evaluations_total", evaluation="pass") == 1
    assert counted.total("voice_call_evaluations_total") == 1
    assert counted.values("voice_response_seconds") == [1.24, 5.2105]
    assert counted.total("voice_slow_replies_total") == 1
    assert counted.values("voice_llm_response_seconds") == [0.61025, 0.702, 2.89]
    assert counted.values("voice_tts_generation_seconds") == [0.19, 0.2055]
    assert counted.values("voice_stt_latency_seconds") == [0.0, 0.088]
    assert counted.values("voice_tool_call_seconds", tool="find_slot") == [1.25]
    assert counted.values("voice_tool_call_seconds") == [1.25]
    assert counted.total("voice_messages_total", role="assistant") == 4
    assert counted.total("voice_messages_total", role="user") == 2
    assert counted.total("voice_call_cost_dollars_total") == pytest.approx(0.051)


@pytest.mark.parametrize("order", list(permutations(("call_ended", "call_analyzed"))), ids="-".join)
def test_a_longer_transcript_adds_its_messages(order: tuple[str, ...]) -> None:
    """Of two transcripts of a call the longer one counts, whichever comes first."""
    said = retell("call_ended")["call"]["transcript_object"]
    bodies = {"call_ended": retell("call_ended", transcript_object=said[:3]), "call_analyzed": retell("call_analyzed")}
    counted = tally(*(bodies[name] for name in (*order, *order)))
    assert counted.total("voice_messages_total") == 6
    assert counted.total("voice_messages_total", role="user") == 2


def test_cost_is_in_cents() -> None:
    """Each product's cents are dollars of its component, and the total is the call's."""
    counted = tally(retell("call_ended"))
    assert counted.values("voice_cost_per_call_dollars") == [0.05]
    for component, provider, dollars in (
        ("tts", "eleven-labs", 0.0275),
        ("llm", "openai", 0.015),
        ("telephony", UNKNOWN, 0.005),
        ("platform", UNKNOWN, 0.0025),
    ):
        labels = {"component": component, "provider": provider}
        assert counted.total("voice_call_cost_dollars_total", **labels) == pytest.approx(dollars)


def test_a_call_that_never_connected() -> None:
    """Its end opens and ends it, and nobody was reached."""
    body = {"event": "call_ended", "call": {**UNCONNECTED, "disconnection_reason": "dial_no_answer"}}
    counted = tally(body, {**body, "event": "call_analyzed"})
    assert counted.total("voice_calls_started_total") == 1
    assert counted.total("voice_calls_ended_total", outcome="unreached", reason="no_answer") == 1
    assert counted.values("voice_call_duration_seconds") == []


def test_a_failed_call_is_an_error_once() -> None:
    """The custom LLM's server went away: an error of the LLM that the customer is to blame for."""
    body = retell("call_ended_error")
    counted = tally(body, {**body, "event": "call_analyzed"})
    labels = {"component": "llm", "error_code": "error_llm_websocket_lost_connection", "retryable": "unknown"}
    assert counted.total("voice_errors_total", **labels) == counted.total("voice_errors_total") == 1
    assert counted.total("voice_calls_ended_total", reason="llm_error", fault="customer", call_type="web") == 1
    assert counted.total("voice_call_status_updates_total", status="failed") == 1
    assert counted.total("voice_call_evaluations_total", evaluation="none") == 1


@pytest.mark.parametrize("order", list(permutations(("transfer_bridged", "call_ended"))), ids="-".join)
def test_a_transfer_counts_once(order: tuple[str, ...]) -> None:
    """By the event of it, or by the reason of the call's end where that comes first."""
    bodies = {name: retell(name) for name in order}
    bodies["call_ended"]["call"]["disconnection_reason"] = "call_transfer"
    counted = tally(*(bodies[name] for name in (*order, *order)))
    assert counted.total("voice_transfers_total") == 1
    assert counted.total("voice_transfers_total", status="connected") == (order[0] == "transfer_bridged")
    assert counted.total("voice_calls_ended_total", reason="forwarded") == 1


@pytest.mark.parametrize("order", list(permutations(("transfer_cancelled", "transfer_bridged"))), ids="-".join)
def test_a_transfer_after_a_cancelled_one_counts(order: tuple[str, ...]) -> None:
    """Transfers have no time: a call's cancelled and its connected one are two, each delivery of the same is one."""
    bodies = [retell("transfer_bridged") | {"event": name} for name in order]
    counted = Tally()
    assert counted.deliver(*bodies, *bodies, retell("call_ended"), platform="retell") == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert counted.total("voice_transfers_total", status="cancelled") == 1
    assert counted.total("voice_transfers_total", status="connected") == 1


@pytest.mark.parametrize(
    "name", ["transcript_updated", "transfer_started", "transfer_ended", "chat_ended", "new_event"]
)
def test_events_that_count_nothing(name: str) -> None:
    """A transcript on its way, chats and events nobody has heard of are taken and leave no trace."""
    event = RETELL.parse(json.dumps({**retell("call_ended"), "event": name}).encode())
    assert event.facts == ()
    assert not event.needs_answer


def test_an_inbound_call_wants_an_answer() -> None:
    """While it rings, an application says which agent takes it."""
    assert RETELL.parse(b'{"event":"call_inbound","call_inbound":{"agent_id":"agent_1"}}').needs_answer


def test_a_custom_function_is_no_event() -> None:
    """Retell posts those to URLs of their own."""
    with pytest.raises(InvalidEvent, match="event is missing"):
        RETELL.parse(b'{"name":"find_slot","call":{},"args":{}}')


@pytest.mark.parametrize(
    "name", ["call_started", "call_ended", "call_analyzed", "call_ended_error", "transfer_bridged"]
)
def test_nothing_private_is_kept(name: str) -> None:
    """No name, number, text, address or token of a payload becomes part of an event."""
    shown = repr(RETELL.parse(json.dumps(retell(name)).encode()))
    for private in ("Ada", "555010", "Tuesday", "example-access-token", "recordings.", "CA0000", "private"):
        assert private not in shown


def test_every_documented_reason() -> None:
    """Each value of the SDK has its outcome, who ended the call, its class, its fault and its error."""
    lines = (FIXTURES / "retell" / "disconnection-reasons.txt").read_text().splitlines()[1:]
    for reason, status, *expected in map(str.split, lines):
        ended, error = ending(reason, status)
        told = (error.component, error.code) if error else ("-", "-")
        assert [ended.outcome, ended.ended_by, ended.reason, ended.fault, *told] == expected, reason
    assert len(lines) == 34


@pytest.mark.parametrize(
    ("reason", "status", "outcome", "reason_class", "fault", "error"),
    [
        ("agent_hangup", "ended", "ok", "assistant_ended", "none", None),
        ("call_take_over", "ended", "ok", "forwarded", "none", None),
        ("inactivity", "ended", "ok", "silence_timeout", "none", None),
        ("max_duration_reached", "ended", "ok", "max_duration", "none", None),
        ("voicemail_reached", "ended", "unreached", "voicemail", "none", None),
        ("dial_busy", "not_connected", "unreached", "busy", "none", None),
        ("user_declined", "not_connected", "unreached", "rejected", "none", None),
        ("dial_failed", "not_connected", "error", "transport_error", "unknown", ("transport", "dial_failed")),
        (
            "telephony_provider_permission_denied",
            "not_connected",
            "error",
            "transport_error",
            "customer",
            ("transport", "authentication_failed"),
        ),
        ("no_valid_payment", "error", "error", "start_refused", "customer", ("platform", "quota_exceeded")),
        ("error_asr", "error", "error", "stt_error", "vapi", ("stt", "error_asr")),
        ("error_of_a_new_kind", "error", "error", "platform_error", "unknown", ("platform", "other")),
        ("something_new", "ended", "unknown", "other", "unknown", None),
        ("something_new", "not_connected", "unreached", "other", "unknown", None),
        ("something_new", "error", "error", "other", "unknown", None),
        (None, "ended", "unknown", "unknown", "unknown", None),
    ],
)
def test_reasons(  # noqa: PLR0917 - parametrized by name
    reason: object, status: str, outcome: str, reason_class: str, fault: str, error: tuple[str, str] | None
) -> None:
    """A reason tells outcome, class and fault, and the service that failed; a new one is taken."""
    ended, failed = ending(reason, status)
    assert (ended.outcome, ended.reason, ended.fault) == (outcome, reason_class, fault)
    assert ended.reason in REASONS
    assert (failed and (failed.component, failed.code)) == error
