"""What an end-of-call report adds: costs, usage, and measurements that no message brought.

Amounts are the call's totals so far, so a second, fuller report counts only what the first lacked.
"""

from typing import Final

from exporter.calls.step import Step
from exporter.events import (
    OTHER,
    UNKNOWN,
    Characters,
    Cost,
    Distribution,
    Duration,
    Evaluation,
    Group,
    Nanounits,
    ReportedAudio,
    ReportedCount,
    ReportedFailures,
    ReportedInterruptions,
    ReportedMessages,
    ReportedStage,
    Stage,
    Tokens,
    TotalCost,
    Transcribed,
)
from exporter.label_sets import EVALUATIONS
from exporter.metrics import catalogue as m
from exporter.metrics.labels import (
    component_labels,
    cost_labels,
    model_labels,
    request_labels,
    speech_labels,
    token_labels,
)
from exporter.metrics.metric import Labels, Metric

_GROUP_OF: Final[dict[Stage, Group]] = {
    "response": "response",
    "llm": "llm",
    "tts": "tts",
    "tts_cached": "tts",
    "stt_latency": "stt",
    "stt_confidence": "stt",
    "eou": "eou",
}
_COSTS: Final = "costs"
"""What was counted of the call's cost, under whatever component."""
_TOTAL_COST: Final = "total_cost"
"""The largest total that had more than the parts named beside it."""
_REQUESTS: Final[dict[Stage, str]] = {"llm": "llm", "tts": "tts", "stt_latency": "stt", "stt_confidence": "stt"}
"""The service that was asked once for each measurement of the stage; cached speech asks nobody."""


def duration(step: Step, fact: Duration) -> None:
    """Count the call's length, from the first source that has it."""
    if step.once("duration"):
        step.add(m.CALL_DURATION, amount=fact.seconds)


def cost(step: Step, fact: Cost) -> None:
    """Count the cost of a component; what a fuller report adds goes to the provider it names.

    What was counted as other before a report named it is not counted again.
    """
    named = _named_costs(step)
    rise = step.rise(f"cost:{fact.component}", fact.dollars)
    if dollars := step.level(_COSTS, named + rise):
        provider = fact.provider or step.provider(fact.component)
        step.add(m.CALL_COST, *cost_labels(component=fact.component, provider=provider), amount=dollars)


def total_cost(step: Step, fact: TotalCost) -> None:
    """Count the call among the costs per call."""
    if step.once("cost_per_call"):
        step.add(m.COST_PER_CALL, amount=fact.dollars)
    if fact.unnamed:
        step.level(_TOTAL_COST, fact.dollars)


def unnamed_cost(step: Step) -> None:
    """Count as other what the call's total has beyond its named parts, once all parts of the event are known."""
    total = step.state.totals.get(_TOTAL_COST)
    if total and _named_costs(step) and (dollars := step.level(_COSTS, total)):
        step.add(m.CALL_COST, *cost_labels(component=OTHER, provider=UNKNOWN), amount=dollars)


def _named_costs(step: Step) -> Nanounits:
    """Sum of the parts that reports have named so far."""
    named = sum(dollars for name, dollars in step.state.totals.items() if name.startswith("cost:"))
    # A call of an earlier release has no sum of what was counted; it was that of the parts.
    step.level(_COSTS, named)
    return named


def tokens(step: Step, fact: Tokens) -> None:
    """Count tokens of a kind."""
    if count := step.rise(f"tokens:{fact.kind}", fact.count):
        provider, model = fact.provider or step.provider("llm"), fact.model or step.model()
        step.add(m.LLM_TOKENS, *token_labels(provider=provider, model=model, kind=fact.kind), amount=count)


def characters(step: Step, fact: Characters) -> None:
    """Count characters turned into speech."""
    if count := step.rise("characters", fact.count):
        step.add(m.TTS_CHARACTERS, amount=count)


def transcribed(step: Step, fact: Transcribed) -> None:
    """Count speech transcribed."""
    if audio := step.rise("transcribed", fact.audio):
        step.add(m.STT_AUDIO, fact.provider or step.provider("stt"), amount=audio)


def evaluation(step: Step, fact: Evaluation) -> None:
    """Count the call's success evaluation once, and once that a report had none, in whatever order they come."""
    if step.once("no_evaluation" if fact.evaluation == "none" else "evaluation"):
        known = fact.evaluation in EVALUATIONS or fact.evaluation == "none"
        step.add(m.EVALUATIONS, fact.evaluation if known else OTHER)


