"""Latency by stage: what callers wait, and where the time of a reply goes."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.assets.promql import ratio
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder import colours as c
from grafana.builder.board import LATENCY, Section, board
from grafana.builder.panels import bars, coloured, density, fixed, judged, marked, now, query, series, stacked, tile
from grafana.builder.places import RANGE, Number, text, window
from grafana.builder.query import buckets, increase, mean, quantile, rate
from grafana.builder.signals import RESPONSE_TIME
from grafana.builder.speech import sections
from grafana.builder.trends import by_assistant

_WITHIN: Final = text("slo.fast_responses.within", "duration")
_BOUND: Final = text("slo.fast_responses.within", "bound")
_WHOLE: Final = "whole reply, measured"


class _Stage(NamedTuple):
    title: str
    metric: Metric
    colour: str = c.GREY
    cached: str = ""

    @property
    def labels(self) -> dict[str, str]:
        return {"cached": self.cached} if self.cached else {}


_STAGES: Final = (
    _Stage("End of utterance", m.TURN_DETECTION, c.SKY),
    _Stage("LLM queue", m.LLM_QUEUE, c.AMBER),
    _Stage("LLM response", m.LLM_RESPONSE, c.BLUE),
    _Stage("TTS queue", m.TTS_QUEUE, c.PINK),
    _Stage("TTS generation, not cached", m.TTS_GENERATION, c.GREEN, "false"),
)
"""One after the other; together they are the response time."""

_BESIDES: Final = (
    _Stage("TTS generation, cached", m.TTS_GENERATION, cached="true"),
    _Stage("STT latency (lies inside the first stage)", m.STT_LATENCY),
    _Stage("Player wait (overlaps the last stage)", m.PLAYER_WAIT),
)


def latency() -> dict[str, object]:
    """Latency by stage."""
    return board(
        LATENCY,
        "Voice / Latency by stage",
        "What callers wait for a reply, and which stage of it takes the time.",
        [
            Section(
                "What callers wait", [*_tiles(), _percentiles(), _spread(), by_assistant(RESPONSE_TIME), _in_time()]
            ),
            Section("Where the time of a reply goes", [_stack(), _means(), *map(_stage, (*_STAGES, *_BESIDES))]),
            Section("LLM", [_providers(), _llm_spread(), _models(), _replies()]),
            *sections(),
        ],
    )


def _tiles() -> Sequence[stat.Panel]:
    tiles = {
        name: tile(
            f"Response time {name}",
            "What callers waited for the replies in the time range.",
            now(quantile(q, m.RESPONSE, (), RANGE)),
        ).unit("s")
        for name, q in (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))
    }
    judged(tiles["p95"], RESPONSE_TIME.steps)
    share = ratio(increase(m.RESPONSE, (), RANGE, "_bucket", le=_BOUND), increase(m.RESPONSE, (), RANGE, "_count"))
    text = "Share of the replies in the time range that came in time; the threshold is the objective."
    in_time = tile(f"Replies within {_WITHIN}", text, now(share)).unit("percentunit")
    judged(in_time, c.below(Number("slo.fast_responses.objective")))
    return [panel.no_value("no replies").span(6).height(4) for panel in (*tiles.values(), in_time)]


def _percentiles() -> timeseries.Panel:
    panel = series(
        "Response time, percentiles",
        "From the end of the caller's speech to the first part of the reply. Diamonds are exemplars: single replies,"
        " each with its call id.",
        *(query(quantile(f"0.{name[1:]}", m.RESPONSE, ()), name, exemplar=name == "p95") for name in c.QUANTILES),
    )
    return coloured(marked(panel, RESPONSE_TIME.steps), c.QUANTILES).unit("s").no_value("no replies")


def _spread() -> heatmap.Panel:
    text = "How many replies took how long; exemplars carry the call id."
    return density("Spread of response times", text, buckets(m.RESPONSE))


def _in_time() -> timeseries.Panel:
    share = ratio(rate(m.RESPONSE, ("platform",), "_bucket", le=_BOUND), rate(m.RESPONSE, ("platform",), "_count"))
    panel = series(
        f"Replies within {_WITHIN}",
        "Share of the replies that came in time; the line is the objective.",
        query(share, "{{platform}}"),
    )
    marked(panel, [(Number("slo.fast_responses.objective"), c.WARNING)]).unit("percentunit").max(1)
    return coloured(panel, c.PLATFORMS).no_value("no replies")


def _stack() -> timeseries.Panel:
    panel = series(
        "Mean time of each stage",
        "One stage after the other: together they are the response time, the line, as far as the chosen platforms tell"
        " every stage. STT latency lies inside the first, player wait overlaps the last: see their own panels.",
        *(query(mean(stage.metric, (), None, **stage.labels), stage.title) for stage in _STAGES),
        query(mean(m.RESPONSE, ()), _WHOLE),
    )
    line = {"custom.stacking": {"mode": "none", "group": "B"}, "custom.lineWidth": 2, "custom.fillOpacity": 0}
    properties = [DynamicConfigValue(id_val=name, value=value) for name, value in line.items()]
    panel.override_by_name(_WHOLE, [*properties, *fixed(c.PLAIN)])
    return coloured(stacked(panel), {stage.title: stage.colour for stage in _STAGES}).unit("s").span(16).height(9)


def _means() -> bargauge.Panel:
    text = "Means over the time range, in the order in which the stages come."
    panel = bars("Means", text, *(now(mean(s.metric, (), RANGE, **s.labels), s.title) for s in _STAGES))
    for stage in _STAGES:
        panel.override_by_name(stage.title, fixed(stage.colour))
    return panel.unit("s").height(9)


def _stage(stage: _Stage) -> timeseries.Panel:
    panel = series(
        stage.title,
        f"{stage.metric.help.partition('.')[0]}.",
        *(
            query(quantile(f"0.{q[1:]}", stage.metric, (), None, **stage.labels), q, exemplar=q == "p95")
            for q in ("p50", "p95", "p99")
        ),
    )
    return coloured(panel, c.QUANTILES).unit("s").span(6).height(7).no_value("not told")


def _providers() -> timeseries.Panel:
    span, q = window("provider_response_time.window"), text("provider_response_time.quantile", "quantile")
    value = quantile(text("provider_response_time.quantile", "number"), m.LLM_RESPONSE, ("provider",), span)
    panel = series(
        f"LLM latency {q}, {span.range}, by provider",
        f"Of the first part of each reply. Each point looks back over {span.range}, as the alert does.",
        query(value, "{{provider}}"),
    )
    key = "provider_response_time"
    return marked(panel, c.above(Number(f"{key}.warning"), Number(f"{key}.critical"))).unit("s").no_value("no replies")


def _models() -> timeseries.Panel:
    text = "95th percentile of LLM latency of the first part of each reply."
    value = quantile("0.95", m.LLM_RESPONSE, ("provider", "model"))
    return series("LLM latency p95, by model", text, query(value, "{{provider}} {{model}}", exemplar=True)).unit("s")


def _llm_spread() -> heatmap.Panel:
    text = "How many replies of the LLMs took how long; exemplars carry the call id."
    return density("Spread of LLM latency", text, buckets(m.LLM_RESPONSE))


def _replies() -> timeseries.Panel:
    value = f"60 * {rate(m.SERVICE_REQUESTS, ('component', 'provider'))}"
    text = "What LLM, STT and TTS providers were asked, failed requests included."
    return series("Requests per minute, by provider", text, query(value, "{{component}} {{provider}}"))
