"""The end-of-call-report: duration, costs, usage, and the latencies of each turn.

Latencies are milliseconds (LatencyMetrics of Vapi's OpenAPI document), costs US dollars. The report's averages are
the same measurements once more, so they are never read.
"""

from collections.abc import Iterator
from typing import Final

from exporter.events import (
    OTHER,
    UNKNOWN,
    Characters,
    Cost,
    CostComponent,
    Duration,
    Evaluation,
    Fact,
    Nanounits,
    ReportedInterruptions,
    ReportedStage,
    ReportedTransfers,
    Stage,
    Tokens,
    Transcribed,
)
from exporter.label_sets import SCORES
from exporter.platforms.values import (
    DOLLARS,
    MAX_DOLLARS,
    MS,
    SECONDS,
    WEEK,
    Values,
    label,
    provider,
    text,
    total_cost,
)
from exporter.platforms.vapi import wire

_MINUTES: Final = 60 * SECONDS
_COMPONENTS: Final[dict[str, CostComponent]] = {
    "transport": "telephony",
    "transcriber": "stt",
    "model": "llm",
    "voice": "tts",
    "vapi": "platform",
    "analysis": "analysis",
}
_STAGES: Final[tuple[tuple[Stage, str], ...]] = (
    ("response", "turn_latency"),
    ("llm", "model_latency"),
    ("tts", "voice_latency"),
    ("stt_latency", "transcriber_latency"),
    ("eou", "endpointing_latency"),
)
_GRADES: Final = {
    "true": "pass",
    "pass": "pass",
    "passed": "pass",
    "false": "fail",
    "fail": "fail",
    "failed": "fail",
    "excellent": "Excellent",
    "good": "Good",
    "fair": "Fair",
    "poor": "Poor",
    **{score: score for score in SCORES},
}
TRANSFER_STATUSES: Final = frozenset(
    {"connected", "no-answer", "busy", "voicemail", "failed", "completed", "cancelled"}
)
_NOTHING: Final = wire.PerformanceMetrics()


