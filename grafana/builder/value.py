"""What calls are worth and what they cost: evaluations, quality, cost, tokens."""

from grafana_foundation_sdk.builders import bargauge, timeseries

from exporter.assets.promql import ratio
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder import colours as c
from grafana.builder.board import Section
from grafana.builder.panels import bars, coloured, compared, counted, marked, now, query, series, stacked
from grafana.builder.places import RANGE, Number, window
from grafana.builder.query import ASSISTANT, TREND, mean, named, plateau, quantile, rate, total
from grafana.builder.tables import SIX_ROWS, Column, Table, ranking
from grafana.builder.trends import best_last, worst


def value() -> Section:
    """The overview's part on value and cost."""
    return Section(
        "Quality and cost",
        [
            _assistants(),
            _confidence(),
            _cost_per_call(),
            _cost(),
            _tokens(),
            _characters(),
            *(_ranked(*words) for words in _RANKED),
            _duration(),
            _talk(),
            _interruptions(),
            _sentiment(),
            _negative(),
        ],
        collapsed=True,
    )


def _assistants() -> Table:
    cost, confidence = window("call_cost.window"), window("stt_confidence.window")
    said = mean(m.STT_CONFIDENCE, ASSISTANT, confidence)
    return ranking(
        "Assistants, dearest first",
        "Mean cost of the calls whose end-of-call report came, and mean confidence of transcriptions.",
        {"assistant_name": "Assistant"},
        {"platform": "Platform"},
        Column(
            f"Cost per call, {cost.range}",
            named(mean(m.COST_PER_CALL, ASSISTANT, cost), outlive=True),
            "currencyUSD",
            c.above(Number("call_cost.warning"), base=c.CLEAR),
            width=150,
        ),
        Column(
            f"STT confidence, {confidence.range}",
            named(said, outlive=True),
            "percentunit",
            c.below(Number("stt_confidence.warning"), c.CLEAR),
            0,
            170,
        ),
    ).height(SIX_ROWS)


def _confidence() -> timeseries.Panel:
    span = window("stt_confidence.window")
    panel = series(
        f"STT confidence, {span.range}, by assistant",
        "Mean confidence of transcriptions. Below the line callers are hard to understand; vendors count in ways of"
        " their own.",
        query(named(best_last(mean(m.STT_CONFIDENCE, ASSISTANT, span))), "{{assistant_name}}"),
    )
    marked(panel, [(Number("stt_confidence.warning"), c.WARNING)])
    return compared(panel.unit("percentunit").max(1).no_value("not told"))


def _cost_per_call() -> timeseries.Panel:
    span = window("call_cost.window")
    panel = series(
        f"Cost per call, {span.range}, by assistant",
        "Mean total cost of the calls whose end-of-call report came, in US dollars.",
        query(named(worst(mean(m.COST_PER_CALL, ASSISTANT, span))), "{{assistant_name}}"),
    )
    marked(panel, [(Number("call_cost.warning"), c.WARNING)])
    return compared(panel.unit("currencyUSD").no_value("no reports"))


def _cost() -> timeseries.Panel:
    colours = {
        "llm": c.BLUE,
        "stt": c.AMBER,
        "tts": c.GREEN,
        "telephony": c.SKY,
        "platform": c.PINK,
        "analysis": c.RED,
        "other": c.GREY,
    }
    panel = series(
        "Cost per hour, by component",
        "As the end-of-call reports state it, in US dollars.",
        query(f"3600 * {rate(m.CALL_COST, ('component',))} > 0", "{{component}}"),
    )
    return coloured(stacked(panel), colours).unit("currencyUSD").no_value("no reports").span(8)


def _tokens() -> timeseries.Panel:
    panel = series(
        "LLM tokens per minute",
        "As the platforms count them; input without what came from the provider's cache.",
        query(f"60 * {rate(m.LLM_TOKENS, ('kind',))}", "{{kind}}"),
    )
    return coloured(panel, {"input": c.BLUE, "output": c.AMBER, "cached": c.SKY}).no_value("not told").span(8)


