"""The parts of the board on hangs and errors that are about errors, and about what its numbers rest on."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart, bargauge, stat, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.assets.promql import indent, ratio
from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import Section
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
from grafana.builder.places import RANGE, Number, text, window
from grafana.builder.query import ASSISTANT, increase, named, rate, select, total
from grafana.builder.signals import LLM_ERRORS, PROVIDER_ERRORS, STT_ERRORS
from grafana.builder.tables import SIX_ROWS, Column, Table, count, ranking
from grafana.builder.trends import by_assistant, by_provider

_COMPONENTS: Final = {"llm": c.BLUE, "stt": c.AMBER, "tts": c.GREEN, "transport": c.PINK, "platform": c.GREY}
_CODES: Final = {"severity": "Severity", "error_code": "Error", "provider": "Provider", "component": "Component"}
_CODE_DETAILS: Final = {"retryable": "Retryable", "platform": "Platform"}


def errors() -> Sequence[Section]:
    """Errors: which, how many, when."""
    rates = [*map(by_assistant, (LLM_ERRORS, STT_ERRORS)), by_provider(PROVIDER_ERRORS), _components()]
    when = [_spikes(), _over_time(), _hours(), _escalations(), _assistants()]
    return [
        Section("Errors", [*_tiles(), *rates, _codes()]),
        Section("When errors come", when, collapsed=True),
    ]


def basis() -> Section:
    """What the numbers of the board rest on."""
    return Section("What these numbers rest on", [_unsubscribed(), _unknown(), _reported()], collapsed=True)


def _tiles() -> Sequence[stat.Panel]:
    critical = tile(
        "Critical errors",
        "authentication_failed, quota_exceeded or service_unavailable, in the time range: each of them pages.",
        now(total(m.ERRORS, (), RANGE, severity="critical")),
    )
    tiles = [
        tile("Errors", "Errors of services in the time range.", now(total(m.ERRORS, (), RANGE))),
        judged(critical, c.above(critical=1)),
        tile(
            "Escalations",
            "Errors in the time range that cannot be retried, or whose retries were exhausted.",
            now(total(m.ESCALATIONS, (), RANGE)),
        ),
    ]
    return [counted(panel).span(8) for panel in tiles]


def _components() -> timeseries.Panel:
    signal = PROVIDER_ERRORS
    panel = series(
        f"Error rate of services, {signal.window.range}",
        f"{signal.meaning} Of all assistants and providers together.",
        query(signal.value(("component",)), "{{component}}"),
    )
    return compared(coloured(panel, _COMPONENTS).unit(signal.unit).no_value(signal.empty))


def _codes() -> Table:
    return ranking(
        "Errors by code, most frequent first",
        "Errors in the time range. critical pages at once; high cannot be retried.",
        _CODES,
        _CODE_DETAILS,
        count("Errors", f"{total(m.ERRORS, (*_CODES, *_CODE_DETAILS), RANGE)}\n> 0"),
    )


def _spikes() -> timeseries.Panel:
    span, back = window("error_spike.window"), window("error_spike.lookback")
    number = text("error_spike.deviations", "number")
    within = f"{total(m.ERRORS, ('platform',), span)}\nor\n0 * {increase(m.CALLS_STARTED, ('platform',), span)}"
    past = f"(\n{indent(within)}\n)[{back.range}:{span.range}] offset {span.range}"
    limit = f"avg_over_time({past})\n+\n{number} * stddev_over_time({past})"
    panel = series(
        f"Errors within {span.range} against the spike limit",
        f"The dashed limit is the mean and {number} standard deviations of the windows of the {back.range} before.",
        query(within, "{{platform}}"),
        query(limit, "{{platform}} limit"),
    )
    dashed = DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, 10]})
    panel.override_by_regexp(".* limit", [dashed])
    colours = {name: colour for platform, colour in c.PLATFORMS.items() for name in (platform, f"{platform} limit")}
    return coloured(panel, colours).span(24)


def _over_time() -> timeseries.Panel:
    span = PROVIDER_ERRORS.window
    text = "By the service that failed."
    amounts = query(f"{total(m.ERRORS, ('component',), span)}\n> 0", "{{component}}")
    panel = series(f"Errors within {span.range}", text, amounts)
    return coloured(stacked(panel), _COMPONENTS)


def _hours() -> barchart.Panel:
    text = "Errors in the time range by the hour of day in the exporter's time zone."
    return columns("Errors by hour of day", text, total(m.ERRORS_BY_HOUR, ("hour",), RANGE), "hour").span(12)


def _escalations() -> timeseries.Panel:
    span = PROVIDER_ERRORS.window
    panel = series(
        f"Escalations within {span.range}",
        "Errors that cannot be retried, or whose retries were exhausted; once a call and type of error.",
        query(f"{total(m.ESCALATIONS, ('cause',), span)}\n> 0", "{{cause}}"),
    )
    return coloured(stacked(panel), {"not_retryable": c.RED, "retries_exhausted": c.AMBER})


def _assistants() -> bargauge.Panel:
    expr = f"sort_desc(topk(10, {named(total(m.ERRORS, ASSISTANT, RANGE), outlive=True)}))"
    text = "The ten with most errors in the time range."
    panel = bars("Errors by assistant", text, now(expr, "{{assistant_name}}"), name="assistant_name")
    return counted(panel).span(12)


def _unsubscribed() -> Table:
    by = (*ASSISTANT, "event")
    expr = f"max by ({', '.join(by)}) ({select(m.EVENT_SUBSCRIBED, event='hang|error')}) == 0"
    return (
        ranking(
            "Assistants that do not send hang or error events",
            "Their own configuration leaves these events out: no hangs and no errors here says nothing about them.",
            {"assistant_name": "Assistant", "event": "Event"},
            {"platform": "Platform"},
            Column("Sent", named(expr, outlive=True), "bool_yes_no", width=70),
        )
        .span(12)
        .height(SIX_ROWS)
    )


def _unknown() -> timeseries.Panel:
    requests = total(m.SERVICE_REQUESTS, ("component",), PROVIDER_ERRORS.window, provider="unknown")
    panel = series(
        "Requests of unknown provider",
        "Above the line the alert on providers is silent: failures would be known and successes not.",
        query(ratio(requests, PROVIDER_ERRORS.traffic(("component",))), "{{component}}"),
    )
    marked(panel, [(Number("error_rate.provider.max_unknown"), c.WARNING)])
    return coloured(panel, _COMPONENTS).unit("percentunit")


def _reported() -> timeseries.Panel:
    panel = series(
        "Errors and retries that reports count, per minute",
        "What end-of-call reports count themselves. Errors of TTS appear nowhere else; the others are also in the"
        " panels above.",
        query(f"60 * {rate(m.REPORT_ERRORS, ('component',))}", "{{component}} errors"),
        query(f"60 * {rate(m.REPORT_RETRIES, ('component',))}", "{{component}} retries"),
    )
    return panel.span(24).no_value("no reports")
