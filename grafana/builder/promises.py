"""The exporter's promises, a row each: where one is broken, a panel of its row shows it."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import bargauge, heatmap, timeseries

from exporter.assets.promql import indent
from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import Section
from grafana.builder.panels import bars, coloured, compared, density, marked, now, query, series, stacked
from grafana.builder.places import RANGE, Number, text, window
from grafana.builder.process import SCRAPE, of_exporters
from grafana.builder.query import TREND, buckets, increase, quantile, rate, select, total
from grafana.builder.tables import SIX_ROWS, Table, count, ranking

_OUTCOMES: Final = {
    "counted": c.BLUE,
    "duplicate": c.SKY,
    "ignored": c.GREY,
    "unauthorized": c.RED,
    "invalid": c.AMBER,
    "unanswerable": c.PINK,
    "unavailable": "dark-red",
}
_OVER: Final = "too_large|timeout|limited"
_REFUSED: Final = "unauthorized|invalid|too_large|timeout|limited|unanswerable|unavailable"


def promises() -> Sequence[Section]:
    """One row a promise, in the order of the design."""
    return [
        Section("1. Each event counts exactly once", [_outcomes(), _missed()]),
        Section("2. An event answered 200 is on disk", [_commits(), _storage()]),
        Section(
            "3. Nothing private gets out, no stranger gets in",
            [_labels(), _refusals(), _unauthorized()],
            collapsed=True,
        ),
        Section("4. Everything is bounded", [_series(), _overflows().height(10), _calls(), _limits()], collapsed=True),
        Section(
            "5. What was not measured is not shown",
            [_rejected(), _delay(), _left_out(), _share_left_out(), _late(), _expired()],
            collapsed=True,
        ),
        Section("6. A scrape never makes a webhook wait", [_webhooks(), _scrapes()], collapsed=True),
    ]


def _outcomes() -> timeseries.Panel:
    panel = series(
        "Webhook requests per minute, by outcome",
        "duplicate: all that it says was known already. ignored: of a kind that is not counted.",
        query(f"60 * {rate(m.WEBHOOKS, ('outcome',))} > 0", "{{outcome}}"),
    )
    return coloured(stacked(panel), _OUTCOMES).no_value("no requests")


def _missed() -> timeseries.Panel:
    span = window("exporter.missed.window")
    panel = series(
        f"Missed events within {span.range}",
        "What end-of-call reports show to have happened and no event had brought by then.",
        query(total(m.MISSED_EVENTS, ("platform", "event"), span), "{{platform}} {{event}}"),
    )
    return marked(panel, [(Number("exporter.missed.count"), c.WARNING)])


def _commits() -> timeseries.Panel:
    panel = series(
        f"Commits, {TREND.range}",
        "How long storage takes to commit: each answer waits for its commit.",
        query(quantile("0.5", m.STORAGE_COMMIT, ()), "p50"),
        query(quantile("0.99", m.STORAGE_COMMIT, ()), "p99"),
    )
    return coloured(panel, c.QUANTILES).unit("s").no_value("no commits")


def _storage() -> timeseries.Panel:
    span = window("exporter.storage.window")
    panel = series(
        f"Events not kept within {span.range}",
        "Commits that storage refused, and events that were refused for it.",
        query(total(m.STORAGE_ERRORS, ("instance",), span), "{{instance}} storage errors"),
        query(total(m.WEBHOOKS, ("instance",), span, outcome="unavailable"), "{{instance}} refused"),
    )
    return marked(panel, [(1, c.CRITICAL)])


def _labels() -> bargauge.Panel:
    return bars(
        "Distinct label values",
        "The only words of a payload that leave the exporter: ids and names of assistants, vendors, models, error"
        " codes, tools. Names, numbers and texts of callers are never decoded.",
        now(f"sort_desc(max by (label) ({select(m.LABEL_VALUES)}))", "{{label}}"),
        name="label",
    ).span(12)


def _refusals() -> Table:
    return (
        ranking(
            "Refused requests, most frequent first",
            "In the time range. unauthorized: a wrong or missing secret. unanswerable: the platform asked for an answer"
            " and no relay is configured, so calls break.",
            {"outcome": "Outcome", "event": "Event", "platform": "Platform"},
            {},
            count(
                "Requests", f"{total(m.WEBHOOKS, ('outcome', 'event', 'platform'), RANGE, outcome=_REFUSED)} > 0", 90
            ),
        )
        .span(12)
        .height(SIX_ROWS)
    )


def _unauthorized() -> timeseries.Panel:
    span = window("exporter.unauthorized.window")
    panel = series(
        f"Unauthorized requests within {span.range}",
        "A wrong or missing secret or signature: untrusted clients try a few and go away, a platform goes on.",
        query(total(m.WEBHOOKS, ("platform",), span, outcome="unauthorized"), "{{platform}}"),
    )
    return marked(panel, c.above(Number("exporter.unauthorized.count"))).span(24)


def _series() -> timeseries.Panel:
    panel = series(
        "Series of the largest families",
        "How many series the exporter exposes, by metric; labels.max_series bounds their sum.",
        query(f"topk(10, sum by (metric) ({select(m.SERIES)}))", "{{metric}}"),
        query(f"sum({select(m.SERIES)})", "all"),
    )
    return compared(coloured(panel, {"all": c.PLAIN}))


def _overflows() -> timeseries.Panel:
    span = window("exporter.label_limit.window")
    panel = series(
        f"Label values folded to other within {span.range}",
        "A label, or the set of all series, was full.",
        query(total(m.LABEL_OVERFLOWS, ("label",), span), "{{label}}"),
    )
    return marked(panel, [(1, c.WARNING)])


def _calls() -> timeseries.Panel:
    panel = series(
        "Calls remembered",
        "Calls that the exporter keeps in mind, those that ended within the retention included; calls that fell silent"
        " and expired, and calls forgotten before their time because there were too many, per hour.",
        query(f"sum({select(m.CALLS_TRACKED)})", "remembered"),
        query(f"sum({select(m.CALLS_ACTIVE)})", "active"),
        query(f"3600 * {rate(m.CALLS_EXPIRED, ())}", "expired per hour"),
        query(f"3600 * {rate(m.CALLS_EVICTED, ())}", "evicted per hour"),
    )
    colours = {"remembered": c.SKY, "active": c.BLUE, "expired per hour": c.RED, "evicted per hour": c.AMBER}
    return coloured(panel, colours)


def _limits() -> timeseries.Panel:
    panel = series(
        "Requests over a limit, per minute",
        "Too large, too slow, too many.",
        query(f"60 * {rate(m.WEBHOOKS, ('outcome',), outcome=_OVER)}", "{{outcome}}"),
    )
    return coloured(panel, {"too_large": c.AMBER, "timeout": c.PINK, "limited": c.RED})


def _rejected() -> Table:
    by = ("platform", "field", "reason")
    return (
        ranking(
            "Values left out, most frequent first",
            "Values that cannot be, such as negative latencies, in the time range; the rest of their event counted.",
            {"field": "Field", "reason": "Reason", "platform": "Platform"},
            {},
            count("Values", f"{total(m.REJECTED_VALUES, by, RANGE)} > 0"),
        )
        .span(12)
        .height(SIX_ROWS)
    )


def _left_out() -> timeseries.Panel:
    span = window("exporter.rejected_values.window")
    panel = series(
        f"Values left out within {span.range}",
        "Of one field, for one reason.",
        query(total(m.REJECTED_VALUES, ("platform", "field", "reason"), span), "{{platform}} {{field}} {{reason}}"),
    )
    return marked(panel, c.above(Number("exporter.rejected_values.count")))


def _share_left_out() -> timeseries.Panel:
    span = window("exporter.rejected_values.window")
    rejected = total(m.REJECTED_VALUES, ("platform", "field", "reason"), span)
    events = total(m.WEBHOOKS, ("platform",), span, outcome="counted")
    panel = series(
        f"Share of events with a value left out, {span.range}",
        "The alert needs both: so many values, and so many of the events.",
        query(f"{rejected}\n/ on (platform) group_left ()\n({events} > 0)", "{{platform}} {{field}} {{reason}}"),
    )
    return marked(panel, c.above(Number("exporter.rejected_values.warning"))).unit("percentunit")


def _late() -> timeseries.Panel:
    span, after = window("exporter.late.window"), text("exporter.late.after", "duration")
    events = increase(m.EVENT_DELAY, ("platform",), span, "_count")
    intime = increase(m.EVENT_DELAY, ("platform",), span, "_bucket", le=text("exporter.late.after", "bound"))
    panel = series(
        f"Late events, {span.range}",
        f"Share of the events that arrived more than {after} after what they report.",
        query(f"1 -\n{intime}\n/\n({events} > 0)", "{{platform}}"),
    )
    return marked(panel, c.above(Number("exporter.late.warning"))).unit("percentunit").no_value("no events")


def _expired() -> timeseries.Panel:
    span = window("exporter.expired.window")
    expired, started = (total(metric, ("instance",), span) for metric in (m.CALLS_EXPIRED, m.CALLS_STARTED))
    panel = series(
        f"Calls that expired, {span.range}",
        "Share of the calls whose end was never reported: they fell silent for so long that they count as over.",
        query(f"{expired}\n/\n({started} > 0)", "{{instance}}"),
    )
    return marked(panel, c.above(Number("exporter.expired.warning"))).unit("percentunit").no_value("no calls")


def _delay() -> timeseries.Panel:
    panel = series(
        f"Delay of events, {TREND.range}",
        "Receipt minus the event's own time: late events count late.",
        query(quantile("0.5", m.EVENT_DELAY, ("platform",)), "{{platform}} p50"),
        query(quantile("0.95", m.EVENT_DELAY, ("platform",)), "{{platform}} p95"),
    )
    return panel.unit("s").no_value("no events")


def _webhooks() -> heatmap.Panel:
    text = "From request to answer, the commit included."
    return density("Spread of webhook requests", text, buckets(m.WEBHOOK_SECONDS))


def _scrapes() -> timeseries.Panel:
    panel = series(
        f"Webhook requests beside scrapes, {TREND.range}",
        "The 99th percentile from a webhook request to its answer, and how long scrapes take: the one should not follow"
        " the other.",
        query(quantile("0.99", m.WEBHOOK_SECONDS, ()), "webhook p99"),
        query(f"max(\n{indent(of_exporters(select(SCRAPE)))}\n)", "scrape"),
    )
    return coloured(panel, {"webhook p99": c.BLUE, "scrape": c.GREY}).unit("s")
