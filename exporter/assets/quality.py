"""Rules about quality and cost: cached speech, transcription confidence, dropped audio, cost of calls."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.evidence import Firing, Judgement, Share, windows
from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, indent, lines, num, observations, over, percent, ratio, record, total
from exporter.assets.rule import WHO, Alert, Group, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration


def quality(t: Thresholds) -> Group:
    """Rules about quality and cost."""
    return Group(
        name="voice-quality",
        comment="Quality and cost. Normal values depend on the workload.",
        rules=(*_tts_cache(t), *_stt_confidence(t), *_call_cost(t), *_audio(t), _negative_sentiment(t)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    """A mean over the shortest window with enough samples.

    Attributes:
        amount: the sum.
        of: the number of samples.
        operation: the last part of the recorded name of the mean over the documented window.
        windows: in seconds, the documented one first.
        least: samples that a window needs.
    """

    amount: Counted
    of: Counted
    operation: str
    windows: tuple[float, ...]
    least: float

    def recordings(self) -> tuple[Recording, ...]:
        """The recorded series that the alert rests on."""
        first = self.windows[0]
        return (
            *self.of.recordings(self.windows),
            *self.amount.recordings(self.windows),
            Recording(
                record=record(self.of.level, self.amount.metric, over(self.operation, first)),
                expr=ratio(self.amount.name(first), self.of.name(first)),
            ),
        )

    def judged(self, is_: Literal["<", ">"], limit: float, alert: str) -> str:
        """The mean where it is beyond the limit, then until a window with enough samples shows the end."""
        condition = f"{is_} {num(limit)}"
        begins = (self._begins(index, condition) for index in range(len(self.windows)))
        beyond = "\nor\n".join(self._mean(window, condition) for window in self.windows)
        firing = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
        near = f"{is_} {num(limit * (1 + _NEAR if is_ == '<' else 1 - _NEAR))}"
        ends = (self._ends(index, condition, near) for index in range(len(self.windows) - 1))
        lasts = ("(", indent(beyond), ")", f"and on ({self.of.level.by})", f"  {firing}", *ends)
        return lines("\nor\n".join(begins), "or", "(", *(indent(part) for part in lasts), ")")

    def _begins(self, index: int, condition: str) -> str:
        """The mean over a window, where that is the shortest which holds enough."""
        window, shorter = self.windows[index], self.windows[:index]
        return lines(
            "(",
            f"  {self._mean(window, condition)}",
            f"  and {self._enough(window)}",
            *(f"  unless {self._enough(before)}" for before in shorter),
            ")",
        )

    def _ends(self, index: int, condition: str, near: str) -> str:
        """Where a window holds enough to say that it is over, and no shorter one says otherwise.

        A mean that varies around its limit is not over while it is near it, and beyond it over the next longer window.
        """
        window, longer = self.windows[index : index + 2]
        return lines(
            "unless (",
            f"  {self._enough(window)}",
            *(f"  unless {self._mean(shorter, condition)}" for shorter in self.windows[: index + 1]),
            "  unless (",
            f"    {self._mean(window, near)}",
            f"    and {self._mean(longer, condition)}",
            "  )",
            ")",
        )

    def _mean(self, window: float, condition: str) -> str:
        return f"{self.amount.name(window)} / ({self.of.name(window)} > 0) {condition}"

    def _enough(self, window: float) -> str:
        return f"{self.of.name(window)} >= {num(self.least)}"


_NEAR: Final = 0.2
"""So far from its limit a mean is near it, as a part of the limit."""
_CACHE: Final = "VoiceTTSCacheHitRateLow"
_FEW: Final = ", or a longer window if there are few"


def _of_histogram(metric: Metric, operation: str, t: Thresholds, *labels: str) -> tuple[Counted, Counted]:
    """Sum and count of a histogram's values by assistant."""
    level = levels.assistant(t).plus(*labels)
    amount = Counted(
        level=level,
        metric=metric.name,
        operation="sum",
        expr=lambda window: total(metric, level, window),
        base=t.slo.window,
    )
    return amount, replace(amount, operation=operation, expr=lambda window: observations(metric, level, window))


