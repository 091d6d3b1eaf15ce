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
from grafana.builder.panels import (
    bars,
    coloured,
    compared,
    density,
    fixed,
    judged,
    marked,
    now,
    query,
    series,
    stacked,
    tile,
)
from grafana.builder.places import RANGE, Number, text, window
from grafana.builder.query import TREND, buckets, increase, mean, plateau, quantile, rate, told_apart
from grafana.builder.signals import RESPONSE_TIME
from grafana.builder.speech import sections
from grafana.builder.trends import by_assistant, worst

_WITHIN: Final = text("slo.fast_responses.within", "duration")
_BOUND: Final = text("slo.fast_responses.within", "bound")
_WHOLE: Final = "whole reply, measured"


class _Stage(NamedTuple):
    title: str
    metric: Metric
    colour: str = c.GREY
    cached: str = ""
    note: str = ""

    @property
    def labels(self) -> dict[str, str]:
        return {"cached": self.cached} if self.cached else {}


_STAGES: Final = (
    _Stage("End of utterance", m.TURN_DETECTION, c.SKY),
    _Stage("LLM queue", m.LLM_QUEUE, c.AMBER),
    _Stage("LLM response", m.LLM_RESPONSE, c.BLUE),
    _Stage("TTS queue", m.TTS_QUEUE, c.PINK),
    _Stage("TTS generation", m.TTS_GENERATION, c.GREEN),
)
"""One after the other; together they are the response time. Of generation that is all of it, cached as well: a reply
from the cache waits next to nothing, and the response time is the mean of both kinds."""

_BESIDES: Final = (
    _Stage("TTS generation, not cached", m.TTS_GENERATION, cached="false"),
    _Stage("TTS generation, cached", m.TTS_GENERATION, cached="true"),
    _Stage("STT latency", m.STT_LATENCY, note=" It lies inside the end of utterance."),
    _Stage("Player wait", m.PLAYER_WAIT),
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
            Section("Where the time of a reply goes", [_stack(), _means()]),
            Section("Stage by stage", [*map(_stage, (*_STAGES[:-1], *_BESIDES))], collapsed=True),
            Section("LLM", [_providers(), _llm_spread(), _models(), _replies()], collapsed=True),
            *sections(),
        ],
    )


def _tiles() -> Sequence[stat.Panel]:
    tiles = {
        name: tile(
            f"Response {name}",
            "What callers waited for the replies in the time range.",
            now(quantile(q, m.RESPONSE, (), RANGE)),
            empty="no replies",
        ).unit("s")
        for name, q in (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))
    }
    judged(tiles["p95"], RESPONSE_TIME.steps)
    share = ratio(increase(m.RESPONSE, (), RANGE, "_bucket", le=_BOUND), increase(m.RESPONSE, (), RANGE, "_count"))
    text = "Share of the replies in the time range that came in time; the threshold is the objective."
    in_time = tile(f"Within {_WITHIN}", text, now(share), empty="no replies").unit("percentunit")
    judged(in_time, c.below(Number("slo.fast_responses.objective")))
    return [*tiles.values(), in_time]


def _percentiles() -> timeseries.Panel:
    panel = series(
        f"Response time, percentiles, {TREND.range}",
        f"From the end of the caller's speech to the first part of the reply. {plateau(m.RESPONSE)} Diamonds are"
        " exemplars: single replies, each with its call id.",
        *(query(quantile(f"0.{name[1:]}", m.RESPONSE, ()), name, exemplar=name == "p95") for name in c.QUANTILES),
    )
    return coloured(marked(panel, RESPONSE_TIME.steps), c.QUANTILES).unit("s").no_value("no replies")


def _spread() -> heatmap.Panel:
    text = "How many replies took how long."
    return density("Spread of response times", text, buckets(m.RESPONSE))


