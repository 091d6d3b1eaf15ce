"""Every metric of the exporter: name, type, labels, bounds, help. The one place."""

from typing import Final

from exporter.metrics import bounds
from exporter.metrics.labels import (
    call_end_labels,
    component_labels,
    cost_labels,
    error_labels,
    escalation_labels,
    hang_outcome_labels,
    model_labels,
    names,
    request_labels,
    speech_labels,
    token_labels,
)
from exporter.metrics.metric import NANO, Metric

METRICS: Final[dict[str, Metric]] = {}
"""Every metric by name, in the order of exposition."""

PA: Final = ("platform", "assistant_id")

_SPREAD = (
    " Taken from an end-of-call report whose bounds are coarser than these, a missing bound gets"
    " lower + floor(n x share of the interval)."
)


def _register(metric: Metric) -> Metric:
    METRICS[metric.name] = metric
    return metric


def _counter(name: str, labels: tuple[str, ...], text: str, scale: int = 1) -> Metric:
    return _register(Metric(name, "counter", labels, text, scale=scale))


def _gauge(name: str, labels: tuple[str, ...], text: str, scale: int = 1) -> Metric:
    return _register(Metric(name, "gauge", labels, text, scale=scale))


def _histogram(name: str, labels: tuple[str, ...], buckets: tuple[float, ...], text: str) -> Metric:
    return _register(Metric(name, "histogram", labels, text, buckets, NANO))


# --- Calls ---
CALLS_STARTED = _counter(
    "voice_calls_started_total",
    PA,
    "Calls, counted once their assistant is known, at the latest when they end or expire.",
)
CALLS_ENDED = _counter(
    "voice_calls_ended_total",
    (*PA, *names(call_end_labels)),
    "Calls ended, once each, at the first terminal event: a final status or the end-of-call report.",
)
CALLS_ACTIVE = _gauge("voice_calls_active", PA, "Calls started and neither ended nor expired.")
STATUS_UPDATES = _counter(
    "voice_call_status_updates_total",
    (*PA, "status"),
    "Distinct statuses that calls reached, once a call and status.",
)
CALL_DURATION = _histogram("voice_call_duration_seconds", PA, bounds.DURATION, "Length of ended calls in seconds.")
CALL_COST = _counter(
    "voice_call_cost_dollars_total",
    (*PA, *names(cost_labels)),
    "Cost of calls in US dollars by component, as the end-of-call report states it.",
    NANO,
)
COST_PER_CALL = _histogram("voice_cost_per_call_dollars", PA, bounds.COST, "Total cost of each call in US dollars.")
EVALUATIONS = _counter(
    "voice_call_evaluations_total",
    (*PA, "evaluation"),
    "Success evaluations of ended calls; none where the report carries no evaluation.",
)

# --- Conversation ---
MESSAGES = _counter(
    "voice_messages_total",
    (*PA, "role"),
    "Messages of conversations, once each, from conversation updates.",
)
MESSAGES_SKIPPED = _counter(
    "voice_messages_skipped_total", PA, "Assistant messages never spoken because of a barge-in."
)
INTERRUPTIONS = _counter(
    "voice_interruptions_total",
    (*PA, "interrupted"),
    "Speech cut off: of the assistant by a barge-in, of the user by the assistant.",
)
SENTIMENT = _counter(
    "voice_message_sentiment_total",
    (*PA, "sentiment"),
    "User messages by sentiment, once each: negative, neutral, positive. Only while sentiment.enabled is true.",
)
NEGATIVE_CONFIDENCE = _histogram(
    "voice_message_negative_confidence_ratio",
    PA,
    bounds.CONFIDENCE,
    "How sure the analyser is of each negative user message, 0 to 1. Only while sentiment.enabled is true.",
)
RESPONSE = _histogram(
    "voice_response_seconds",
    PA,
    bounds.RESPONSE,
    "How long the caller waits: from the end of the user's speech to the first part of the reply.",
)
SLOW_REPLIES = _counter(
    "voice_slow_replies_total",
    PA,
    "Replies that took 5 s or longer, from response times of single turns: what platforms without hang events have.",
)
TURN_DETECTION = _histogram(
    "voice_turn_detection_seconds", PA, bounds.TURN, "End-of-utterance detection: silence to decided turn."
)

