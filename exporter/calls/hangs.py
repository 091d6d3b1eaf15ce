"""Hangs, errors, and the outcome of hangs.

A hang stays open until the earliest thing after it, by the events' own times, is known: a reply, an error, the end of
the call. The first such event to arrive decides, and nothing revises it.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime

from exporter.calls.incident import HangEnd, Incident, Kind, hang_id
from exporter.calls.state import OpenHang, Sequel
from exporter.calls.step import Step
from exporter.events import UNKNOWN, Error, Hang, identity
from exporter.metrics import catalogue as m
from exporter.metrics.labels import error_labels, escalation_labels, hang_outcome_labels, model_labels, request_labels
from exporter.metrics.metric import NANO, Metric

HOURS = tuple(f"{hour:02}" for hour in range(24))
HANG_OUTCOMES = ("recovered", "error", "abandoned", "ended", "unknown")
ESCALATION_CAUSES = ("not_retryable", "retries_exhausted")
MEASURED_COMPONENTS = ("llm", "stt", "tts")
_SEQUELS_KEPT = 8


def hang(step: Step, fact: Hang) -> None:
    """Count a hang (documented as assistant.hang.count and assistant.hang.by_hour)."""
    if not step.first_time("hang", step.event.time_ms):
        return
    provider, time_ms = step.provider("llm"), step.event.time_ms
    step.add(m.HANGS, *model_labels(provider=provider, model=step.model()))
    _by_hour(step, m.HANGS_BY_HOUR, provider)
    if fact.messages is not None:
        step.add(m.HANG_MESSAGES, amount=fact.messages * NANO)
    outcome = "" if step.event.call_id else UNKNOWN
    number, model = hang_id(step.event.call, time_ms), step.model()
    step.report(Incident(number, "hang", "high", "llm", provider, model, messages=fact.messages, outcome=outcome))
    if outcome:
        step.add(m.HANG_OUTCOMES, *hang_outcome_labels(provider=provider, outcome=outcome))
        return
    if not step.state.hung:
        step.state.hung = True
        step.add(m.HUNG_CALLS)
    step.state.hangs = step.state.hangs.fork()
    step.state.hangs[identity("hang", time_ms)] = OpenHang(time_ms, provider)
    _settle_late_hang(step, time_ms)


def _settle_late_hang(step: Step, time_ms: int | None) -> None:
    """Decide a hang that arrives after the outcome of it."""
    later = [sequel for sequel in step.state.sequels if time_ms is not None and sequel.time_ms > time_ms]
    if later:
        first = min(later, key=lambda sequel: sequel.time_ms)
        _close(step, first.time_ms, first.outcome)
    elif step.state.ended:
        _close(step, None, step.state.ending)
    elif step.state.expired:
        _close(step, None, UNKNOWN)


def recover(step: Step, replies: Iterable[int]) -> None:
    """Replies at these times (ms): the first after a hang is its recovery."""
    times = sorted(replies)
    if not times:
        return
    recovered = []
    for key, opened in step.state.hangs.items():
        after = 0 if opened.time_ms is None else bisect_right(times, opened.time_ms)
        if after < len(times):
            recovered.append(key)
            _settle(step, opened, times[after], "recovered")
    _forget(step, recovered)
    for time_ms in times[-_SEQUELS_KEPT:]:
        _remember(step, time_ms, "recovered")


def abandon(step: Step, outcome: str) -> None:
    """The call is over: nothing else can come of its open hangs, whatever their time."""
    _close(step, None, outcome)


def error(step: Step, fact: Error) -> None:
    """Count an error (documented as errors.total and errors.by_hour)."""
    if not step.first_time("error", fact.error_type, *(() if fact.once else (fact.code, step.event.time_ms))):
        return
    provider = fact.provider or step.provider(fact.component)
    time_ms = step.event.time_ms
    step.state.errors += not fact.once
    labels = error_labels(
        component=fact.component,
        error_type=fact.error_type,
        provider=provider,
        error_code=fact.code,
        retryable=fact.retryable,
        severity=fact.severity,
    )
    step.add(m.ERRORS, *labels)
    _by_hour(step, m.ERRORS_BY_HOUR, fact.error_type)
    if fact.component in MEASURED_COMPONENTS:
        model = step.model() if fact.component == "llm" and provider == step.provider("llm") else UNKNOWN
        step.add(m.SERVICE_REQUESTS, *request_labels(component=fact.component, provider=provider, model=model))
    _report(step, fact, provider)
    _escalate(step, fact, provider)
    if time_ms is not None and not fact.once:
        _close(step, time_ms, "error")
        _remember(step, time_ms, "error")


def _escalate(step: Step, fact: Error, provider: str) -> None:
    """Escalate as documented: at once if not retryable, else when retries of the type are exhausted in the call."""
    if fact.retryable == "false":
        cause = "not_retryable"
    elif fact.retryable == "true":
        retries = step.state.retryable.get(fact.error_type, 0) + 1
        step.state.retryable = {**step.state.retryable, fact.error_type: retries}
        if retries < step.settings.max_retries:
            return
        cause = "retries_exhausted"
    else:
        return
    if fact.error_type not in step.state.escalated:
        step.state.escalated = (*step.state.escalated, fact.error_type)
        step.add(m.ESCALATIONS, *escalation_labels(component=fact.component, provider=provider, cause=cause))
        _report(step, fact, provider, cause)


def _report(step: Step, fact: Error, provider: str, cause: str = "") -> None:
    """Report an error, or its escalation where there is a cause for that."""
    kind: Kind = "escalation" if cause else "error"
    severity = "high" if cause and fact.severity != "critical" else fact.severity
    model = step.model() if fact.component == "llm" else UNKNOWN
    call, time_ms = step.event.call, None if fact.once else step.event.time_ms
    number = 0 if call is None else identity("incident", call, kind, fact.error_type, fact.code, time_ms)
    what, code = fact.error_type, fact.code
    step.report(Incident(number, kind, severity, fact.component, provider, model, what=what, code=code, cause=cause))


def _by_hour(step: Step, metric: Metric, of: str) -> None:
    """Count in a family that has all 24 hours from its first event on."""
    if not step.assistant.introduced or metric is m.ERRORS_BY_HOUR:
        for name in HOURS:
            step.add_to(metric, (step.state.platform, of, name), 0)
    step.add_to(metric, (step.state.platform, of, _hour(step)))


def _hour(step: Step) -> str:
    """Hour of day of the event's own time, 00 to 23, in the configured time zone."""
    if step.event.time_ms is None:
        return UNKNOWN
    moment = datetime.fromtimestamp(step.event.time_ms / 1000, UTC)
    return HOURS[moment.astimezone(step.settings.timezone).hour]


