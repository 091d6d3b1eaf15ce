"""Why a Retell call ended: its disconnection_reason, and the error that it means.

The values are those of the SDK of July 2026 and those withdrawn before; a new one that says error is one, and of any
other the status of the call tells the outcome.
"""

from typing import Final

from exporter.events import OTHER, UNKNOWN, AtFault, Component, Ended, EndedBy, Error, Outcome
from exporter.platforms.values import identifier, severity

_ENDINGS: Final[dict[str, Ended]] = {
    "user_hangup": Ended("ok", "customer", "customer_ended", "none"),
    "agent_hangup": Ended("ok", "assistant", "assistant_ended", "none"),
    "call_transfer": Ended("ok", "assistant", "forwarded", "none"),
    "transfer_bridged": Ended("ok", "assistant", "forwarded", "none"),
    "call_take_over": Ended("ok", "system", "forwarded", "none"),
    "manual_stopped": Ended("ok", "system", "cancelled", "none"),
    "transfer_cancelled": Ended("unknown", "system", "cancelled", "unknown"),
    "inactivity": Ended("ok", "system", "silence_timeout", "none"),
    "max_duration_reached": Ended("ok", "system", "max_duration", "none"),
    "voicemail_reached": Ended("unreached", "system", "voicemail", "none"),
    "machine_detected": Ended("unreached", "system", "voicemail", "none"),
    "ivr_reached": Ended("unreached", "system", "voicemail", "none"),
    "no_concurrency_fallback": Ended("unreached", "system", "start_refused", "customer"),
    "dial_busy": Ended("unreached", "system", "busy", "none"),
    "dial_no_answer": Ended("unreached", "system", "no_answer", "none"),
    "user_declined": Ended("unreached", "customer", "rejected", "none"),
    "user_requested_dnc": Ended("ok", "customer", "customer_ended", "none"),
    "user_requested_callback": Ended("ok", "customer", "customer_ended", "none"),
    "invalid_destination": Ended("unreached", "system", "rejected", "customer"),
    "marked_as_spam": Ended("unreached", "system", "rejected", "customer"),
    "error_user_not_joined": Ended("unreached", "system", "no_answer", "none"),
    "registered_call_timeout": Ended("unreached", "system", "no_answer", "customer"),
    "error_inbound_webhook": Ended("error", "system", "assistant_request", "customer"),
}
_FAILURES: Final[dict[str, tuple[Component, str, AtFault, str]]] = {
    "dial_failed": ("transport", "transport_error", "unknown", ""),
    "telephony_provider_permission_denied": ("transport", "transport_error", "customer", "authentication_failed"),
    "telephony_provider_unavailable": ("transport", "transport_error", "provider", "service_unavailable"),
    "sip_routing_error": ("transport", "transport_error", "unknown", ""),
    "network_blocked": ("transport", "transport_error", "unknown", ""),
    "error_twilio": ("transport", "transport_error", "provider", ""),
    "error_no_audio_received": ("transport", "transport_error", "unknown", ""),
    "no_valid_payment": ("platform", "start_refused", "customer", "quota_exceeded"),
    "credit_exhausted": ("platform", "start_refused", "customer", "quota_exceeded"),
    "concurrency_limit_reached": ("platform", "start_refused", "customer", ""),
    "scam_detected": ("platform", "start_refused", "customer", ""),
    "error_llm_websocket_open": ("llm", "llm_error", "customer", ""),
    "error_llm_websocket_lost_connection": ("llm", "llm_error", "customer", ""),
    "error_llm_websocket_runtime": ("llm", "llm_error", "customer", ""),
    "error_llm_websocket_corrupt_payload": ("llm", "llm_error", "customer", ""),
    "error_asr": ("stt", "stt_error", "vapi", ""),
    "error_retell": ("platform", "platform_error", "vapi", ""),
    "error_frontend_corrupted_payload": ("platform", "platform_error", "vapi", ""),
    "error_unknown": ("platform", "platform_error", "unknown", ""),
}
"""What failed: component, reason, fault, and the code where it is another word than the reason itself."""
_UNCONNECTED: Final[dict[str, tuple[Outcome, EndedBy]]] = {
    "error": ("error", "system"),
    "not_connected": ("unreached", "system"),
}


def ending(reason: object, status: str) -> tuple[Ended, Error | None]:
    """How a call of that call_status ended, and the error that ended it, if one did."""
    name = identifier(reason)
    if ended := _ENDINGS.get(name):
        return ended, None
    if failure := _FAILURES.get(name):
        component, why, fault, code = failure
        return Ended("error", "system", why, fault), _error(component, code or name)
    if name.startswith("error_"):
        return Ended("error", "system", "platform_error", "unknown"), _error("platform", OTHER)
    outcome, ended_by = _UNCONNECTED.get(status, ("unknown", "unknown"))
    return Ended(outcome, ended_by, OTHER if name else UNKNOWN, "unknown"), None


def _error(component: Component, code: str) -> Error:
    return Error(component, f"{component}_error", code, severity=severity(code, "unknown"), once=True)