# --- Stages of a reply ---
LLM_RESPONSE = _histogram(
    "voice_llm_response_seconds",
    (*PA, *names(model_labels)),
    bounds.LLM,
    "LLM latency of the first part of each reply." + _SPREAD,
)
LLM_QUEUE = _histogram(
    "voice_llm_queue_seconds", (*PA, *names(model_labels)), bounds.QUEUE, "Wait before the LLM was asked."
)
TTS_GENERATION = _histogram(
    "voice_tts_generation_seconds",
    (*PA, *names(speech_labels)),
    bounds.TTS,
    "Speech generation of a message; cached speech has a label of its own."
    + _SPREAD
    + " The cacheRequests lowest of a report are the cached ones.",
)
TTS_QUEUE = _histogram(
    "voice_tts_queue_seconds", (*PA, "provider"), bounds.QUEUE, "Wait before speech generation began."
)
TTS_AUDIO = _counter("voice_tts_audio_seconds_total", (*PA, "provider"), "Speech generated, in seconds of audio.", NANO)
STT_CONFIDENCE = _histogram(
    "voice_stt_confidence_ratio",
    (*PA, "provider"),
    bounds.CONFIDENCE,
    "Transcription confidence of user messages, 0 to 1. A report alone gives responseCount times its average.",
)
STT_LATENCY = _histogram(
    "voice_stt_latency_seconds",
    (*PA, "provider"),
    bounds.SPEECH,
    "Delay of the transcription after the end of speech; a negative value means no wait and counts as 0." + _SPREAD,
)
STT_AUDIO = _counter(
    "voice_stt_audio_seconds_total", (*PA, "provider"), "Speech transcribed, in seconds of audio.", NANO
)
PLAYER_WAIT = _histogram(
    "voice_player_wait_seconds",
    PA,
    bounds.PLAYER,
    "Wait before playback; overlaps speech generation, so never add the two.",
)
AUDIO_DELAY = _histogram("voice_audio_delay_seconds", PA, bounds.WAIT, "Delay of the caller's audio in a turn.")
AUDIO_RECEIVED = _counter("voice_audio_received_seconds_total", PA, "Audio received from callers, in seconds.", NANO)
AUDIO_DROPPED = _counter(
    "voice_audio_dropped_chunks_total", PA, "Audio chunks dropped, as the end-of-call report counts them."
)
AUDIO_DELAYED = _counter(
    "voice_audio_delayed_packets_total", PA, "Delayed audio packets: the sum of positive counts per turn."
)
AUDIO_LOST = _counter(
    "voice_audio_lost_packets_total", PA, "Lost audio packets: the rise of the call's cumulative count."
)

