"""How an ElevenLabs conversation ended: by its error, by a tool that ended it, or by a free text.

Nothing of the texts reaches a label; of an error's code only digits do. No list of texts is documented, so what fits
none is reason ``other``.
"""

import re
from typing import Final

from exporter.events import OTHER, UNKNOWN, AtFault, Component, Ended, Error
from exporter.platforms.elevenlabs import wire
from exporter.platforms.values import identifier, severity, text

_FORWARDED: Final = Ended("ok", "assistant", "forwarded", "none")
_ASSISTANT: Final = Ended("ok", "assistant", "assistant_ended", "none")
_CUSTOMER: Final = Ended("ok", "customer", "customer_ended", "none")
_BUSY: Final = Ended("unreached", "system", "busy", "none")
_NO_ANSWER: Final = Ended("unreached", "system", "no_answer", "none")
_LINES: Final[dict[str, Ended]] = {
    "busy": _BUSY,
    "no-answer": _NO_ANSWER,
    "486": _BUSY,
    "600": _BUSY,
    "408": _NO_ANSWER,
    "480": _NO_ANSWER,
    "487": _NO_ANSWER,
    "603": Ended("unreached", "customer", "rejected", "none"),
    **dict.fromkeys(("404", "484", "604"), Ended("unreached", "system", "rejected", "customer")),
}
"""Calls that nobody took, by what the platform, SIP or Twilio says of the line."""
_TEXTS: Final = tuple(
    (re.compile(pattern), ended)
    for pattern, ended in (
        (r"call ended by remote party", _CUSTOMER),
        (r"client disconnected: (?:1000|1001|1005)\b", _CUSTOMER),
        (r"client disconnected", Ended("unknown", "customer", "customer_ended", "unknown")),
        (r"end_call tool", _ASSISTANT),
        (r"voicemail_detection|answering machine", Ended("unreached", "system", "voicemail", "none")),
        (r"seconds of silence|max inactive", Ended("ok", "system", "silence_timeout", "none")),
        (r"max duration", Ended("ok", "system", "max_duration", "none")),
    )
)
"""Texts of the reason for the end, as recordings have them; the first match wins."""


def not_taken(data: wire.Data) -> tuple[Ended, Error | None]:
    """How an outbound call failed that nobody took."""
    line = (data.metadata and data.metadata.body) or wire.Line()
    code = identifier(line.sip_status_code) or identifier(line.sip_response_code)
    for word in (text(data.failure_reason), code, text(line.call_status)):
        if ended := _LINES.get(word):
            return ended, None
    if code in {"401", "403", "407"}:
        return _failed("transport", "transport_error", "customer", "authentication_failed")
    if len(code) == 3 and code.startswith("5"):
        return _failed("transport", "transport_error", "provider", "service_unavailable")
    return _failed("transport", "transport_error", "unknown", UNKNOWN)


def ending(data: wire.Data, metadata: wire.Metadata, seconds: int | None) -> tuple[Ended, Error | None]:
    """How a conversation ended that took place, and the error that ended it, if one did."""
    if metadata.error or data.status == "failed":
        return _by_error(metadata.error or wire.Error(), started=bool(seconds))
    results = [text(done.result.result_type) for done in _tools(data) if done.result]
    if any(result.startswith("transfer_to_number_") and result.endswith("_success") for result in results):
        return _FORWARDED, None
    reason = text(metadata.termination_reason).lower()
    for pattern, ended in _TEXTS:
        if pattern.search(reason):
            return ended, None
    if "end_call_success" in results:
        return _ASSISTANT, None
    if data.status == "done":
        return Ended("ok", "unknown", OTHER if reason else UNKNOWN, "none"), None
    return Ended(reason=OTHER if reason else UNKNOWN), None


def transfers(data: wire.Data) -> tuple[str, ...]:
    """Statuses of the transfers to a number; one to another agent stays inside."""
    statuses = {"success": "connected", "error": "failed"}
    results = (text(done.result.result_type) for done in _tools(data) if done.result)
    return tuple(
        statuses[result.rpartition("_")[2]]
        for result in results
        if result.startswith("transfer_to_number") and result.rpartition("_")[2] in statuses
    )


def _tools(data: wire.Data) -> list[wire.ToolResult]:
    return [done for entry in data.transcript or () for done in entry.tool_results or ()]


def _by_error(error: wire.Error, *, started: bool) -> tuple[Ended, Error | None]:
    number = identifier(error.code)
    code = number if number.isascii() and number.isdigit() and len(number) <= 6 else UNKNOWN
    reason = f"{text(error.reason)} {text(error.error_type)}".lower()
    if "quota" in reason or "credits" in reason:
        return _failed("platform", "platform_error" if started else "start_refused", "customer", "quota_exceeded")
    if "unsafe" in reason or "dynamic variable" in reason:
        return _failed("platform", "assistant_config", "customer", code)
    if "sip status" in reason:
        return _failed("transport", "transport_error", "customer", code)
    if re.search(r"\bllm\b", reason):
        return _failed("llm", "llm_error", "unknown", code)
    return _failed("platform", "platform_error", "unknown", code)


def _failed(component: Component, reason: str, fault: AtFault, code: str) -> tuple[Ended, Error]:
    error = Error(component, f"{component}_error", code, severity=severity(code, "unknown"), once=True)
    return Ended("error", "system", reason, fault), error