def _close(step: Step, time_ms: int | None, outcome: str) -> None:
    """Settle the open hangs before that time; all of them where a time is unknown."""
    settled = []
    for key, opened in step.state.hangs.items():
        if time_ms is None or opened.time_ms is None or time_ms > opened.time_ms:
            settled.append(key)
            _settle(step, opened, time_ms, outcome)
    _forget(step, settled)


def _forget(step: Step, settled: list[int]) -> None:
    """These hangs are no longer open."""
    if not settled:
        return
    step.state.hangs = step.state.hangs.fork()
    for key in settled:
        del step.state.hangs[key]


def _settle(step: Step, opened: OpenHang, time_ms: int | None, outcome: str) -> None:
    step.add(m.HANG_OUTCOMES, *hang_outcome_labels(provider=opened.provider, outcome=outcome))
    recovery_ms = None
    if outcome == "recovered" and time_ms is not None and opened.time_ms is not None:
        recovery_ms = time_ms - opened.time_ms
        step.add(m.HANG_RECOVERY, opened.provider, amount=recovery_ms * (NANO // 1000))
    step.hang_ends.append(HangEnd(hang_id(step.event.call, opened.time_ms), outcome, recovery_ms))


def _remember(step: Step, time_ms: int, outcome: str) -> None:
    """Keep what a hang that arrives late would have led to."""
    step.state.sequels = (*step.state.sequels, Sequel(time_ms, outcome))[-_SEQUELS_KEPT:]
