"""Reasons for the end of a Vapi call: the documented ones by count, others by the grammar."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.events import OTHER, UNKNOWN
from exporter.label_sets import REASONS
from exporter.platforms.vapi.ended import ending
from tests.calls.tally import Tally
from tests.platforms.vapi_bodies import ENDED_REASONS, message

FAMILIES = ("pipeline-error-", "call.in-progress.error-vapifault-", "call.in-progress.error-providerfault-")
FAILURES = [error for reason in ENDED_REASONS if reason.startswith(FAMILIES) for error in ending(reason)[1:]]


def test_components_of_the_families_with_providers() -> None:
    """The listed values of the three families fall to components in the proportions of all 520 documented ones.

    Of those, 315 are of an LLM, 120 of a voice, 71 of a transcriber, 12 of transport or platform and 2 of video, which
    counts as platform; none is left over.
    """
    components = Counter("video" if each and each.provider == "tavus" else each and each.component for each in FAILURES)
    assert components == {"llm": 211, "tts": 78, "stt": 48, "transport": 7, "platform": 1, "video": 2}


def test_providers_of_the_families() -> None:
    """All 22 documented LLM providers and 14 transcribers are told apart, and the 18 voices that the list holds."""
    providers = {(each.component, each.provider) for each in FAILURES if each}
    assert Counter(component for component, name in providers if name not in {"", "tavus"}) == {
        "llm": 22,
        "stt": 14,
        "tts": 18,
    }


def test_every_listed_reason() -> None:
    """Every listed reason has an outcome and a class of its own; only of a deleted record is the outcome unknown."""
    ends = [ending(reason)[0] for reason in ENDED_REASONS]
    assert Counter(end.outcome for end in ends) == {"error": 375, "ok": 16, "unreached": 5, "unknown": 1}
    assert {end.reason for end in ends} <= REASONS - {OTHER, UNKNOWN}
    assert len(REASONS) <= 25


@pytest.mark.parametrize(
    ("reason", "component", "provider", "code"),
    [
        ("call.in-progress.error-vapifault-azure-openai-429-rate-limit-reached", "llm", "azure", "rate_limit_exceeded"),
        ("pipeline-error-anthropic-bedrock-401-unauthorized", "llm", "anthropic-bedrock", "authentication_failed"),
        ("pipeline-error-custom-llm-llm-failed", "llm", "custom-llm", UNKNOWN),
        ("pipeline-error-openai-voice-failed", "tts", "openai", UNKNOWN),
        ("pipeline-error-openai-transcriber-failed", "stt", "openai", UNKNOWN),
        ("pipeline-error-custom-transcriber-failed", "stt", "custom-transcriber", UNKNOWN),
        ("pipeline-error-custom-voice-failed", "tts", "custom-voice", UNKNOWN),
        ("pipeline-error-azure-speech-transcriber-failed", "stt", "azure", UNKNOWN),
        ("pipeline-error-11labs-voice-failed", "tts", "eleven-labs", UNKNOWN),
        ("pipeline-error-eleven-labs-voice-not-found", "tts", "eleven-labs", "not_found"),
        ("pipeline-error-eleven-labs-quota-exceeded", "tts", "eleven-labs", "quota_exceeded"),
        ("pipeline-error-cartesia-522-server-error", "tts", "cartesia", "service_unavailable"),
        ("pipeline-error-playht-403-forbidden-out-of-characters", "tts", "playht", "quota_exceeded"),
        (
            "call.in-progress.error-vapifault-assembly-ai-returning-400-insufficent-funds",
            "stt",
            "assembly-ai",
            "quota_exceeded",
        ),
        ("pipeline-error-soniox-transcriber-rate-limited", "stt", "soniox", "rate_limit_exceeded"),
        ("pipeline-error-deepgram-transcriber-api-key-missing", "stt", "deepgram", "authentication_failed"),
        ("call.in-progress.error-vapifault-worker-died", "platform", "", UNKNOWN),
        ("pipeline-error-chat-pipeline-failed-to-start", "platform", "", UNKNOWN),
        ("call.in-progress.error-providerfault-outbound-sip-486-busy-here", "transport", "", "callee_unavailable"),
        ("phone-call-provider-closed-websocket", "transport", "", UNKNOWN),
        ("vonage-rejected", "transport", "vonage", UNKNOWN),
        ("pipeline-no-available-llm-model", "llm", "", UNKNOWN),
        ("call.start.error-subscription-concurrency-limit-reached", "platform", "", "rate_limit_exceeded"),
        ("pipeline-error-deepgram-403-model-access-denied", "stt", "deepgram", "access_denied"),
        ("pipeline-error-deepgram-500-returning-invalid-json", "stt", "deepgram", "service_unavailable"),
        ("pipeline-error-gladia-503", "stt", "gladia", "service_unavailable"),
        ("soniox-500-transcriber-failed", "stt", "soniox", "service_unavailable"),
        ("pipeline-error-deepgram-voice-failed", "tts", "deepgram", UNKNOWN),
        ("pipeline-error-rime-ai-503-server-error", "tts", "rime-ai", "service_unavailable"),
        ("pipeline-error-openai-503-llm-failed", "llm", "openai", "service_unavailable"),
        ("pipeline-no-available-model", "llm", "", UNKNOWN),
        ("db-error", "platform", "", UNKNOWN),
        ("database-error", "platform", "", "service_unavailable"),
        ("no-server-available", "platform", "", UNKNOWN),
        ("license-check-failed", "platform", "", UNKNOWN),
        ("sip-gateway-failed-to-connect-call", "transport", "", UNKNOWN),
        ("vapifault-phone-call-worker-could-not-find-call", "platform", "", UNKNOWN),
    ],
)
def test_failed_service(reason: str, component: str, provider: str, code: str) -> None:
    """Component, provider and code come from what the reason says, in the order of the grammar."""
    ended, error = ending(reason)
    assert ended.outcome == "error"
    assert error is not None
    assert (error.component, error.provider, error.code) == (component, provider, code)
    assert error.error_type == f"{component}_error"


@pytest.mark.parametrize(
    ("reason", "component", "provider"),
    [
        ("pipeline-error-newvendor-llm-failed", "llm", "newvendor"),
        ("call.in-progress.error-providerfault-new-vendor-ai-529-overloaded", "llm", "new-vendor-ai"),
        ("call.in-progress.error-vapifault-newvendor-transcriber-out-of-credits", "stt", "newvendor"),
        ("call.in-progress.error-customerfault-newvendor-voice-auth-failed", "tts", "newvendor"),
    ],
)
def test_unseen_value_of_a_family(reason: str, component: str, provider: str) -> None:
    """A provider that nobody has heard of is read by the suffix."""
    _, error = ending(reason)
    assert error is not None
    assert (error.component, error.provider) == (component, provider)


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("call.in-progress.error-vapifault-openai-500-server-error", "vapi"),
        ("call.in-progress.error-providerfault-openai-500-server-error", "provider"),
        ("call.in-progress.error-customerfault-openai-500-server-error", "customer"),
        ("pipeline-error-openai-401-unauthorized", "customer"),
        ("pipeline-error-openai-429-rate-limit-reached", "customer"),
        ("pipeline-error-openai-500-server-error", "provider"),
        ("pipeline-error-openai-llm-failed", "unknown"),
        ("call.start.error-vapifault-get-org", "vapi"),
        ("call.start.error-subscription-insufficient-credits", "customer"),
        ("assistant-request-returned-no-assistant", "customer"),
        ("customer-ended-call", "none"),
        ("something-new", "unknown"),
        ("vapifault-transport-connected-but-call-not-active", "vapi"),
        ("providerfault-something-new", "provider"),
    ],
)
def test_fault(reason: str, fault: str) -> None:
    """The blame is the reason's own word; with the customer's own keys it follows from what failed."""
    assert ending(reason)[0].fault == fault


@pytest.mark.parametrize(
    ("reason", "outcome", "ended_by", "reason_class"),
    [
        ("customer-busy", "unreached", "system", "busy"),
        ("customer-did-not-answer", "unreached", "system", "no_answer"),
        ("voicemail", "unreached", "system", "voicemail"),
        ("customer-ended-call-after-warm-transfer-attempt", "ok", "customer", "customer_ended"),
        ("assistant-said-message-with-end-call-enabled", "ok", "assistant", "assistant_ended"),
        ("silence-timed-out", "ok", "system", "silence_timeout"),
        ("exceeded-max-duration", "ok", "system", "max_duration"),
        ("assistant-request-failed", "error", "system", "assistant_request"),
        ("assistant-not-valid", "error", "system", "assistant_config"),
        ("assistant-request-returned-forwarding-phone-number", "ok", "system", "forwarded"),
        ("scheduled-call-deleted", "unknown", "system", "deleted"),
        ("call.in-progress.error-warm-transfer-max-duration", "error", "system", "max_duration"),
        ("pipeline-error-of-a-new-kind", "error", "system", "other"),
        ("hangup", "unknown", "unknown", "other"),
        ("assistant-error", "error", "system", "other"),
        ("unknown-error", "error", "system", "other"),
        ("something-new-could-not-begin", "error", "system", "other"),
        ("call.in-progress.error-warm-transfer-idle-timeout", "error", "system", "silence_timeout"),
        ("x" * 5000, "unknown", "unknown", "other"),
        ("", "unknown", "unknown", "unknown"),
        (None, "unknown", "unknown", "unknown"),
        (7, "unknown", "unknown", "unknown"),
    ],
)
def test_end_without_a_failed_service(reason: object, outcome: str, ended_by: str, reason_class: str) -> None:
    """Ends that no service failed are no errors, and what is no known reason is other."""
    ended, error = ending(reason)
    assert (ended.outcome, ended.ended_by, ended.reason) == (outcome, ended_by, reason_class)
    assert error is None


@given(st.text(max_size=60), st.sampled_from(("", *FAMILIES, "call.start.error-", "call.in-progress.error-")))
@example("-transcriber-x", "pipeline-error-")
def test_any_value_is_taken(text: str, family: str) -> None:
    """No value raises, and none makes a class that is not in the closed list."""
    ended, error = ending(family + text)
    assert ended.reason in REASONS
    assert error is None or error.error_type in {
        f"{part}_error" for part in ("llm", "stt", "tts", "transport", "platform")
    }


def test_failure_counts_as_error_and_request_once() -> None:
    """Status and report tell of the same failure: one error, one failed request, with the labels of Interactly's."""
    reason, tally = "call.in-progress.error-vapifault-openai-401-incorrect-api-key", Tally()
    status = message("status-update-ended", endedReason=reason)
    report = message("end-of-call-report", endedReason=reason, artifact={})
    tally.deliver(status, report, status, report, platform="vapi")
    labels = {
        "component": "llm",
        "error_type": "llm_error",
        "provider": "openai",
        "error_code": "authentication_failed",
        "retryable": "false",
        "severity": "critical",
    }
    assert tally.total("voice_errors_total", **labels) == tally.total("voice_errors_total") == 1
    assert tally.total("voice_service_requests_total", component="llm", provider="openai") == 1
    assert tally.total("voice_error_escalations_total", cause="not_retryable", component="llm") == 1
    assert tally.total("voice_calls_ended_total", outcome="error", reason="llm_error", fault="vapi") == 1


def test_failed_end_decides_hangs_as_the_end_that_it_is() -> None:
    """An error known only from the end is no event after the hang: early or late, the hang's outcome is ended."""
    ended = message("status-update-ended", endedReason="pipeline-error-openai-llm-failed")
    for events in ((message("hang"), ended), (ended, message("hang"))):
        tally = Tally()
        tally.deliver(*events, platform="vapi")
        assert tally.total("voice_hang_outcomes_total", outcome="ended") == 1
        assert tally.total("voice_hang_outcomes_total") == tally.total("voice_hangs_total") == 1
