"""Closed lists of label values, so that nothing that a platform sends can grow the series."""

STATUSES = frozenset({"scheduled", "initiated", "queued", "ringing", "ongoing", "forwarded", "finished", "failed"})
SCORES = tuple(str(score) for score in range(1, 11))
"""The numeric rubric, from 1 to 10."""
EVALUATIONS = frozenset({"Excellent", "Good", "Fair", "Poor", "pass", "fail", *SCORES})
REASONS = frozenset(
    {
        "customer_ended",
        "assistant_ended",
        "system_ended",
        "forwarded",
        "silence_timeout",
        "max_duration",
        "voicemail",
        "busy",
        "no_answer",
        "rejected",
        "cancelled",
        "failed",
        "not_found",
        "deleted",
        "start_refused",
        "assistant_request",
        "assistant_config",
        "llm_error",
        "stt_error",
        "tts_error",
        "transport_error",
        "platform_error",
        "other",
        "unknown",
    }
)
"""Why a call ended: a closed list, so that no platform's list of reasons can grow the series."""
