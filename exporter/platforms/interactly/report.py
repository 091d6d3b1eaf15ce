"""The end-of-call-report: costs, usage, and distributions of the whole call.

Distributions come with the lower bounds of their buckets as keys, in milliseconds, not cumulative.
"""

from collections.abc import Iterator
from operator import sub

from exporter.events import (
    Characters,
    Cost,
    CostComponent,
    Distribution,
    Evaluation,
    Fact,
    Nanounits,
    ReportedAudio,
    ReportedFailures,
    ReportedInterruptions,
    ReportedStage,
    Tokens,
)
from exporter.platforms.interactly import wire
from exporter.platforms.values import DOLLARS, MAX_DOLLARS, WEEK, Values, provider, text, total_cost

_CONFIDENCES = 10_000
"""More transcriptions than any call has."""


def facts(raw: wire.Message, call: wire.Call, values: Values) -> Iterator[Fact]:
    """What the report says beyond the end of the call."""
    if call.cost:
        yield from _costs(call.cost, raw.phone, values)
    yield Evaluation(_evaluation(raw.analysis) or _evaluation(call.analysis) or "none")
    stats = call.metrics.call_stats if call.metrics else None
    if stats:
        yield from _llm(stats.llm_stats, call.cost, values)
        yield from _stt(stats.stt_stats, values)
        yield from _tts(stats.tts_stats, values)
        yield from _turns(stats, values)
    elif call.cost:
        yield from _tokens(call.cost.input_tokens_total, call.cost.output_tokens_total, values)


def _costs(cost: wire.Cost, phone: wire.Phone | None, values: Values) -> Iterator[Fact]:
    carrier = provider(phone.provider.name) if phone and phone.provider else ""
    analysis = cost.analysis.total if cost.analysis else None
    total = values.measured(cost.total_cost, "cost.totalCost", DOLLARS, MAX_DOLLARS)
    named: list[tuple[CostComponent, str, object, str]] = [
        ("platform", "interactly", cost.interactly_cost, "cost.interactlyCost"),
        ("telephony", carrier, cost.phone_cost, "cost.phoneCost"),
        ("tts", "", cost.tts_vendor_cost, "cost.ttsVendorCost"),
        ("stt", "", cost.stt_vendor_cost, "cost.sttVendorCost"),
        ("llm", "", cost.llm_vendor_cost, "cost.llmVendorCost"),
        ("analysis", "", analysis, "cost.analysis.total"),
    ]
    parts = 0
    for component, who, value, field in named:
        dollars = values.amount(value, field, DOLLARS, MAX_DOLLARS)
        if dollars is not None:
            parts += dollars
            yield Cost(component, dollars, who)
    yield from total_cost(total, parts)
    characters = values.large_count(cost.tts_gen_chars_total, "cost.ttsGenCharsTotal")
    if characters is not None:
        yield Characters(characters)


def _tokens(sent: object, received: object, values: Values) -> Iterator[Fact]:
    read = values.large_count(sent, "cost.inputTokensTotal")
    written = values.large_count(received, "cost.outputTokensTotal")
    if read is not None:
        yield Tokens("input", read)
    if written is not None:
        yield Tokens("output", written)


def _evaluation(analysis: wire.Analysis | None) -> str:
    """The grade; one that is no documented grade is counted as other."""
    return text(analysis.success_evaluation).strip() if analysis else ""


def _llm(stats: wire.LlmStats | None, cost: wire.Cost | None, values: Values) -> Iterator[Fact]:
    stats = stats or wire.LlmStats()
    cost = cost or wire.Cost()
    sent = cost.input_tokens_total if cost.input_tokens_total is not None else stats.input_tokens
    received = cost.output_tokens_total if cost.output_tokens_total is not None else stats.output_tokens
    yield from _tokens(sent, received, values)
    yield ReportedFailures("llm", values.count(stats.errors, "llmStats.errors") or 0)
    total = values.amount(stats.response_latency_total, "llmStats.responseLatencyTotal", maximum=WEEK)
    if total is not None and (distribution := _distribution(stats, total, "llmStats", values)):
        yield ReportedStage("llm", distribution)


