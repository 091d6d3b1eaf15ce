"""Who speaks when: the caller's wait for a reply, and speech cut off, from live events.

A reply is an assistant's start of speech with the user's end of speech directly before it, by the events' own times. A
pair counts when its second half arrives, whichever that is, and an event that comes later still does not revise it.
"""

from itertools import pairwise
from typing import Final

from exporter.calls.hangs import recover
from exporter.calls.state import SpeechMark
from exporter.calls.step import Step
from exporter.events import Interruption, Speech
from exporter.metrics import catalogue as m
from exporter.metrics.metric import NANO

_USER_BEGAN: Final = 0
_USER_CEASED: Final = 1
_REPLY: Final = 2
_COUNTED_REPLY: Final = 3
_KEPT: Final = 16
"""Moments that are remembered; an event that is later than so many others finds no pair."""


def speech(step: Step, fact: Speech) -> None:
    """Count what the caller waited once both ends of the wait are known."""
    time_ms = step.event.time_ms
    if time_ms is None or not step.first_time("speech", fact.role, fact.started, time_ms):
        return
    step.learned = True
    kind = _REPLY if fact.role == "assistant" else _USER_BEGAN if fact.started else _USER_CEASED
    marks = sorted((*step.state.speech, SpeechMark(time_ms, kind)))
    for before, (ceased, reply) in enumerate(pairwise(marks)):
        if (ceased.kind, reply.kind) == (_USER_CEASED, _REPLY):
            marks[before : before + 2] = [SpeechMark(reply.time_ms, _COUNTED_REPLY)]
            if step.claim_live("response"):
                step.reply((reply.time_ms - ceased.time_ms) * (NANO // 1000))
            break
    step.state.speech = tuple(marks[-_KEPT:])
    if kind == _REPLY:
        recover(step, [time_ms])


def interruption(step: Step, fact: Interruption) -> None:
    """Count speech cut off, unless the report told of it first."""
    name = step.event.time_ms if fact.key is None else fact.key
    if step.first_time("interruption", fact.interrupted, name) and step.claim_live("skipped"):
        step.add(m.INTERRUPTIONS, fact.interrupted)