def _characters() -> timeseries.Panel:
    panel = series(
        "Characters spoken per minute",
        "Characters that were turned into speech.",
        query(f"60 * {rate(m.TTS_CHARACTERS, ())}", "characters"),
    )
    return coloured(panel, {"characters": c.GREEN}).no_value("not told").span(8)


_RANKED = (
    (
        "Evaluations",
        "Success evaluations of the calls in the time range; none where there was none.",
        m.EVALUATIONS,
        "evaluation",
    ),
    ("Why calls ended", "Reasons of the calls that ended in the time range.", m.CALLS_ENDED, "reason"),
    ("How far calls came", "Calls that reached each status in the time range.", m.STATUS_UPDATES, "status"),
    ("Transfers", "Transfers of calls in the time range, by status.", m.TRANSFERS, "status"),
)


def _ranked(title: str, text: str, metric: Metric, label: str) -> bargauge.Panel:
    amounts = now(f"sort_desc({total(metric, (label,), RANGE)} > 0)", f"{{{{{label}}}}}")
    return counted(bars(title, text, amounts, name=label)).span(6)


def _duration() -> timeseries.Panel:
    panel = series(
        f"Length of calls, {TREND.range}",
        f"Median and 95th percentile of the calls that ended. {plateau(m.CALL_DURATION)}",
        query(quantile("0.5", m.CALL_DURATION, ()), "p50"),
        query(quantile("0.95", m.CALL_DURATION, ()), "p95"),
    )
    return coloured(panel, c.QUANTILES).unit("s").span(8).no_value("no calls")


def _talk() -> timeseries.Panel:
    panel = series(
        "Messages per minute",
        "Messages of conversations, by who said them.",
        query(f"60 * {rate(m.MESSAGES, ('role',))} > 0", "{{role}}"),
    )
    return stacked(panel).span(8)


def _interruptions() -> timeseries.Panel:
    turns = rate(m.MESSAGES, (), role="user")
    panel = series(
        "Interruptions per message of the caller",
        "How often callers cut off the assistant (a barge-in) or it them, and messages that were never spoken for it.",
        query(ratio(rate(m.INTERRUPTIONS, (), interrupted="assistant"), turns), "assistant cut off"),
        query(ratio(rate(m.INTERRUPTIONS, (), interrupted="user"), turns), "caller cut off"),
        query(ratio(rate(m.MESSAGES_SKIPPED, ()), turns), "never spoken"),
    )
    colours = {"assistant cut off": c.BLUE, "caller cut off": c.RED, "never spoken": c.GREY}
    return coloured(panel, colours).unit("percentunit").span(8)


def _sentiment() -> timeseries.Panel:
    panel = series(
        "Sentiment of callers, messages per minute",
        "Messages of callers, by how they sound. Only while the exporter's sentiment.enabled is true.",
        query(f"60 * {rate(m.SENTIMENT, ('sentiment',))} > 0", "{{sentiment}}"),
    )
    colours = {"negative": c.RED, "neutral": c.GREY, "positive": c.GREEN}
    return coloured(stacked(panel), colours).no_value("not judged").span(12)


def _negative() -> timeseries.Panel:
    panel = series(
        f"Confidence of negative messages, {TREND.range}",
        "How sure the analyser is of callers' messages that sound negative. Those above the line are told of."
        f" {plateau(m.NEGATIVE_CONFIDENCE)}",
        query(quantile("0.5", m.NEGATIVE_CONFIDENCE, ()), "p50"),
        query(quantile("0.95", m.NEGATIVE_CONFIDENCE, ()), "p95"),
    )
    marked(panel, [(Number("negative_sentiment.confidence"), c.WARNING)])
    return coloured(panel, c.QUANTILES).unit("percentunit").no_value("not judged").span(12)
