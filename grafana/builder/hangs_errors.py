"""Hangs and errors: the documented analyses."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart, bargauge, stat, timeseries
from grafana_foundation_sdk.models.prometheus import PromQueryFormat as Format

from exporter.assets.promql import ratio
from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import HANGS_ERRORS, Section, board
from grafana.builder.failures import basis, errors
from grafana.builder.panels import bars, coloured, columns, judged, marked, now, query, series, stacked, tile
from grafana.builder.places import RANGE, Number, window
from grafana.builder.query import ASSISTANT, named, quantile, total
from grafana.builder.signals import HANG_RATE
from grafana.builder.tables import Column, Table, ranking
from grafana.builder.trends import by_assistant

_OUTCOMES: Final = {"recovered": c.GREEN, "abandoned": c.RED, "error": c.AMBER, "ended": c.SKY, "unknown": c.GREY}
_MEANINGS: Final = (
    "recovered: a reply came after all. abandoned: the caller hung up. error: a service failed. ended: the call ended"
    " otherwise. unknown: the call fell silent. Open hangs are in none."
)


def hangs_errors() -> dict[str, object]:
    """Hangs and errors."""
    when = [_hours(), _lengths(), _outcomes(), _outcomes_over_time(), _recovery()]
    return board(
        HANGS_ERRORS,
        "Voice / Hangs and errors",
        "Which assistants, providers and models hang or fail, when, and what comes of it.",
        [
            Section("Hangs", [*_tiles(), by_assistant(HANG_RATE), _repeated(), _assistants(), _models()]),
            Section("When hangs come, and what comes of them", when),
            *errors(),
            basis(),
        ],
    )


def _tiles() -> Sequence[stat.Panel]:
    abandoned = total(m.HANG_OUTCOMES, (), RANGE, outcome="abandoned")
    tiles = [
        tile("Hangs", "No reply for 5 seconds or more; in the time range.", now(total(m.HANGS, (), RANGE))),
        tile("Calls with a hang", "In the time range.", now(total(m.HUNG_CALLS, (), RANGE))),
        tile(HANG_RATE.name, HANG_RATE.meaning, now(HANG_RATE.value(()))).unit(HANG_RATE.unit),
        tile(
            "Hangs abandoned",
            "Hangs after which the caller hung up, of those in the time range whose outcome is known.",
            now(ratio(abandoned, total(m.HANG_OUTCOMES, (), RANGE))),
        ).unit("percentunit"),
    ]
    judged(tiles[2], HANG_RATE.steps)
    return [panel.span(6).height(4) for panel in tiles]


def _repeated() -> timeseries.Panel:
    span = window("hangs_repeated.window")
    panel = series(
        f"Hangs within {span.range}, by assistant",
        "From the line on they suggest a systematic issue.",
        query(named(total(m.HANGS, ASSISTANT, span)), "{{assistant_name}}"),
    )
    return marked(panel, [(Number("hangs_repeated.count"), c.WARNING)])


def _assistants() -> Table:
    calls, hung = total(m.CALLS_STARTED, ASSISTANT, RANGE), total(m.HUNG_CALLS, ASSISTANT, RANGE)
    abandoned = total(m.HANG_OUTCOMES, ASSISTANT, RANGE, outcome="abandoned")
    return ranking(
        "Assistants, most hangs first",
        "Hangs of each assistant in the time range.",
        {"assistant_name": "Assistant", "platform": "Platform"},
        Column("Hangs", named(total(m.HANGS, ASSISTANT, RANGE)), "short", (), 0),
        Column("Calls with a hang", named(ratio(hung, calls)), "percentunit", (), 1),
        Column("Abandoned", named(abandoned), "short", (), 0),
        Column("Calls", named(calls), "short", (), 0),
    ).span(12)


def _models() -> Table:
    by = ("provider", "model")
    hangs, replies = total(m.HANGS, by, RANGE), total(m.LLM_RESPONSE, by, RANGE, "_count")
    return ranking(
        "Providers and models, most hangs first",
        "Hangs of each LLM in the time range, and how many of its replies that is.",
        {"provider": "Provider", "model": "Model"},
        Column("Hangs", hangs, "short", (), 0),
        Column("Hangs per reply", ratio(hangs, replies), "percentunit", (), 2),
        Column("Replies", replies, "short", (), 0),
    ).span(12)


def _hours() -> barchart.Panel:
    text = "Hangs in the time range by the hour of day in the exporter's time zone."
    return columns("Hangs by hour of day", text, total(m.HANGS_BY_HOUR, ("hour",), RANGE), "hour")


def _lengths() -> bargauge.Panel:
    expr = total(m.HANG_MESSAGES, ("le",), RANGE, "_bucket")
    return bars(
        "Hangs by length of the conversation",
        "Messages in the conversation at the hang, where the platform tells them, in the documented groups of five by"
        " their upper bounds.",
        now(expr, "{{le}}", Format.HEATMAP),
    )


def _outcomes() -> bargauge.Panel:
    expr = f"sort_desc({total(m.HANG_OUTCOMES, ('outcome',), RANGE)})"
    return bars("What came of hangs", _MEANINGS, now(expr, "{{outcome}}"))


def _outcomes_over_time() -> timeseries.Panel:
    span = window("hangs_repeated.window")
    outcomes = query(total(m.HANG_OUTCOMES, ("outcome",), span), "{{outcome}}")
    panel = series(f"What came of hangs, within {span.range}", _MEANINGS, outcomes)
    return coloured(stacked(panel), _OUTCOMES)


def _recovery() -> timeseries.Panel:
    panel = series(
        "Time to recover",
        "From the hang event to the reply that followed, where one did.",
        query(quantile("0.5", m.HANG_RECOVERY, (), window("hang_rate.window")), "p50"),
        query(quantile("0.95", m.HANG_RECOVERY, (), window("hang_rate.window")), "p95"),
    )
    return coloured(panel, c.QUANTILES).unit("s").no_value("no hangs")