def facts(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    """What the report says beyond the end of the call."""
    if (seconds := _duration(raw, call, values)) is not None:
        yield Duration(seconds)
    yield from _costs(raw, call, values)
    if analysis := raw.analysis or call.analysis:
        yield Evaluation(_evaluation(analysis.success_evaluation))
    artifact = raw.artifact or wire.Artifact()
    yield from _performance(artifact.performance_metrics or raw.performance_metrics or _NOTHING, values)
    statuses = tuple(_transfer_status(transfer) for transfer in artifact.transfers or ())
    if statuses:
        yield ReportedTransfers(statuses)


def _duration(raw: wire.Message, call: wire.Call, values: Values) -> Nanounits | None:
    """The first of: durationSeconds, durationMs, end minus start."""
    return (
        values.measured(raw.duration_seconds, "durationSeconds", SECONDS, WEEK)
        or values.measured(raw.duration_ms, "durationMs", MS, WEEK)
        or values.between(raw.started_at or call.started_at, raw.ended_at or call.ended_at, "endedAt")
    )


def _costs(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    """Costs by component from the list where there is one, else from the breakdown: never from both.

    A total of 0 is what the snapshot of a call says that has just begun, so it is no total.
    """
    listed, breakdown = raw.costs or call.costs, raw.cost_breakdown or call.cost_breakdown
    found: tuple[Fact, ...] = ()
    if listed:
        found = tuple(_listed(listed, values))
    elif breakdown:
        found = tuple(_broken_down(breakdown, call, values))
    parts = sum(fact.dollars for fact in found if isinstance(fact, Cost))
    stated = (raw.cost, call.cost, breakdown and breakdown.total)
    totals = (values.measured(total, "cost", DOLLARS, MAX_DOLLARS) for total in stated)
    total = next((total for total in totals if total is not None), None)
    yield from found
    yield from total_cost((parts or None) if total is None and listed else total, parts)


def _dollars(value: object, field: str, values: Values) -> Nanounits | None:
    return values.amount(value, field, DOLLARS, MAX_DOLLARS)


def _listed(costs: list[wire.Cost], values: Values) -> Iterator[Fact]:
    for cost in costs:
        kind = text(cost.type)
        service = cost.transcriber or cost.voice or cost.model or wire.Service()
        who = "vapi" if kind == "vapi" else provider(cost.provider) or provider(service.provider)
        dollars = _dollars(cost.cost, "costs.cost", values)
        if dollars is not None:
            yield Cost(_COMPONENTS.get(kind, "other"), dollars, who)
        if kind == "model":
            sent, cached, received = cost.prompt_tokens, cost.cached_prompt_tokens, cost.completion_tokens
            yield from _tokens((sent, cached, received), service, values)
        elif kind == "voice":
            yield from _characters(cost.characters, values)
        elif kind == "transcriber" and (audio := values.amount(cost.minutes, "costs.minutes", _MINUTES, WEEK)):
            yield Transcribed(audio, who)


def _broken_down(costs: wire.CostBreakdown, call: wire.Call, values: Values) -> Iterator[Fact]:
    carrier = provider(call.transport.provider) if call.transport else ""
    named: list[tuple[CostComponent, str, object, str]] = [
        ("telephony", carrier or provider(call.phone_call_provider), costs.transport, "costBreakdown.transport"),
        ("stt", "", costs.stt, "costBreakdown.stt"),
        ("llm", "", costs.llm, "costBreakdown.llm"),
        ("tts", "", costs.tts, "costBreakdown.tts"),
        ("platform", "vapi", costs.vapi, "costBreakdown.vapi"),
        ("other", "", costs.chat, "costBreakdown.chat"),
        ("other", "", costs.voicemail_detection_cost, "costBreakdown.voicemailDetectionCost"),
        ("other", "", costs.knowledge_base_cost, "costBreakdown.knowledgeBaseCost"),
    ]
    analysis = costs.analysis_cost_breakdown or wire.AnalysisCosts()
    parts = (analysis.summary, analysis.structured_data, analysis.success_evaluation, analysis.structured_output)
    named += [("analysis", "", part, "costBreakdown.analysisCostBreakdown") for part in parts]
    for component, who, value, field in named:
        dollars = _dollars(value, field, values)
        if dollars is not None:
            yield Cost(component, dollars, who)
    used = (costs.llm_prompt_tokens, costs.llm_cached_prompt_tokens, costs.llm_completion_tokens)
    yield from _tokens(used, wire.Service(), values)
    yield from _characters(costs.tts_characters, values)


def _tokens(used: tuple[object, object, object], service: wire.Service, values: Values) -> Iterator[Fact]:
    """Prompt, cached and completion tokens; the cached ones are part of the prompt."""
    sent, cached, received = (
        values.large_count(count, f"{name}Tokens")
        for count, name in zip(used, ("prompt", "cachedPrompt", "completion"), strict=True)
    )
    who, model = provider(service.provider), label(service.model)
    if sent is not None:
        yield Tokens("input", max(0, sent - (cached or 0)), who, model)
    if cached is not None:
        yield Tokens("cached", cached, who, model)
    if received is not None:
        yield Tokens("output", received, who, model)


def _characters(count: object, values: Values) -> Iterator[Fact]:
    characters = values.large_count(count, "characters")
    if characters is not None:
        yield Characters(characters)


def _evaluation(value: object) -> str:
    """The grade: passed or failed, of the descriptive scale, or from 1 to 10; of any other rubric ``other``."""
    if value is None or value == "":
        return "none"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _GRADES.get(str(value).strip().lower(), OTHER) if isinstance(value, str | bool | int) else OTHER


def _performance(metrics: wire.PerformanceMetrics, values: Values) -> Iterator[Fact]:
    for stage, name in _STAGES:
        taken = [_latency(stage, getattr(turn, name), name, values) for turn in metrics.turn_latencies or ()]
        latencies = tuple(latency for latency in taken if latency is not None)
        if latencies:
            yield ReportedStage(stage, latencies)
    user = values.count(metrics.num_user_interrupted, "numUserInterrupted")
    assistant = values.count(metrics.num_assistant_interrupted, "numAssistantInterrupted")
    yield ReportedInterruptions(assistant=assistant, user=user)


def _latency(stage: Stage, value: object, name: str, values: Values) -> Nanounits | None:
    """A latency; transcription that was done before the end of speech means no wait.

    A turn in which nothing was generated or spoken has 0 for it, and no turn is answered at once: there 0 is none.
    """
    if stage == "stt_latency":
        latency = values.signed(value, name)
        return None if latency is None else max(0, latency)
    if stage == "eou":
        return values.amount(value, name)
    return values.measured(value, name)


def _transfer_status(transfer: wire.Transfer) -> str:
    status = text(transfer.status)
    return status if status in TRANSFER_STATUSES else OTHER if status else UNKNOWN
