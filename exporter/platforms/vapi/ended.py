"""Why a Vapi call ended: some 600 values of endedReason, read by their grammar so that new ones are understood.

The families and their order are those of Vapi's OpenAPI document of August 2026. A value that fits none is reason
``other``; nothing of a value reaches a label but the provider it names.
"""

import re
from typing import Final

from exporter.events import OTHER, UNKNOWN, AtFault, Component, Ended, Error, Retryable
from exporter.platforms.values import provider, severity, text

_LONGEST: Final = 200
"""Twice the longest documented value; a longer one is no reason."""

_ENDINGS: Final = tuple(
    (re.compile(pattern), ended)
    for pattern, ended in (
        (r"customer-ended-call.*", Ended("ok", "customer", "customer_ended", "none")),
        (r"customer-busy", Ended("unreached", "system", "busy", "none")),
        (r"customer-did-not-answer", Ended("unreached", "system", "no_answer", "none")),
        (r"customer-did-not-give-.*", Ended("unreached", "customer", "rejected", "customer")),
        (r"twilio-reported-customer-misdialed", Ended("unreached", "system", "rejected", "customer")),
        (r"call\.ringing\..*(?:hungup|hung-up).*", Ended("unreached", "customer", "customer_ended", "none")),
        (r"voicemail", Ended("unreached", "system", "voicemail", "none")),
        (r"call\.forwarding\..*busy", Ended("unreached", "system", "busy", "none")),
        (r"call\.forwarding\.no-answer", Ended("unreached", "system", "no_answer", "none")),
        (r"assistant-(?:ended-call|said-).*", Ended("ok", "assistant", "assistant_ended", "none")),
        (r"assistant-forwarded-call", Ended("ok", "assistant", "forwarded", "none")),
        (r"assistant-request-returned-forwarding-.*", Ended("ok", "system", "forwarded", "none")),
        (r"assistant-request-.*", Ended("error", "system", "assistant_request", "customer")),
        (r"assistant-(?:not-|invalid).*", Ended("error", "system", "assistant_config", "customer")),
        (r"silence-timed-out", Ended("ok", "system", "silence_timeout", "none")),
        (r"exceeded-max-duration", Ended("ok", "system", "max_duration", "none")),
        (r"manually-canceled", Ended("ok", "system", "cancelled", "none")),
        (r"(?:scheduled-)?call-deleted", Ended("unknown", "system", "deleted", "none")),
        (r"(?:call\.in-progress\.)?\w+-completed(?:-call)?", Ended("ok", "unknown", "system_ended", "none")),
        (r"call\.\w+\.hook-executed-transfer", Ended("ok", "system", "forwarded", "none")),
        (r"call\.\w+\.hook-executed-.*", Ended("ok", "system", "system_ended", "none")),
        (r"call\.in-progress\.error-warm-transfer-.*duration", Ended("error", "system", "max_duration")),
        (r"call\.in-progress\.error-warm-transfer-.*(?:silence|idle).*", Ended("error", "system", "silence_timeout")),
        (r"call\.in-progress\.error-warm-transfer-.*", Ended("error", "system", "cancelled")),
    )
)
"""Ends without a failed service."""

_FAMILY: Final = re.compile(
    r"(?P<pipeline>pipeline-)(?:error-)?(?P<piped>.+)"
    r"|(?P<start>call[.-]start[.-])(?:error-)?(?:(?P<refusing>[a-z]+)fault-)?(?P<refused>.+)"
    r"|call\.in-progress\.error-(?:(?P<failing>[a-z]+)fault-)?(?P<failed>.+)"
    r"|(?P<blamed>[a-z]+)fault-(?P<blame>.+)"
)
_SAYS_ERROR: Final = re.compile(
    r"\berror\b|\bfail(?:ed|ure)?\b|\bcrash(?:ed)?\b|\bdied\b|unavailable|\bno-(?:\w+-)*available\b|not-available|could-?not"
)
"""A reason outside the grammar that calls itself an error."""
_TRANSCRIBERS: Final = frozenset(
    {"assembly-ai", "azure-speech", "deepgram", "gladia", "soniox", "speechmatics", "talkscriber"}
)
"""Providers that only transcribe, as far as a call can fail by them with a mere status code."""
_VOICES: Final = frozenset(
    {
        "11labs",
        "cartesia",
        "eleven-labs",
        "hume",
        "inworld",
        "lmnt",
        "neets",
        "neuphonic",
        "play-ht",
        "playht",
        "rime-ai",
        "sesame",
        "smallest-ai",
        "wellsaid",
    }
)
"""Providers that only speak; where one of them transcribes as well, its reasons say so."""
_STATUS: Final = re.compile(r"(?:-|^)[1-5]\d\d$")
"""A status code at the end of what stands where a provider is named."""
_TRANSCRIBING: Final = "|".join(sorted(_TRANSCRIBERS))
_SPEAKING: Final = "|".join(sorted(_VOICES, key=len, reverse=True))
_SERVICES: Final[tuple[tuple[Component, re.Pattern[str]], ...]] = (
    ("transport", re.compile(r"outbound-sip-.*|.*transport.*|sip-.*|phone-call-provider-.*")),
    ("platform", re.compile(r".*worker.*|chat-pipeline-.*|(?:db|database)-.*|no-server-available|license-.*")),
    ("llm", re.compile(r"(?:pipeline-)?(?:no-available-(?:llm-)?model|ws-model-.*)")),
    ("stt", re.compile(r"(?P<provider>.+?)-returning-.+")),
    ("stt", re.compile(r"(?P<provider>.+?)-transcriber-.+")),
    ("tts", re.compile(r"(?P<provider>.+?)-voice-(?:failed|request-canceled)")),
    ("tts", re.compile(rf"(?P<provider>{_SPEAKING})-.+")),
    ("stt", re.compile(rf"(?P<provider>{_TRANSCRIBING})-(?!voice-|llm-).+")),
    ("llm", re.compile(r"(?P<provider>.+?)-[45]\d\d(?:-.+)?")),
    ("llm", re.compile(r"(?P<provider>.+)-llm-.+")),
    ("tts", re.compile(r"(?P<provider>.+?)-voice-.+")),
    ("platform", re.compile(r"(?P<provider>.+)-video-.+")),
    ("transport", re.compile(r"(?P<provider>twilio|vonage|telnyx)-(?:failed-to-connect.*|dis.*|rejected)")),
    ("transport", re.compile(r"transfer-failed|.*customer-audio")),
    ("platform", re.compile(r"assistant-join-.*")),
)
"""The service that failed, by what follows the family's prefix; the first match wins. The suffix tells the component,
for one provider may sell several, and the provider is all that stands before it; a mere status code tells nothing, so
there the provider does, where it sells one thing only."""

