"""The parts of the latency board on speech, audio and tools."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import timeseries

from exporter.assets.promql import ratio
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder import colours as c
from grafana.builder.board import Section
from grafana.builder.panels import coloured, compared, density, marked, query, series
from grafana.builder.places import Number, window
from grafana.builder.query import ASSISTANT, TREND, buckets, increase, named, plateau, quantile, rate, total
from grafana.builder.trends import best_last, worst


def sections() -> Sequence[Section]:
    """Speech, audio, tools."""
    confidence = density(
        "Spread of STT confidence",
        "How confident transcriptions were; 1 is certain.",
        buckets(m.STT_CONFIDENCE),
        "percentunit",
    ).height(10)
    return [
        Section(
            "Speech",
            [
                _cache(),
                confidence,
                _by_provider("TTS generation p95", ", not cached", m.TTS_GENERATION, cached="false"),
                _by_provider("STT latency p95", "", m.STT_LATENCY),
            ],
            collapsed=True,
        ),
        Section("Audio and tools", [_dropped(), _packets(), _delay(), _tools(), _seconds()], collapsed=True),
    ]


def _cache() -> timeseries.Panel:
    span = window("tts_cache.window")
    cached, spoken = (
        increase(m.TTS_GENERATION, ASSISTANT, span, "_count", platform="interactly", cached=cached)
        for cached in ("true", "true|false")
    )
    panel = series(
        f"TTS cache hit rate, {span.range}, by assistant",
        "Spoken messages that came from the cache, of all. Interactly only: Vapi does not tell.",
        query(named(best_last(ratio(cached, spoken))), "{{assistant_name}}"),
    )
    marked(panel, [(Number("tts_cache.warning"), c.WARNING)])
    return compared(panel.unit("percentunit").max(1).no_value("not told"))


def _by_provider(title: str, of: str, metric: Metric, **labels: str) -> timeseries.Panel:
    value = query(worst(quantile("0.95", metric, ("provider",), TREND, **labels)), "{{provider}}", exemplar=True)
    text = f"{metric.help.partition('.')[0]}. {plateau(metric)}"
    return compared(series(f"{title}, {TREND.range}, by provider{of}", text, value).unit("s").no_value("not told"))


def _dropped() -> timeseries.Panel:
    span = window("audio.window")
    minutes = f"({total(m.AUDIO_RECEIVED, ASSISTANT, span)} / 60)"
    panel = series(
        f"Dropped audio chunks per minute of audio, {span.range}",
        "By assistant, as the end-of-call reports count them.",
        query(named(worst(ratio(total(m.AUDIO_DROPPED, ASSISTANT, span), minutes))), "{{assistant_name}}"),
    )
    return compared(marked(panel, [(Number("audio.warning"), c.WARNING)]).no_value("no reports"))


def _packets() -> timeseries.Panel:
    panel = series(
        "Audio packets per minute",
        "Packets that came late or not at all.",
        query(f"60 * {rate(m.AUDIO_DELAYED, ())}", "delayed"),
        query(f"60 * {rate(m.AUDIO_LOST, ())}", "lost"),
    )
    return coloured(panel, {"delayed": c.AMBER, "lost": c.RED}).no_value("not told").height(10)


def _delay() -> timeseries.Panel:
    panel = series(
        f"Audio delay, {TREND.range}",
        f"Delay of the caller's audio in a turn. {plateau(m.AUDIO_DELAY)}",
        query(quantile("0.5", m.AUDIO_DELAY, ()), "p50"),
        query(quantile("0.95", m.AUDIO_DELAY, ()), "p95"),
    )
    return coloured(panel, c.QUANTILES).unit("s").span(8).no_value("not told")


def _tools() -> timeseries.Panel:
    text = f"95th percentile from the call of a tool to its result: the caller waits for it. {plateau(m.TOOL_CALL)}"
    value = query(worst(quantile("0.95", m.TOOL_CALL, ("tool",))), "{{tool}}", exemplar=True)
    panel = series(f"Tool calls p95, {TREND.range}", text, value)
    return panel.unit("s").span(8).no_value("no tool calls")


def _seconds() -> timeseries.Panel:
    panel = series(
        "Minutes of audio per minute",
        "Audio received, transcribed and generated: how many callers speak or listen at a time, on average.",
        query(rate(m.AUDIO_RECEIVED, ()), "received"),
        query(rate(m.STT_AUDIO, ()), "transcribed"),
        query(rate(m.TTS_AUDIO, ()), "generated"),
    )
    return coloured(panel, {"received": c.SKY, "transcribed": c.AMBER, "generated": c.GREEN}).span(8)