def _tts_cache(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule, level = t.tts_cache, levels.assistant(t)
    only = 'platform="interactly"'

    def spoken(operation: str, selector: str) -> Counted:
        return Counted(
            level=level,
            metric=m.TTS_GENERATION.name,
            operation=operation,
            expr=lambda window: observations(m.TTS_GENERATION, level, window, selector),
            base=t.slo.window,
        )

    share = Share(
        bad=spoken("generated_count", f'{{{only}, cached="false"}}'),
        all=spoken("count", f"{{{only}}}"),
        windows=windows(rule.window, t),
    )
    judged = Judgement(
        share=share, threshold=1 - rule.warning, minimum=rule.min_messages, min_bad=t.evidence.min_events
    )
    return (
        *share.recordings("Vapi does not say what came from a cache."),
        *judged.recordings(),
        Recording(
            record=record(level, m.TTS_GENERATION.name, over("cached_ratio", rule.window)),
            expr=f"1 - {share.ratio(rule.window)}",
        ),
        Alert(
            name=_CACHE,
            expr=lines("1 - (", judged.exceeded(t, Firing(_CACHE, "warning")), ")"),
            wait=rule.for_,
            keep=t.keep_rates_firing_for,
            severity="warning",
            summary="Little of what a voice assistant says comes from the cache.",
            description=(
                f"{WHO}: {{{{ $value | humanizePercentage }}}} of its messages came from the cache within"
                f" {format_duration(rule.window)}{_FEW}; the threshold is {percent(rule.warning)}."
            ),
            dashboard="voice-latency",
            comment="An assistant that rarely repeats a sentence has a low rate: lower tts_cache.warning for it.",
        ),
    )


def _stt_confidence(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.stt_confidence
    amount, of = _of_histogram(m.STT_CONFIDENCE, "count", t, "provider")
    mean = _Mean(amount=amount, of=of, operation="mean", windows=windows(rule.window, t), least=rule.min_messages)
    return (
        *mean.recordings(),
        Alert(
            name="VoiceSTTConfidenceLow",
            expr=mean.judged("<", rule.warning, "VoiceSTTConfidenceLow"),
            wait=rule.for_,
            keep=t.keep_rates_firing_for,
            severity="warning",
            summary="Transcription confidence is low.",
            description=(
                f"{WHO}: {{{{ $labels.provider }}}} transcribes with a mean confidence of"
                f" {{{{ $value | humanizePercentage }}}} over {format_duration(rule.window)}{_FEW}; the threshold is"
                f" {percent(rule.warning)}."
            ),
            dashboard="voice-overview",
            comment="Vendors measure confidence differently; languages and phone lines differ.",
        ),
    )


def _call_cost(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule = t.call_cost
    amount, of = _of_histogram(m.COST_PER_CALL, "count", t)
    mean = _Mean(amount=amount, of=of, operation="mean", windows=windows(rule.window, t), least=rule.min_calls)
    return (
        *mean.recordings(),
        Alert(
            name="VoiceCallCostHigh",
            expr=mean.judged(">", rule.warning, "VoiceCallCostHigh"),
            wait=rule.for_,
            keep=t.keep_rates_firing_for,
            severity="warning",
            summary="Calls of a voice assistant are expensive.",
            description=(
                f'{WHO}: a call costs {{{{ printf "$%.2f" $value }}}} on average over {format_duration(rule.window)}'
                f"{_FEW}; the threshold is ${rule.warning:.2f}."
            ),
            dashboard="voice-overview",
            comment="What a call may cost depends on models, prices and the length of calls.",
        ),
    )


def _audio(t: Thresholds) -> tuple[Recording | Alert, ...]:
    rule, level = t.audio, levels.assistant(t)
    dropped = Counted(
        level=level,
        metric="voice_audio_dropped_chunks",
        operation="increase",
        expr=lambda window: grown(m.AUDIO_DROPPED, level, window),
        base=t.slo.window,
    )
    minutes = replace(
        dropped,
        metric="voice_audio_received_minutes",
        expr=lambda window: lines(grown(m.AUDIO_RECEIVED, level, window), "/ 60"),
    )
    per_minute = _Mean(
        amount=dropped, of=minutes, operation="per_minute", windows=windows(rule.window, t), least=rule.min_minutes
    )
    return (
        *per_minute.recordings(),
        Alert(
            name="VoiceAudioQualityLow",
            expr=per_minute.judged(">", rule.warning, "VoiceAudioQualityLow"),
            wait=rule.for_,
            keep=t.keep_rates_firing_for,
            severity="warning",
            summary="Callers' audio arrives with gaps.",
            description=(
                f'{WHO}: {{{{ printf "%.1f" $value }}}} audio chunks dropped per minute of audio over'
                f" {format_duration(rule.window)}{_FEW}; the threshold is {num(rule.warning)}."
            ),
            dashboard="voice-overview",
            comment="The platform documents no number; phone lines drop more than the web does.",
        ),
    )


def _negative_sentiment(t: Thresholds) -> Alert:
    rule, level = t.negative_sentiment, levels.assistant(t)
    return Alert(
        name="VoiceNegativeSentiment",
        expr=lines(
            _risen("_count", level, rule.window),
            "-",
            _risen(f'_bucket{{le="{rule.confidence}"}}', level, rule.window),
            "> 0.5",
        ),
        keep=t.keep_firing_for,
        severity="high",
        summary="Callers of a voice assistant sound negative.",
        description=(
            f'{WHO}: {{{{ printf "%.0f" $value }}}} messages of callers within {format_duration(rule.window)} sound'
            f" negative, with a confidence above {percent(rule.confidence)}."
        ),
        dashboard="voice-overview",
        incidents="sentiment",
        comment="A series created in the window counts as a whole: its first value has no 0 before it.",
    )


def _risen(sample: str, level: Level, window: float) -> str:
    """How many negative messages there were in the window, or how many of a bucket."""
    name, created = f"{m.NEGATIVE_CONFIDENCE.name}{sample}", f"{m.NEGATIVE_CONFIDENCE.name}_created"
    match = "and ignoring (le)" if "le=" in sample else "and"
    return (
        f"sum by ({level.by}) ({name}\n  {match} ({created} > time() - {num(window)})\nor\n"
        f"increase({name}[{format_duration(window)}]))"
    )
