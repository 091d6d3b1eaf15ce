"""Hangs, errors, and the outcome of hangs."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from exporter.config import Calls, Config
from tests.calls.tally import Tally, payload

HANG_MS = 1772702490000


def changed(name: str, **message: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A payload with other values at the top of its message."""
    body = payload(name)
    body["message"].update(message)
    return body


def conversation(*times: int) -> dict[str, Any]:
    """A conversation of assistant messages at these times (ms)."""
    messages = [{"messageId": f"user-{at}-x-{at}", "role": "assistant", "timestamp": at} for at in times]
    return changed("conversation-update", messages=messages)


def end(by: str) -> dict[str, Any]:
    """A call that ended by that side."""
    body = payload("status-update-finished")
    body["message"]["call"]["callEndTriggerBy"] = by
    return body


def error_at(time_ms: int) -> dict[str, Any]:
    """A rate limit error at that time."""
    return changed("error-llm-rate-limit", timestamp=time_ms)


def test_documented_hang() -> None:
    """A hang counts by assistant, provider, model and hour, and makes its call a hung one."""
    tally = Tally()
    tally.deliver(payload("hang"), payload("hang"))
    labels = {"assistant_id": "64ab00000000000000000001", "provider": "gemini"}
    assert tally.total("voice_hangs_total", model="gemini-3-flash-preview", **labels) == 1
    assert tally.total("voice_hangs_by_hour_total", provider="gemini", hour="09") == 1
    assert tally.total("voice_hung_calls_total") == 1
    assert tally.values("voice_hang_conversation_messages") == [2]
    assert tally.total("voice_hang_outcomes_total") == 0


def test_two_hangs_of_a_call() -> None:
    """Hangs differ by their timestamp; the call is hung once."""
    tally = Tally()
    tally.deliver(payload("hang"), changed("hang", timestamp=HANG_MS + 7000))
    assert tally.total("voice_hangs_total") == 2
    assert tally.total("voice_hung_calls_total") == 1


@pytest.mark.parametrize(
    ("sequel", "outcome", "recovery"),
    [
        (lambda: conversation(HANG_MS - 1000, HANG_MS + 2500, HANG_MS + 4000), "recovered", [2.5]),
        (lambda: error_at(HANG_MS + 1), "error", []),
        (lambda: end("user"), "abandoned", []),
        (lambda: end("bot"), "ended", []),
        (lambda: payload("end-of-call-report"), "ended", []),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["hang first", "hang late"])
def test_what_came_of_a_hang(
    sequel: Callable[[], dict[str, Any]], outcome: str, recovery: list[float], late: bool
) -> None:
    """The earliest thing after a hang is its outcome, also where the hang arrives after it."""
    bodies = [payload("hang"), sequel()]
    tally = Tally()
    tally.deliver(*(bodies[::-1] if late else bodies))
    assert tally.total("voice_hang_outcomes_total", outcome=outcome) == 1
    assert tally.total("voice_hang_outcomes_total") == 1
    assert tally.values("voice_hang_recovery_seconds") == recovery


def test_earlier_things_settle_nothing() -> None:
    """A reply and an error from before the hang leave it open."""
    tally = Tally()
    tally.deliver(payload("hang"), conversation(HANG_MS - 1, HANG_MS), error_at(HANG_MS - 5))
    assert tally.total("voice_hang_outcomes_total") == 0


def test_outcomes_and_open_hangs_add_up() -> None:
    """In every order each hang gets one outcome."""
    bodies = [payload("hang"), changed("hang", timestamp=HANG_MS + 9000), conversation(HANG_MS + 3000), end("user")]
    for order in permutations(bodies):
        tally = Tally()
        tally.deliver(*order)
        assert tally.total("voice_hangs_total") == 2
        assert tally.total("voice_hang_outcomes_total") == 2


def test_hang_without_call_or_time() -> None:
    """A hang that names nothing still counts, at each delivery, with an unknown outcome."""
    bare = {"message": {"type": "hang"}}
    tally = Tally()
    assert tally.deliver(bare, bare) == [True, True]
    assert tally.total("voice_hangs_total", assistant_id="unknown", provider="unknown") == 2
    assert tally.total("voice_hangs_by_hour_total", hour="unknown") == 2
    assert tally.total("voice_hang_outcomes_total", outcome="unknown") == 2
    assert tally.total("voice_hung_calls_total") == 0


def test_hang_without_call_but_with_time() -> None:
    """Without a call, the event's own time identifies a hang."""
    body = payload("hang")
    del body["message"]["call"]
    tally = Tally()
    assert tally.deliver(body, body) == [True, False]
    assert tally.total("voice_hangs_total", assistant_id="64ab00000000000000000001") == 1
    assert tally.total("voice_calls_started_total") == 0


def test_documented_errors() -> None:
    """Errors count by type, provider, code, retryable and the documented severity."""
    tally = Tally()
    tally.deliver(payload("error-llm-rate-limit"), payload("error-stt-audio-quality"), payload("error-llm-rate-limit"))
    assert (
        tally.total(
            "voice_errors_total",
            component="llm",
            error_type="llm_error",
            provider="openai",
            error_code="rate_limit_exceeded",
            retryable="true",
            severity="medium",
        )
        == 1
    )
    assert (
        tally.total("voice_errors_total", component="stt", provider="deepgram", retryable="false", severity="high") == 1
    )
    assert tally.total("voice_errors_by_hour_total", error_type="llm_error", hour="09") == 1
    assert tally.total("voice_service_requests_total", component="llm", provider="openai", model="gpt-4") == 1
    assert tally.total("voice_error_escalations_total", component="stt", cause="not_retryable") == 1
    assert tally.total("voice_error_escalations_total", component="llm") == 0


@pytest.mark.parametrize("code", ["authentication_failed", "quota_exceeded", "service_unavailable"])
def test_critical_codes(code: str) -> None:
    """The documented critical codes are critical, retryable or not."""
    body = payload("error-llm-rate-limit")
    body["message"]["error"]["code"] = code
    tally = Tally()
    tally.deliver(body)
    assert tally.total("voice_errors_total", error_code=code, severity="critical") == 1


def test_third_retryable_error_escalates_once() -> None:
    """Retries of a type are exhausted at the configured error of a call, and escalate once."""
    errors = [error_at(HANG_MS + at) for at in range(5)]
    tally = Tally()
    tally.deliver(*errors[:2], errors[0])
    assert tally.total("voice_error_escalations_total", cause="retries_exhausted") == 0
    tally.deliver(*errors)
    assert tally.total("voice_error_escalations_total", cause="retries_exhausted", provider="openai") == 1
    stricter = Tally(Config(calls=Calls(max_retries=1)))
    stricter.deliver(errors[0])
    assert stricter.total("voice_error_escalations_total", cause="retries_exhausted") == 1


def test_error_teaches_the_vendor() -> None:
    """An error's provider becomes the assistant's vendor of that component, so that error rates have a denominator."""
    tally = Tally()
    tally.deliver(payload("error-stt-audio-quality"), payload("conversation-update"))
    assert len(tally.values("voice_stt_confidence_ratio", provider="deepgram")) == 3


def test_unknown_error_type() -> None:
    """An error of an undocumented type counts under other, whatever text it carries."""
    body = payload("error-llm-rate-limit")
    body["message"]["error"] = {"type": "Ada's private words", "code": "no label this", "retryable": "maybe"}
    tally = Tally()
    tally.deliver(body)
    assert (
        tally.total(
            "voice_errors_total", component="platform", error_type="other", error_code="other", retryable="unknown"
        )
        == 1
    )
