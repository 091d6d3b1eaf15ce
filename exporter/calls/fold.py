"""The fold: (state of a call, event) -> (new state, increments). No clock, no I/O, no globals."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from exporter.calls import report, sentiment, speech, transfers
from exporter.calls.assistants import introduce, remember
from exporter.calls.conversation import conversation
from exporter.calls.hangs import abandon, error, hang
from exporter.calls.incident import HangEnd, Incident
from exporter.calls.state import AssistantState, CallState
from exporter.calls.step import Settings, Step
from exporter.calls.tools import tools_answered
from exporter.events import (
    OTHER,
    UNKNOWN,
    Characters,
    Conversation,
    Cost,
    Duration,
    Ended,
    Error,
    Evaluation,
    Event,
    Hang,
    Interruption,
    ReportedAudio,
    ReportedCount,
    ReportedFailures,
    ReportedInterruptions,
    ReportedMessages,
    ReportedSentiments,
    ReportedStage,
    ReportedTransfers,
    Speech,
    Status,
    Tokens,
    ToolsAnswered,
    TotalCost,
    Transcribed,
    Transfer,
)
from exporter.label_sets import STATUSES
from exporter.metrics import catalogue as m
from exporter.metrics.labels import call_end_labels
from exporter.metrics.metric import Increment


class Folded(Struct, frozen=True):
    """What an event changed.

    Attributes:
        call: the call's new state.
        assistant: the assistant's new state.
        increments: what it adds to series; amounts of 0 only make a series exist.
        fresh: whether it opened the call, counted or taught anything, so that it is no duplicate.
        incidents: what it reports that is looked at one by one.
        hang_ends: hangs that were open and are no more.
    """

    call: CallState
    assistant: AssistantState
    increments: list[Increment]
    fresh: bool
    incidents: list[Incident]
    hang_ends: list[HangEnd]


def fold(state: CallState, event: Event, assistant: AssistantState, settings: Settings, now: float) -> Folded:
    """Fold an event into the state of its call.

    Args:
        state: the call before the event; left as it is.
        event: what happened.
        assistant: what is known of the call's assistant; its id is the label value that the call has or gets.
        settings: what of the configuration the fold depends on.
        now: time of receipt in seconds since the epoch.
    """
    step = Step(state, event, assistant, settings)
    remember(step)
    _open(step)
    before = len(step.increments)
    for fact in event.facts:
        _HANDLERS[type(fact)](step, fact)
    report.unnamed_cost(step)
    counted = any(amount for _, _, amount in step.increments[before:])
    fresh = counted or step.learned or step.state.started > state.started or step.state.opened > state.opened
    if fresh:
        for rejected in event.rejected:
            step.add_to(m.REJECTED_VALUES, (event.platform, rejected.field, rejected.reason))
    step.state.last_event = now
    return _folded(step, fresh=fresh)


def expire(state: CallState, settings: Settings, key: int) -> Folded:
    """Give up the open call with that key, which fell silent: its open hangs end unknown, its end stays uncounted."""
    event = Event(platform=state.platform, kind=OTHER, call=key, call_id=UNKNOWN)
    step = Step(state, event, AssistantState(state.platform, state.assistant), settings)
    if not step.state.started:
        _start(step)
    step.add(m.CALLS_ACTIVE, amount=-1)
    step.add_to(m.CALLS_EXPIRED, ())
    step.state.expired = True
    abandon(step, UNKNOWN)
    return _folded(step, fresh=True)


def _folded(step: Step, *, fresh: bool) -> Folded:
    return Folded(step.state, step.assistant, step.increments, fresh, step.incidents, step.hang_ends)


def _open(step: Step) -> None:
    """Learn whose call it is, and count its start once that is known."""
    event, state = step.event, step.state
    if event.call_type != UNKNOWN:
        state.call_type = event.call_type
    if event.direction != UNKNOWN:
        state.direction = event.direction
    if not state.opened and event.call_id:
        state.opened = not all(isinstance(fact, Status) and not fact.opens for fact in event.facts)
    if not state.assistant and step.assistant.id:
        step.settle_assistant(step.assistant.id)
    if not state.assistant:
        return
    introduce(step)
    if state.opened and not state.started:
        _start(step)


def _start(step: Step) -> None:
    step.state.started = True
    if not step.state.assistant:
        step.settle_assistant(UNKNOWN)
    step.add(m.CALLS_STARTED)
    step.add(m.CALLS_ACTIVE)


def _status(step: Step, fact: Status) -> None:
    status = fact.status if fact.status in STATUSES else OTHER
    if status not in step.state.statuses:
        step.state.statuses = (*step.state.statuses, status)
        step.add(m.STATUS_UPDATES, status)


def _ended(step: Step, fact: Ended) -> None:
    state = step.state
    if state.ended:
        return
    if not state.started:
        _start(step)
    state.ending = "abandoned" if fact.ended_by == "customer" else "ended"
    labels = call_end_labels(
        call_type=state.call_type,
        direction=state.direction,
        outcome=fact.outcome,
        ended_by=fact.ended_by,
        reason=fact.reason,
        fault=fact.fault,
    )
    step.add(m.CALLS_ENDED, *labels)
    if not state.expired:
        step.add(m.CALLS_ACTIVE, amount=-1)
    abandon(step, state.ending)


_HANDLERS: Final[dict[type, Callable[[Step, Any], None]]] = {
    Status: _status,
    Ended: _ended,
    Duration: report.duration,
    Conversation: conversation,
    Hang: hang,
    Error: error,
    Speech: speech.speech,
    Interruption: speech.interruption,
    ToolsAnswered: tools_answered,
    Transfer: transfers.transfer,
    Cost: report.cost,
    TotalCost: report.total_cost,
    Tokens: report.tokens,
    Characters: report.characters,
    Transcribed: report.transcribed,
    ReportedMessages: report.messages,
    ReportedSentiments: sentiment.sentiments,
    ReportedTransfers: transfers.transfers,
    Evaluation: report.evaluation,
    ReportedFailures: report.failures,
    ReportedStage: report.reported,
    ReportedAudio: report.reported_audio,
    ReportedInterruptions: report.interruptions,
    ReportedCount: report.missed,
}
