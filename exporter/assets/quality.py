"""Rules about quality and cost: cached speech, transcription confidence, dropped audio, cost of calls."""

from exporter.assets.model import Thresholds
from exporter.assets.promql import (
    ASSISTANT,
    all_of,
    growth,
    lines,
    mean,
    num,
    observations,
    over,
    percent,
    ratio,
    record,
    sum_by,
)
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

_HEARD = (*ASSISTANT, "provider")


def quality(t: Thresholds) -> Group:
    """Rules about quality and cost."""
    return Group(
        name="voice-quality",
        comment="Quality and cost. What is normal here depends on the workload more than anywhere else.",
        rules=(*_tts_cache(t), *_stt_confidence(t), *_call_cost(t), *_audio(t)),
    )


def _tts_cache(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.tts_cache
    spoken = record(ASSISTANT, "voice_tts_generation_seconds", over("count", rule.window))
    cached = record(ASSISTANT, "voice_tts_generation_seconds", over("cached_count", rule.window))
    share = record(ASSISTANT, "voice_tts_generation_seconds", over("cached_ratio", rule.window))
    only = 'platform="interactly"'
    return (
        Recording(
            record=spoken,
            expr=observations(m.TTS_GENERATION, ASSISTANT, rule.window, f"{{{only}}}"),
            comment="Vapi does not say what came from a cache.",
        ),
        Recording(
            record=cached, expr=observations(m.TTS_GENERATION, ASSISTANT, rule.window, f'{{{only}, cached="true"}}')
        ),
        Recording(record=share, expr=ratio(cached, spoken)),
        Alert(
            name="VoiceTTSCacheHitRateLow",
            expr=all_of(f"{share} < {num(rule.warning)}", f"{spoken} >= {rule.min_messages}"),
            wait=rule.for_,
            severity="warning",
            summary="Little of what a voice assistant says comes from the cache.",
            description=(
                f"{WHO}: {{{{ $value | humanizePercentage }}}} of its messages came from the cache within"
                f" {format_duration(rule.window)}, the threshold is {percent(rule.warning)}."
            ),
            dashboard="voice-latency",
            comment="An assistant that rarely says the same twice stays below: lower tts_cache.warning for such ones.",
        ),
    )


def _stt_confidence(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.stt_confidence
    confidence = record(_HEARD, m.STT_CONFIDENCE.name, over("mean", rule.window))
    heard = record(_HEARD, m.STT_CONFIDENCE.name, over("count", rule.window))
    return (
        Recording(record=confidence, expr=mean(m.STT_CONFIDENCE, _HEARD, rule.window)),
        Recording(record=heard, expr=observations(m.STT_CONFIDENCE, _HEARD, rule.window)),
        Alert(
            name="VoiceSTTConfidenceLow",
            expr=all_of(f"{confidence} < {num(rule.warning)}", f"{heard} >= {rule.min_messages}"),
            wait=rule.for_,
            severity="warning",
            summary="Callers are hard to understand.",
            description=(
                f"{WHO}: {{{{ $labels.provider }}}} transcribes with a mean confidence of"
                f" {{{{ $value | humanizePercentage }}}} over {format_duration(rule.window)}, the threshold is"
                f" {percent(rule.warning)}."
            ),
            dashboard="voice-overview",
            comment="Vendors count confidence in ways of their own; languages and phone lines differ.",
        ),
    )


def _call_cost(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.call_cost
    cost = record(ASSISTANT, m.COST_PER_CALL.name, over("mean", rule.window))
    calls = record(ASSISTANT, m.COST_PER_CALL.name, over("count", rule.window))
    return (
        Recording(record=cost, expr=mean(m.COST_PER_CALL, ASSISTANT, rule.window)),
        Recording(record=calls, expr=observations(m.COST_PER_CALL, ASSISTANT, rule.window)),
        Alert(
            name="VoiceCallCostHigh",
            expr=all_of(f"{cost} > {num(rule.warning)}", f"{calls} >= {rule.min_calls}"),
            wait=rule.for_,
            severity="warning",
            summary="Calls of a voice assistant are expensive.",
            description=(
                f'{WHO}: a call costs {{{{ printf "$%.2f" $value }}}} on average over {format_duration(rule.window)},'
                f" the threshold is ${rule.warning:.2f}."
            ),
            dashboard="voice-overview",
            comment="What a call may cost depends on models, prices and the length of calls.",
        ),
    )


def _audio(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.audio
    dropped = record(ASSISTANT, "voice_audio_dropped_chunks", over("increase", rule.window))
    minutes = record(ASSISTANT, "voice_audio_received_minutes", over("increase", rule.window))
    per_minute = record(ASSISTANT, "voice_audio_dropped_chunks", over("per_minute", rule.window))
    return (
        Recording(record=dropped, expr=sum_by(ASSISTANT, growth(m.AUDIO_DROPPED, rule.window))),
        Recording(record=minutes, expr=lines(sum_by(ASSISTANT, growth(m.AUDIO_RECEIVED, rule.window)), "/ 60")),
        Recording(record=per_minute, expr=ratio(dropped, minutes)),
        Alert(
            name="VoiceAudioQualityLow",
            expr=all_of(f"{per_minute} > {num(rule.warning)}", f"{minutes} >= {num(rule.min_minutes)}"),
            wait=rule.for_,
            severity="warning",
            summary="Callers' audio arrives with gaps.",
            description=(
                f'{WHO}: {{{{ printf "%.1f" $value }}}} audio chunks dropped per minute of audio over'
                f" {format_duration(rule.window)}, the threshold is {num(rule.warning)}."
            ),
            dashboard="voice-overview",
            comment="The documents give no number; phone lines drop more than the web does.",
        ),
    )