def _in_time() -> timeseries.Panel:
    replies = increase(m.RESPONSE, ("platform",), TREND, "_count")
    share = ratio(increase(m.RESPONSE, ("platform",), TREND, "_bucket", le=_BOUND), replies)
    panel = series(
        f"Replies within {_WITHIN}, {TREND.range}",
        "Share of the replies that came in time; the line is the objective.",
        query(share, "{{platform}}"),
    )
    marked(panel, [(Number("slo.fast_responses.objective"), c.WARNING)]).unit("percentunit").max(1)
    return coloured(panel, c.PLATFORMS).no_value("no replies").height(10)


def _stack() -> timeseries.Panel:
    panel = series(
        f"Mean time of each stage, {TREND.range}",
        "One stage after the other: together they are the response time, the line, as far as the chosen platforms tell"
        " every stage. STT latency lies inside the first, player wait overlaps the last: see their own panels.",
        *(query(mean(stage.metric, ()), stage.title) for stage in _STAGES),
        query(mean(m.RESPONSE, ()), _WHOLE),
    )
    line = {"custom.stacking": {"mode": "none", "group": "B"}, "custom.lineWidth": 2, "custom.fillOpacity": 0}
    properties = [DynamicConfigValue(id_val=name, value=value) for name, value in line.items()]
    panel.override_by_name(_WHOLE, [*properties, *fixed(c.PLAIN)])
    return coloured(stacked(panel), {stage.title: stage.colour for stage in _STAGES}).unit("s").span(16).height(9)


def _means() -> bargauge.Panel:
    text = "Means over the time range, in the order in which the stages come."
    panel = bars("Means", text, *(now(mean(s.metric, (), RANGE), s.title) for s in _STAGES))
    for stage in _STAGES:
        panel.override_by_name(stage.title, fixed(stage.colour))
    return panel.unit("s").height(9)


def _stage(stage: _Stage) -> timeseries.Panel:
    several = told_apart(stage.metric, TREND, **stage.labels)
    panel = series(
        f"{stage.title}, {TREND.range}",
        f"{stage.metric.help.partition('.')[0]}.{stage.note} While all values lie between two bounds of the histogram,"
        f" only their mean is known. {plateau(stage.metric)}",
        query(mean(stage.metric, (), TREND, **stage.labels), "mean"),
        *(
            query(f"{quantile(f'0.{q[1:]}', stage.metric, (), TREND, **stage.labels)}\nand on ()\n{several}", q)
            for q in ("p50", "p95", "p99")
        ),
    )
    return coloured(panel, {"mean": c.PLAIN, **c.QUANTILES}).unit("s").span(6).height(8).no_value("not told")


def _providers() -> timeseries.Panel:
    span, q = window("provider_response_time.window"), text("provider_response_time.quantile", "quantile")
    value = quantile(text("provider_response_time.quantile", "number"), m.LLM_RESPONSE, ("provider",), span)
    panel = series(
        f"LLM latency {q}, {span.range}, by provider",
        f"Of the first part of each reply. Each point looks back over {span.range}, as the alert does."
        f" {plateau(m.LLM_RESPONSE)}",
        query(value, "{{provider}}"),
    )
    key = "provider_response_time"
    steps = c.above(Number(f"{key}.warning"), Number(f"{key}.critical"))
    return compared(marked(panel, steps).unit("s").no_value("no replies"))


def _models() -> timeseries.Panel:
    text = f"95th percentile of LLM latency of the first part of each reply. {plateau(m.LLM_RESPONSE)}"
    value = query(worst(quantile("0.95", m.LLM_RESPONSE, ("provider", "model"))), "{{provider}} {{model}}")
    panel = series(f"LLM latency p95, {TREND.range}, by model", text, value.exemplar(exemplar=True))
    return compared(panel.unit("s").no_value("no replies"))


def _llm_spread() -> heatmap.Panel:
    text = "How many replies of the LLMs took how long."
    return density("Spread of LLM latency", text, buckets(m.LLM_RESPONSE)).height(10)


def _replies() -> timeseries.Panel:
    value = f"60 * {rate(m.SERVICE_REQUESTS, ('component', 'provider'))}"
    text = "What LLM, STT and TTS providers were asked, failed requests included."
    return compared(series("Requests per minute, by provider", text, query(value, "{{component}} {{provider}}")))
