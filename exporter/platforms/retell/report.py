"""What the end of a Retell call brings: its length, latencies of each turn, costs, tools and messages.

Latencies are milliseconds, amounts of money US cents. Percentiles and counts are the same values once more, so they are
never read; nor is the time that is billed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from exporter.events import (
    Cost,
    CostComponent,
    Duration,
    Evaluation,
    Fact,
    Nanounits,
    ReportedMessages,
    ReportedStage,
    Role,
    Stage,
    ToolsAnswered,
    ToolUse,
    identity,
)
from exporter.platforms.retell import wire
from exporter.platforms.values import (
    DOLLARS,
    MAX_DOLLARS,
    MS,
    SECONDS,
    WEEK,
    Values,
    identifier,
    label,
    provider,
    text,
    total_cost,
    truth,
)

_CENTS: Final = DOLLARS // 100
_STAGES: Final[tuple[tuple[Stage, str], ...]] = (
    ("response", "e2e"),
    ("llm", "llm"),
    ("tts", "tts"),
    ("stt_latency", "asr"),
)
_ROLES: Final[dict[str, Role]] = {"agent": "assistant", "user": "user"}
_PRODUCTS: Final[tuple[tuple[CostComponent, re.Pattern[str]], ...]] = (
    ("tts", re.compile(r"(?P<provider>[a-z0-9]+).*_tts.*|.*_tts.*")),
    ("stt", re.compile(r".*_(?:asr|stt).*")),
    ("analysis", re.compile(r".*_text_testing")),
    ("llm", re.compile(r"(?:gpt|claude|gemini).*|.*llm.*")),
    ("telephony", re.compile(r".*(?:twilio|telnyx|telephony|sip).*")),
    ("platform", re.compile(r"background_voice_cancellation|knowledge_base.*|.*retell.*")),
)
"""What a line of the costs is for, by the name of its product, of which there is no list; the first match wins."""
_SELLERS: Final = (
    ("gpt", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gemini"),
    ("twilio", "twilio"),
    ("telnyx", "telnyx"),
    ("elevenlabs", "eleven-labs"),
    ("cartesia", "cartesia"),
    ("deepgram", "deepgram"),
    ("openai", "openai"),
    ("minimax", "minimax"),
    ("playht", "playht"),
    ("retell", "retell"),
)
"""Providers by how the name of a product begins."""


def facts(call: wire.Call, values: Values) -> Iterator[Fact]:
    """What the end of a call says beyond its reason."""
    length = values.measured(call.duration_ms, "call.duration_ms", MS, WEEK) or values.between(
        call.start_timestamp, call.end_timestamp, "call.end_timestamp"
    )
    if length is not None:
        yield Duration(length)
    yield from _latencies(call.latency or wire.Latency(), values)
    if call.call_cost:
        yield from _costs(call.call_cost, values)
    yield from _tools(call.transcript_with_tool_calls or [], values)
    said = Counter(_ROLES[text(each.role)] for each in call.transcript_object or () if text(each.role) in _ROLES)
    if said:
        yield ReportedMessages(tuple(sorted(said.items())))


def evaluation(analysis: wire.CallAnalysis | None) -> Evaluation:
    """Whether the call was a success; none where the analysis does not say."""
    success = truth(analysis.call_successful) if analysis else None
    return Evaluation("none" if success is None else "pass" if success else "fail")


def _latencies(latency: wire.Latency, values: Values) -> Iterator[Fact]:
    for stage, name in _STAGES:
        measured: wire.Stage | None = getattr(latency, name)
        taken = [_latency(stage, value, f"latency.{name}", values) for value in (measured and measured.values) or ()]
        known = tuple(value for value in taken if value is not None)
        if known:
            yield ReportedStage(stage, known)


def _latency(stage: Stage, value: object, field: str, values: Values) -> Nanounits | None:
    if stage != "stt_latency":
        return values.measured(value, field)
    latency = values.signed(value, field)
    return None if latency is None else max(0, latency)


def _costs(cost: wire.CallCost, values: Values) -> Iterator[Fact]:
    parts = 0
    for line in cost.product_costs or ():
        dollars = values.amount(line.cost, "call_cost.product_costs.cost", _CENTS, MAX_DOLLARS)
        if dollars is not None:
            parts += dollars
            product = text(line.product).lower()
            yield Cost(_component(product), dollars, _seller(product))
    total = values.measured(cost.combined_cost, "call_cost.combined_cost", _CENTS, MAX_DOLLARS)
    yield from total_cost(total, parts)


def _component(product: str) -> CostComponent:
    return next((component for component, pattern in _PRODUCTS if pattern.fullmatch(product)), "other")


def _seller(product: str) -> str:
    return next((provider(name) for prefix, name in _SELLERS if product.startswith(prefix)), "unknown")


def _tools(said: list[wire.Utterance], values: Values) -> Iterator[Fact]:
    """Tool calls whose invocation and result both have a time, which is seconds from the call's start."""
    answered = dict(_times(said, "tool_call_result", values))
    names = {identifier(each.tool_call_id): label(each.name) for each in said if each.name}
    for called, began in _times(said, "tool_call_invocation", values):
        waited = values.amount(answered[called] - began, "tool", 1) if called in answered else None
        if waited is not None:
            yield ToolsAnswered((ToolUse(identity("tool", called), names.get(called, ""), result=True),), waited)


def _times(said: list[wire.Utterance], role: str, values: Values) -> Iterator[tuple[str, Nanounits]]:
    for each in said:
        called = identifier(each.tool_call_id) if each.role == role else ""
        time = values.amount(each.time_sec, "time_sec", SECONDS, WEEK) if called else None
        if time is not None:
            yield called, time
