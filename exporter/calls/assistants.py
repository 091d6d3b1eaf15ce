"""What events report of assistants, and the series that exist at 0 once one is known."""

from functools import lru_cache

from msgspec.structs import replace

from exporter.calls.hangs import ESCALATION_CAUSES, HANG_OUTCOMES, HOURS
from exporter.calls.state import AssistantState
from exporter.calls.step import Step
from exporter.events import ALL, OTHER, TRANSIENT, UNKNOWN, Assistant, Error
from exporter.metrics import catalogue as m
from exporter.metrics.labels import escalation_labels, hang_outcome_labels, model_labels

SHARED_LABELS = frozenset({UNKNOWN, OTHER, ALL, TRANSIENT})
"""Assistant labels that stand for many assistants: nothing is remembered under them."""

_CONFIGURATION = ("llm_provider", "llm_model", "stt_provider", "tts_provider")


def remember(step: Step) -> None:
    """Take what the event tells of the assistant into the call, and into what is known of the assistant itself."""
    reported, state = _reported(step), step.state
    state.llm_provider = reported.llm_provider or state.llm_provider
    state.llm_model = reported.llm_model or state.llm_model
    state.stt_provider = reported.stt_provider or state.stt_provider
    state.tts_provider = reported.tts_provider or state.tts_provider
    if step.assistant.id not in SHARED_LABELS and reported.id in {"", step.assistant.id}:
        step.assistant = merge(step.assistant, reported, step.event.time_ms or 0)


def _reported(step: Step) -> Assistant:
    """What the event tells; an error names the vendor of its component where nothing else has."""
    reported = step.event.assistant
    for fact in step.event.facts:
        if isinstance(fact, Error) and fact.provider and step.provider(fact.component) == UNKNOWN:
            name = f"{fact.component}_provider"
            if name in _CONFIGURATION and not getattr(reported, name):
                return replace(reported, **{name: fact.provider})
    return reported


def merge(known: AssistantState, reported: Assistant, time_ms: int) -> AssistantState:
    """The latest known configuration: a later event replaces, an earlier one only fills gaps."""
    late = time_ms < known.time_ms
    changes: dict[str, object] = {}
    for name in ("name", *_CONFIGURATION):
        value, before = getattr(reported, name), getattr(known, name)
        if value and value != before and (not before or not late):
            changes[name] = value
    if reported.subscribed is not None and (known.subscribed is None or not late):
        subscribed = _ordered(reported.subscribed)
        if subscribed != known.subscribed:
            changes["subscribed"] = subscribed
    if not changes:
        return known
    if changes.keys() & set(_CONFIGURATION):
        changes["introduced"] = False
    return replace(known, **changes, time_ms=max(time_ms, known.time_ms))


@lru_cache(128)
def _ordered(events: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(events))


def introduce(step: Step) -> None:
    """Let the assistant's event counters exist at 0, so that ratios have a numerator and increase() a start."""
    if step.assistant.introduced:
        return
    llm, stt, model = step.provider("llm"), step.provider("stt"), step.model()
    step.add(m.HUNG_CALLS, amount=0)
    step.add(m.SLOW_REPLIES, amount=0)
    if UNKNOWN not in {llm, model}:
        step.add(m.HANGS, *model_labels(provider=llm, model=model), amount=0)
    for outcome in HANG_OUTCOMES:
        step.add(m.HANG_OUTCOMES, *hang_outcome_labels(provider=llm, outcome=outcome), amount=0)
    for cause in ESCALATION_CAUSES:
        step.add(m.ESCALATIONS, *escalation_labels(component="llm", provider=llm, cause=cause), amount=0)
        step.add(m.ESCALATIONS, *escalation_labels(component="stt", provider=stt, cause=cause), amount=0)
    for name in HOURS:
        step.add_to(m.HANGS_BY_HOUR, (step.state.platform, llm, name), 0)
        for error_type in ("llm_error", "stt_error"):
            step.add_to(m.ERRORS_BY_HOUR, (step.state.platform, error_type, name), 0)
    step.assistant = replace(step.assistant, introduced=True)