_CUSTOM: Final[dict[Component, str]] = {"stt": "custom-transcriber", "tts": "custom-voice"}
"""What an assistant's configuration calls the provider that a reason calls custom."""

_CODES: Final = tuple(
    (code, re.compile(pattern))
    for code, pattern in (
        ("callee_unavailable", r"outbound-sip-(?:480|486|6\d\d)"),
        ("quota_exceeded", r"quota|credits|out-of-characters|insuffici?ent|payment|funds|wallet"),
        ("rate_limit_exceeded", r"rate-limit|concurren|daily-limit|\b429\b"),
        ("authentication_failed", r"\b401\b|\b407\b|api-key|unauthorized|auth-failed|authentication|credentials"),
        ("service_unavailable", r"\b5\d\d\b|server-error|busy|overloaded|unavailable|worker-not-available|database"),
        ("timeout", r"timed-out|timeout|\b408\b"),
        ("network_error", r"hang-up|econn|network|connection"),
        ("access_denied", r"\b403\b|denied|forbidden|blocked|disabled|not-allowed|not-available|only|fraud"),
        ("not_found", r"\b404\b|not-found|does-not-exist|no-such"),
        ("invalid_request", r"\b4\d\d\b|invalid|missing|exceeded|not-fine-tuned|validation|neither"),
    )
)
"""Codes as Interactly spells them where it has one; the first match wins, so a word says more than a status."""

_TRANSIENT: Final = frozenset(
    {"callee_unavailable", "rate_limit_exceeded", "service_unavailable", "timeout", "network_error"}
)
"""Vapi does not say what may be retried; HTTP does, by the class that the reason names: after these the same request
may succeed later, after the others not before someone changes a key, a plan or a configuration."""


def ending(value: object) -> tuple[Ended, Error | None]:
    """How a call with that endedReason ended, and the error of the service that failed, if one did."""
    reason = text(value)
    if not reason or len(reason) > _LONGEST:
        return Ended(reason=OTHER if reason else UNKNOWN), None
    for pattern, ended in _ENDINGS:
        if pattern.fullmatch(reason):
            return ended, None
    return _failure(reason)


def _failure(reason: str) -> tuple[Ended, Error | None]:
    family = _FAMILY.fullmatch(reason)
    if family and family["start"]:
        refusal = _error("platform", "", family["refused"])
        return Ended("error", "system", "start_refused", _fault(family["refusing"], refusal, own_key=True)), refusal
    blamed = (family["failing"] or family["blamed"]) if family else None
    error = _service_error((family["piped"] or family["failed"] or family["blame"]) if family else reason)
    if error:
        fault = _fault(blamed, error, own_key=bool(family and family["pipeline"]))
        return Ended("error", "system", error.error_type, fault), error
    if family or _SAYS_ERROR.search(reason):
        return Ended("error", "system", OTHER, _named(blamed)), None
    return Ended(reason=OTHER), None


def _service_error(rest: str) -> Error | None:
    for component, pattern in _SERVICES:
        if match := pattern.fullmatch(rest):
            name = _STATUS.sub("", match.groupdict().get("provider") or "")
            return _error(component, _CUSTOM.get(component, name) if name == "custom" else name, rest[len(name) :])
    return None


def _error(component: Component, name: str, detail: str) -> Error:
    code = next((code for code, pattern in _CODES if pattern.search(detail)), UNKNOWN)
    retryable: Retryable = UNKNOWN if code == UNKNOWN else "true" if code in _TRANSIENT else "false"
    return Error(
        component=component,
        error_type=f"{component}_error",
        code=code,
        provider=provider(name),
        retryable=retryable,
        severity=severity(code, retryable),
        once=True,
    )


def _named(word: str | None) -> AtFault:
    """The party that the reason itself blames."""
    match word:
        case "vapi" | "provider" | "customer":
            return word
        case _:
            return "unknown"


def _fault(word: str | None, error: Error, *, own_key: bool) -> AtFault:
    """Whose fault it is: as the reason says, else, with keys of the customer's own, by what failed.

    Of a pipeline-error the documentation says that it is your credential or quota; that a service is down is not.
    """
    if word or not own_key or error.retryable == UNKNOWN:
        return _named(word)
    if error.code == "rate_limit_exceeded" or error.retryable == "false":
        return "customer"
    return "provider" if error.component in {"llm", "stt", "tts"} else "unknown"