def _stt(stats: wire.SttStats | None, values: Values) -> Iterator[Fact]:
    if stats is None:
        return
    errors, retries = values.count(stats.errors, "sttStats.errors"), stats.connection_retries
    yield ReportedFailures("stt", errors or 0, values.count(retries, "sttStats.connectionRetries") or 0)
    total = values.signed(stats.response_latency_total, "sttStats.responseLatencyTotal", maximum=WEEK)
    if total is not None and (distribution := _distribution(stats, max(0, total), "sttStats", values)):
        yield ReportedStage("stt_latency", distribution)
    mean = values.ratio(stats.confidence_avg, "sttStats.confidenceAvg")
    count = values.amount(stats.response_count, "sttStats.responseCount", 1, _CONFIDENCES)
    if mean is not None and count:
        yield ReportedStage("stt_confidence", (mean,) * count)


def _tts(stats: wire.TtsStats | None, values: Values) -> Iterator[Fact]:
    """The ``cacheRequests`` lowest latencies are the cached ones; sums come from the two latency totals."""
    if stats is None:
        return
    errors, retries = values.count(stats.errors, "ttsStats.errors"), values.count(stats.retries, "ttsStats.retries")
    yield ReportedFailures("tts", errors or 0, retries or 0)
    cached = values.count(stats.cache_requests, "ttsStats.cacheRequests") or 0
    cache_total = values.amount(stats.cache_latency_total, "ttsStats.cacheLatencyTotal", maximum=WEEK)
    api_total = values.amount(stats.api_latency_total, "ttsStats.apiLatencyTotal", maximum=WEEK)
    if api_total is None and not cached:
        api_total = values.amount(stats.latency_total, "ttsStats.latencyTotal", maximum=WEEK)
    every = _distribution(stats, 0, "ttsStats", values)
    if every is None:
        return
    low, rest = _split(every.counts, cached)
    if cache_total is not None and any(low):
        yield ReportedStage("tts_cached", Distribution(every.lower, low, cache_total))
    if api_total is not None and any(rest):
        yield ReportedStage("tts", Distribution(every.lower, rest, api_total))


def _split(counts: tuple[int, ...], cached: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    low = []
    for count in counts:
        low.append(min(count, cached))
        cached -= low[-1]
    return tuple(low), tuple(map(sub, counts, low))


def _distribution(
    stats: wire.LlmStats | wire.SttStats | wire.TtsStats, total: Nanounits, name: str, values: Values
) -> Distribution | None:
    buckets = []
    field = f"{name}.responseTimeDistribution"
    for key, value in (stats.response_time_distribution or {}).items():
        count, lower = values.count(value, field), values.amount(_number(key), field)
        if count is None or lower is None:
            return None
        buckets.append((lower, count))
    buckets.sort()
    if not sum(count for _, count in buckets):
        return None
    return Distribution(tuple(low for low, _ in buckets), tuple(count for _, count in buckets), total)


def _number(key: str) -> object:
    return int(key) if key.isascii() and key.isdigit() else key


def _turns(stats: wire.CallStats, values: Values) -> Iterator[Fact]:
    turns = stats.turns_stats or wire.TurnsStats()
    waits = [values.amount(wait, "turnsStats.botResponseTime") for wait in turns.bot_response_time or ()]
    responses = tuple(wait for wait in waits if wait is not None)
    if responses:
        yield ReportedStage("response", responses)
    skipped = values.count(stats.turns.skipped, "turns.skipped") if stats.turns else None
    yield ReportedInterruptions(
        assistant=values.count(turns.barge_in_count, "turnsStats.bargeInCount"), skipped=skipped
    )
    audio = stats.user_audio or wire.UserAudio()
    yield ReportedAudio(
        received=values.amount(audio.cumulative_duration, "userAudio.cumulativeDuration", maximum=WEEK),
        dropped=values.count(audio.dropped_chunks_count, "userAudio.droppedChunksCount"),
    )
