"""What an ElevenLabs conversation comes to: its length, turns, costs, usage, tools and messages.

Credits have no fixed price, so they are no cost; prices are US dollars. Of the LLM's usage only what is irreversible is
paid, and it is read by model; what was begun and thrown away, and the copy in each entry, would count it twice.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from exporter.events import (
    Characters,
    Cost,
    Duration,
    Evaluation,
    Fact,
    ReportedInterruptions,
    ReportedMessages,
    ReportedTransfers,
    Role,
    Tokens,
    ToolsAnswered,
    ToolUse,
    Transcribed,
    identity,
)
from exporter.platforms.elevenlabs import wire
from exporter.platforms.elevenlabs.ended import transfers
from exporter.platforms.elevenlabs.turns import is_said, latencies
from exporter.platforms.values import (
    DOLLARS,
    MAX_DOLLARS,
    SECONDS,
    WEEK,
    Values,
    identifier,
    label,
    text,
    total_cost,
    truth,
)

_MAKERS: Final = (
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gemini"),
    ("grok", "xai"),
)
"""Makers of models by how the names of these begin."""
_GRADES: Final = {"success": "pass", "failure": "fail"}
_ROLES: Final[dict[str, Role]] = {"agent": "assistant", "user": "user"}


def maker(model: str) -> str:
    """Who makes a model; empty where its name does not tell."""
    return next((name for prefix, name in _MAKERS if model.startswith(prefix)), "")


def usage(metadata: wire.Metadata) -> dict[str, wire.ModelUsage]:
    """The LLM's usage by model."""
    used = metadata.charging and metadata.charging.llm_usage and metadata.charging.llm_usage.irreversible_generation
    return (used and used.model_usage) or {}


def facts(data: wire.Data, metadata: wire.Metadata, values: Values) -> Iterator[Fact]:
    """What the conversation says beyond its end."""
    entries = data.transcript or []
    length = values.measured(metadata.call_duration_secs, "metadata.call_duration_secs", SECONDS, WEEK)
    if length is not None:
        yield Duration(length)
    yield from latencies(entries, values)
    if metadata.charging:
        yield from _costs(metadata, metadata.charging, values)
    else:
        yield from total_cost(values.measured(metadata.cost_fiat, "metadata.cost_fiat", DOLLARS, MAX_DOLLARS), 0)
    yield from _tools(entries, values)
    yield Evaluation(_evaluation(data.analysis))
    yield ReportedInterruptions(assistant=sum(truth(entry.interrupted) is True for entry in entries))
    if statuses := transfers(data):
        yield ReportedTransfers(statuses)
    roles = (_ROLES.get(text(entry.role)) for entry in entries if is_said(entry))
    if said := Counter(role for role in roles if role):
        yield ReportedMessages(tuple(sorted(said.items())))


def _evaluation(analysis: wire.Analysis | None) -> str:
    grade = text(analysis.call_successful) if analysis else ""
    return _GRADES.get(grade, grade or "none")


def _costs(metadata: wire.Metadata, charging: wire.Charging, values: Values) -> Iterator[Fact]:
    models = usage(metadata)
    llm = values.amount(charging.llm_price, "charging.llm_price", DOLLARS, MAX_DOLLARS)
    platform = values.amount(charging.platform_price, "charging.platform_price", DOLLARS, MAX_DOLLARS)
    if llm is not None:
        yield Cost("llm", llm, maker(next(iter(models))) if len(models) == 1 else "")
    if platform is not None:
        yield Cost("platform", platform, "eleven-labs")
    total = values.measured(metadata.cost_fiat, "metadata.cost_fiat", DOLLARS, MAX_DOLLARS)
    if total is None and llm is not None and platform is not None:
        total = llm + platform
    yield from total_cost(total or None, (llm or 0) + (platform or 0))
    for model, used in models.items():
        yield from _tokens(label(model), used, values)
    characters = values.large_count(charging.tts_usage and charging.tts_usage.total_characters, "total_characters")
    if characters is not None:
        yield Characters(characters)
    heard = charging.asr_usage and charging.asr_usage.total_audio_input_seconds
    audio = values.measured(heard, "total_audio_input_seconds", SECONDS, WEEK)
    if audio is not None:
        yield Transcribed(audio)


def _tokens(model: str, used: wire.ModelUsage, values: Values) -> Iterator[Fact]:
    """Input leaves cached tokens out, which are read from the cache; those written to it were sent."""
    sent, cached, written, received = (
        values.large_count(part and part.tokens, "tokens")
        for part in (used.input, used.input_cache_read, used.input_cache_write, used.output_total)
    )
    who = maker(model)
    if sent is not None:
        yield Tokens("input", sent + (written or 0), who, model)
    if cached is not None:
        yield Tokens("cached", cached, who, model)
    if received is not None:
        yield Tokens("output", received, who, model)


def _tools(entries: list[wire.Entry], values: Values) -> Iterator[Fact]:
    for entry in entries:
        for done in entry.tool_results or ():
            waited = values.amount(done.tool_latency_secs, "tool_latency_secs", SECONDS)
            if waited is not None and (asked := identifier(done.request_id)):
                yield ToolsAnswered((ToolUse(identity("tool", asked), label(done.tool_name), result=True),), waited)