def messages(step: Step, fact: ReportedMessages) -> None:
    """Count the conversation's messages by role; of a fuller report those beyond the ones counted."""
    for role, count in fact.counts:
        if new := step.level(f"messages:{role}", count):
            step.state.messages += new
            step.add(m.MESSAGES, role, amount=new)


def failures(step: Step, fact: ReportedFailures) -> None:
    """Count errors and retries as the report counts them."""
    labels = component_labels(component=fact.component, provider=step.provider(fact.component))
    if errors := step.level(f"report_errors:{fact.component}", fact.errors):
        step.add(m.REPORT_ERRORS, *labels, amount=errors)
    if retries := step.level(f"report_retries:{fact.component}", fact.retries):
        step.add(m.REPORT_RETRIES, *labels, amount=retries)


def reported(step: Step, fact: ReportedStage) -> None:
    """Count a stage's measurements, if no message brought any of its group."""
    if not step.claim_report(_GROUP_OF[fact.stage]):
        return
    values = fact.values
    count = sum(values.counts) if isinstance(values, Distribution) else len(values)
    before = step.state.totals.get(f"reported:{fact.stage}", 0)
    if not step.level(f"reported:{fact.stage}", count):
        return
    _count_requests(step, fact.stage, count)
    metric, labels = _series_of(step, fact.stage)
    if not isinstance(values, Distribution):
        for value in values[before:]:
            if metric is m.RESPONSE:
                step.reply(value)
            else:
                step.add(metric, *labels, amount=value)
    elif before == 0:
        step.add(metric, *labels, amount=values)
    else:
        # Nothing tells which of its values are those that an earlier report had.
        step.add_to(m.REJECTED_VALUES, (step.state.platform, fact.stage, "partly_counted"))


def _series_of(step: Step, stage: Stage) -> tuple[Metric, Labels]:
    match stage:
        case "response":
            return m.RESPONSE, ()
        case "eou":
            return m.TURN_DETECTION, ()
        case "llm":
            return m.LLM_RESPONSE, model_labels(provider=step.provider("llm"), model=step.model())
        case "stt_latency":
            return m.STT_LATENCY, (step.provider("stt"),)
        case "stt_confidence":
            return m.STT_CONFIDENCE, (step.provider("stt"),)
        case _:
            cached = "true" if stage == "tts_cached" else "false"
            return m.TTS_GENERATION, speech_labels(provider=step.provider("tts"), cached=cached)


def _count_requests(step: Step, stage: Stage, count: int) -> None:
    component = _REQUESTS.get(stage)
    if component and (requests := step.level(f"requests:{component}", count)):
        model = step.model() if component == "llm" else UNKNOWN
        labels = request_labels(component=component, provider=step.provider(component), model=model)
        step.add(m.SERVICE_REQUESTS, *labels, amount=requests)


def reported_audio(step: Step, fact: ReportedAudio) -> None:
    """Count dropped chunks, and audio received if no message told of it."""
    if fact.dropped and (dropped := step.level("audio_dropped", fact.dropped)):
        step.add(m.AUDIO_DROPPED, amount=dropped)
    # A report that has 0 of something must not shut out what tells more of it later.
    if fact.received and step.claim_report("audio"):
        received = step.level("audio_received", fact.received)
        step.add(m.AUDIO_RECEIVED, amount=received)


def interruptions(step: Step, fact: ReportedInterruptions) -> None:
    """Count speech cut off, the assistant's only if no message told of it."""
    if fact.user and (count := step.level("interrupted:user", fact.user)):
        step.add(m.INTERRUPTIONS, "user", amount=count)
    if not (fact.assistant or fact.skipped) or not step.claim_report("skipped"):
        return
    if count := step.level("interrupted:assistant", fact.assistant or 0):
        step.add(m.INTERRUPTIONS, "assistant", amount=count)
    if count := step.level("skipped", fact.skipped or 0):
        step.add(m.MESSAGES_SKIPPED, amount=count)


def missed(step: Step, fact: ReportedCount) -> None:
    """Count what no event had brought by the time of the report, unless the assistant does not send such events."""
    if step.assistant.subscribed is not None and fact.event not in step.assistant.subscribed:
        return
    brought = {"conversation-update": step.state.messages, "error": step.state.errors}
    came = brought.get(fact.event, len(step.state.statuses))
    if missed := step.level(f"missed:{fact.event}", fact.count - came):
        step.add_to(m.MISSED_EVENTS, (step.state.platform, fact.event), missed)