# --- Hangs and errors ---
HANGS = _counter(
    "voice_hangs_total",
    (*PA, *names(model_labels)),
    "Hang events: no reply for 5 seconds or more (documented as assistant.hang.count).",
)
HANGS_BY_HOUR = _counter(
    "voice_hangs_by_hour_total",
    ("platform", "provider", "hour"),
    "Hang events by hour of day of the event's own time (documented as assistant.hang.by_hour).",
)
HUNG_CALLS = _counter("voice_hung_calls_total", PA, "Calls with at least one hang: numerator of the hang rate.")
HANG_MESSAGES = _histogram(
    "voice_hang_conversation_messages",
    PA,
    bounds.MESSAGES,
    "Messages in the conversation at the hang, in the documented groups of five.",
)
HANG_OUTCOMES = _counter(
    "voice_hang_outcomes_total",
    (*PA, *names(hang_outcome_labels)),
    "Outcomes of hangs: recovered, error, abandoned, ended, unknown. With open hangs they add up to all hangs.",
)
HANG_RECOVERY = _histogram(
    "voice_hang_recovery_seconds",
    (*PA, "provider"),
    bounds.RECOVERY,
    "Hang event to the reply that followed.",
)
ERRORS = _counter(
    "voice_errors_total",
    (*PA, *names(error_labels)),
    "Errors of the services behind a call (documented as errors.total).",
)
ERRORS_BY_HOUR = _counter(
    "voice_errors_by_hour_total",
    ("platform", "error_type", "hour"),
    "Errors by hour of day of the event's own time (documented as errors.by_hour).",
)
ESCALATIONS = _counter(
    "voice_error_escalations_total",
    (*PA, *names(escalation_labels)),
    "Errors to escalate, once a call and error type: not_retryable, or retries_exhausted.",
)
SERVICE_REQUESTS = _counter(
    "voice_service_requests_total",
    (*PA, *names(request_labels)),
    "Operations of llm, stt and tts services, failed ones included: denominator of the error rates.",
)
REPORT_ERRORS = _counter(
    "voice_report_errors_total",
    (*PA, *names(component_labels)),
    "Errors that the end-of-call report itself counts; overlaps voice_errors_total, never add the two.",
)
REPORT_RETRIES = _counter(
    "voice_report_retries_total",
    (*PA, *names(component_labels)),
    "Retries that the end-of-call report itself counts.",
)

# --- Usage ---
LLM_TOKENS = _counter(
    "voice_llm_tokens_total",
    (*PA, *names(token_labels)),
    "LLM tokens: input (without cached), output, cached.",
)
TTS_CHARACTERS = _counter("voice_tts_characters_total", PA, "Characters turned into speech.")
TOOL_CALL = _histogram("voice_tool_call_seconds", (*PA, "tool"), bounds.TOOL, "Tool call to its result.")
TRANSFERS = _counter("voice_transfers_total", (*PA, "status"), "Call transfers by status.")

# --- Assistants ---
ASSISTANT_INFO = _gauge(
    "voice_assistant_info",
    (*PA, "assistant_name", "llm_provider", "llm_model", "stt_provider", "tts_provider"),
    "Latest known configuration of an assistant, always 1; join on platform and assistant_id.",
)
EVENT_SUBSCRIBED = _gauge(
    "voice_assistant_event_subscribed",
    (*PA, "event"),
    "1 where the assistant's own configuration sends the event here, 0 where not; absent until seen. hang is 0 where"
    " the platform has no such event.",
)

