"""Hangs and errors: the documented analyses."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from grafana_foundation_sdk.builders import barchart, bargauge, stat, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat as Format

from exporter.assets.promql import ratio
from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import HANGS_ERRORS, Section, board
from grafana.builder.failures import basis, errors
from grafana.builder.panels import (
    bars,
    coloured,
    columns,
    compared,
    counted,
    judged,
    marked,
    now,
    query,
    series,
    stacked,
    tile,
)
from grafana.builder.places import RANGE, Number, window
from grafana.builder.query import ASSISTANT, named, plateau, quantile, total
from grafana.builder.signals import HANG_RATE
from grafana.builder.tables import Column, Table, count, ranking
from grafana.builder.trends import by_assistant, worst

_OUTCOMES: Final = {"recovered": c.GREEN, "abandoned": c.RED, "error": c.AMBER, "ended": c.SKY, "unknown": c.GREY}
_MEANINGS: Final = (
    "recovered: a reply came after all. abandoned: the caller hung up. error: a service failed. ended: the call ended"
    " otherwise. unknown: the call fell silent. Open hangs are in none."
)


def hangs_errors() -> dict[str, object]:
    """Hangs and errors."""
    when = [_hours(), _lengths(), _outcomes(), _outcomes_over_time(), _recovery(), _slow()]
    return board(
        HANGS_ERRORS,
        "Voice / Hangs and errors",
        "Which assistants, providers and models hang or fail, when, and what comes of it.",
        [
            Section("Hangs", [*_tiles(), by_assistant(HANG_RATE), _repeated(), _assistants(), _models()]),
            Section("When hangs come, and what comes of them", when, collapsed=True),
            *errors(),
            basis(),
        ],
    )


def _tiles() -> Sequence[stat.Panel]:
    abandoned = total(m.HANG_OUTCOMES, (), RANGE, outcome="abandoned")
    tiles = [
        tile("Hangs", "No reply for 5 seconds or more; in the time range.", now(total(m.HANGS, (), RANGE))),
        tile("Hung calls", "Calls with at least one hang, in the time range.", now(total(m.HUNG_CALLS, (), RANGE))),
        tile(HANG_RATE.title, HANG_RATE.looked_back, now(HANG_RATE.value(())), empty=HANG_RATE.empty).unit(
            HANG_RATE.unit
        ),
        tile(
            "Abandoned hangs",
            "Hangs after which the caller hung up, of those in the time range whose outcome is known.",
            now(ratio(abandoned, total(m.HANG_OUTCOMES, (), RANGE))),
            empty="no outcomes",
        ).unit("percentunit"),
    ]
    counted(tiles[0])
    counted(tiles[1])
    judged(tiles[2], HANG_RATE.steps)
    return tiles


def _repeated() -> timeseries.Panel:
    span = window("hangs_repeated.window")
    panel = series(
        f"Hangs within {span.range}, by assistant",
        "From the line on they suggest a systematic issue.",
        query(named(worst(total(m.HANGS, ASSISTANT, span))), "{{assistant_name}}"),
    )
    return compared(marked(panel, [(Number("hangs_repeated.count"), c.WARNING)]))


def _assistants() -> Table:
    calls, hung = total(m.CALLS_STARTED, ASSISTANT, RANGE), total(m.HUNG_CALLS, ASSISTANT, RANGE)
    abandoned = total(m.HANG_OUTCOMES, ASSISTANT, RANGE, outcome="abandoned")
    return ranking(
        "Assistants, most hangs first",
        "Hangs of each assistant in the time range; the share of its calls that had one; hangs after which the caller"
        " hung up.",
        {"assistant_name": "Assistant"},
        {"platform": "Platform"},
        count("Hangs", _kept(total(m.HANGS, ASSISTANT, RANGE))),
        Column("Of calls", _kept(ratio(hung, calls)), "percentunit", (), 1, 80),
        count("Abandoned", _kept(abandoned), 95),
    ).span(12)


def _kept(expr: str) -> str:
    return named(expr, outlive=True)


def _models() -> Table:
    by = ("provider", "model")
    hangs, replies = total(m.HANGS, by, RANGE), total(m.LLM_RESPONSE, by, RANGE, "_count")
    return ranking(
        "Providers and models, most hangs first",
        "Hangs of each LLM in the time range, and how many of its replies that is.",
        {"model": "Model"},
        {"provider": "Provider"},
        count("Hangs", hangs),
        Column("Of replies", ratio(hangs, replies), "percentunit", (), 2, 95),
        count("Replies", replies),
    ).span(12)


def _hours() -> barchart.Panel:
    text = "Hangs in the time range by the hour of day in the exporter's time zone."
    return columns("Hangs by hour of day", text, total(m.HANGS_BY_HOUR, ("hour",), RANGE), "hour")


def _lengths() -> bargauge.Panel:
    expr = total(m.HANG_MESSAGES, ("le",), RANGE, "_bucket")
    panel = bars(
        "Hangs by length of the conversation",
        "Messages in the conversation at the hang, where the platform tells them, in the documented groups of five.",
        now(expr, "{{le}}", Format.HEATMAP),
    )
    bounds = [int(bound) for bound in m.HANG_MESSAGES.bounds]
    for first, last in pairwise([0, *bounds]):
        name = DynamicConfigValue(id_val="displayName", value=f"{max(first + 1, 1)} to {last}")
        panel.override_by_name(f"{last}.0", [name])
    panel.override_by_name("+Inf", [DynamicConfigValue(id_val="displayName", value=f"more than {bounds[-1]}")])
    return counted(panel)


def _outcomes() -> bargauge.Panel:
    expr = f"sort_desc({total(m.HANG_OUTCOMES, ('outcome',), RANGE)})"
    return counted(bars("What came of hangs", _MEANINGS, now(expr, "{{outcome}}"), name="outcome"))


def _outcomes_over_time() -> timeseries.Panel:
    span = window("hangs_repeated.window")
    outcomes = query(f"{total(m.HANG_OUTCOMES, ('outcome',), span)}\n> 0", "{{outcome}}")
    panel = series(f"What came of hangs, within {span.range}", _MEANINGS, outcomes)
    return coloured(stacked(panel), _OUTCOMES)


def _recovery() -> timeseries.Panel:
    panel = series(
        f"Time to recover, {window('hang_rate.window').range}",
        f"From the hang event to the reply that followed, where one did. {plateau(m.HANG_RECOVERY)}",
        query(quantile("0.5", m.HANG_RECOVERY, (), window("hang_rate.window")), "p50"),
        query(quantile("0.95", m.HANG_RECOVERY, (), window("hang_rate.window")), "p95"),
    )
    return coloured(panel, c.QUANTILES).unit("s").no_value("no hangs")


def _slow() -> timeseries.Panel:
    span = window("hangs_repeated.window")
    panel = series(
        f"Slow replies within {span.range}, by assistant",
        "Replies that took 5 seconds or longer: what platforms without hang events have in their place.",
        query(named(worst(total(m.SLOW_REPLIES, ASSISTANT, span))), "{{assistant_name}}"),
    )
    return compared(panel).span(24)