# --- The exporter itself ---
BUILD_INFO = _gauge("voice_exporter_build_info", ("version", "python_version"), "Version of the exporter, always 1.")
EXTERNAL_URL = _gauge(
    "voice_exporter_external_url_info",
    ("url",),
    "Where links to the exporter lead, its runbooks among them, always 1.",
)
WEBHOOKS = _counter(
    "voice_exporter_webhooks_total",
    ("platform", "event", "outcome"),
    "Webhook requests by outcome. Answered ones survive a restart, refused ones are counted since the start.",
)
WEBHOOK_SECONDS = _histogram(
    "voice_exporter_webhook_seconds",
    ("platform",),
    bounds.SELF,
    "Webhook request to answer, the commit included.",
)
EVENT_DELAY = _histogram(
    "voice_exporter_event_delay_seconds", ("platform",), bounds.DELAY, "Receipt minus the event's own time."
)
LAST_EVENT = _gauge(
    "voice_exporter_last_event_timestamp_seconds",
    ("platform", "event"),
    "Receipt of the latest valid event, Unix time.",
    NANO,
)
REJECTED_VALUES = _counter(
    "voice_exporter_rejected_values_total",
    ("platform", "field", "reason"),
    "Out-of-range values that were left out of an event that otherwise counted.",
)
LABEL_VALUES = _gauge("voice_exporter_label_values", ("label",), "Distinct values in use of an unbounded label.")
LABEL_OVERFLOWS = _counter(
    "voice_exporter_label_overflows_total",
    ("label",),
    "Times a new label value was counted as other because the label or the set of all series was full.",
)
MISSED_EVENTS = _counter(
    "voice_exporter_missed_events_total",
    ("platform", "event"),
    "What an end-of-call report lists and no event had reported by then.",
)
CALLS_TRACKED = _gauge("voice_exporter_calls_tracked", (), "Calls remembered, ended ones within retention included.")
CALLS_EXPIRED = _counter(
    "voice_exporter_calls_expired_total", (), "Calls that fell silent before they ended and expired."
)
CALLS_EVICTED = _counter(
    "voice_exporter_calls_evicted_total",
    (),
    "Calls that were forgotten before their time, because more than calls.max_tracked were remembered.",
)
SERIES = _gauge("voice_exporter_series", ("metric",), "Series of a metric family.")
STORAGE_COMMIT = _histogram("voice_exporter_storage_commit_seconds", (), bounds.SELF, "Duration of commits to storage.")
STATE_OUTDATED = _gauge(
    "voice_exporter_state_outdated",
    (),
    "1 while a replica cannot read the database and shows what it knew last; only with --storage.url.",
)
REPLICA_LAG = _gauge(
    "voice_exporter_replica_lag_seconds",
    (),
    "Time since a replica last knew all that others recorded, a second as a rule; only with --storage.url.",
    NANO,
)
STORAGE_ERRORS = _counter("voice_exporter_storage_errors_total", (), "Commits that storage refused.")
STORAGE_CONFLICTS = _counter(
    "voice_exporter_storage_conflicts_total", (), "Batches begun again because another replica was in their way."
)
STORAGE_SET_ASIDE = _counter(
    "voice_exporter_storage_set_aside_total",
    (),
    "Damaged databases that were quarantined under a dated name since the start; counts began again.",
)
CLOCK_STEPS = _counter(
    "voice_exporter_clock_steps_total",
    (),
    "Times that the wall clock was set by a second or more while the exporter ran; no age depends on it.",
)
RELOAD_SUCCESSFUL = _gauge(
    "voice_exporter_config_last_reload_successful", (), "Whether the last configuration reload succeeded."
)
RELOAD_TIME = _gauge(
    "voice_exporter_config_last_reload_success_timestamp_seconds",
    (),
    "Time of the last successful configuration reload, Unix time.",
    NANO,
)
ALERT_PUSHES = _counter(
    "voice_exporter_alert_pushes_total",
    ("outcome",),
    "Alerts of single calls pushed to an Alertmanager, each time and to each of them, by outcome: sent, failed; dropped"
    " where an assistant has too many at once and they are counted into one.",
)
ALERTS_ACTIVE = _gauge("voice_exporter_alerts_active", (), "Alerts of single calls that are true now.")
SENTIMENT_ANALYSES = _counter(
    "voice_exporter_sentiment_analyses_total",
    ("outcome",),
    "User messages whose sentiment was to be judged, by outcome: judged; failed where the analyser raised an error or"
    " gave something else; timeout; skipped where too many waited. Each message counts all the same.",
)
RELAY_SECONDS = _histogram(
    "voice_exporter_relay_seconds",
    ("platform", "code"),
    bounds.TOOL,
    "Request to the application behind the relay until its answer is complete, by status code: its own, else 502 where"
    " there was none and 504 where it did not come in time.",
)
RELAY_ERRORS = _counter(
    "voice_exporter_relay_errors_total",
    ("platform", "reason"),
    "Requests that the application behind the relay failed to answer, copies and acknowledged events that it never got,"
    " by reason: connect, timeout, cut, malformed, server_error, copy_failed, queue_failed, given_up.",
)
RELAY_WAITING = _gauge(
    "voice_exporter_relay_waiting_events",
    ("platform",),
    "Events that were acknowledged (ack: exporter) and wait to be forwarded.",
)
