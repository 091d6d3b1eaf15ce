"""The overview: is anyone suffering now, where, since when, and what next."""

from typing import Final

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.common import BigValueTextMode

from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder import firing
from grafana.builder.board import HANGS_ERRORS, LATENCY, OVERVIEW, Section, board, drill_down
from grafana.builder.panels import coloured, counted, judged, now, query, series, stacked, tile
from grafana.builder.places import RANGE, Number
from grafana.builder.presence import presence
from grafana.builder.query import ASSISTANT, named, quantile, rate, select, total
from grafana.builder.signals import HANG_RATE, PROVIDER, PROVIDER_ERRORS, RESPONSE_TIME, SIGNALS, Signal, pressure
from grafana.builder.tables import SIX_ROWS, Column, Table, count, linked, ranking
from grafana.builder.trends import by_assistant, by_provider
from grafana.builder.value import value

_ACTIVE: Final = "Calls that began and have neither ended nor fallen silent for so long that they expired."
_MODEL: Final = ("provider", "model")


def overview() -> dict[str, object]:
    """The overview."""
    return board(
        OVERVIEW,
        "Voice / Overview",
        "Is anyone suffering now, where, since when, and what next.",
        [
            Section(
                "Is anyone suffering now?",
                [presence(), firing.count(), *map(_tile, SIGNALS), _provider_tile(), _active_tile()],
            ),
            Section("Where, and what next?", [firing.listing(), _assistants()]),
            Section("Since when?", [*map(by_assistant, SIGNALS)]),
            Section(
                "Providers and models", [by_provider(PROVIDER_ERRORS).span(24), _providers(), _models()], collapsed=True
            ),
            Section("Calls", [panel.span(8) for panel in (_calls(), _ends(), _active())], collapsed=True),
            value(),
        ],
    )


def _tile(signal: Signal) -> stat.Panel:
    worst = f"topk(1, {named(signal.judged(ASSISTANT), outlive=True)})"
    text = (
        f"{signal.meaning} Of everything chosen, and of the assistant where it is worst among those with enough"
        " traffic to judge."
    )
    queries = now(signal.value(()), f"all, {signal.window.range}"), now(worst, "{{assistant_name}}")
    panel = judged(tile(signal.title, text, *queries, empty=signal.empty), signal.steps).unit(signal.unit)
    return panel.data_links([_onward(LATENCY if signal is RESPONSE_TIME else HANGS_ERRORS)])


def _provider_tile() -> stat.Panel:
    signal = PROVIDER_ERRORS
    text = f"{signal.meaning} Of the provider that fails most, among those with enough requests to judge."
    worst = now(f"topk(1, {signal.judged(PROVIDER)})", f"{{{{provider}}}} {{{{component}}}}, {signal.window.range}")
    panel = tile(signal.title, text, worst, empty="too few requests")
    judged(panel, signal.steps).unit(signal.unit)
    return panel.text_mode(BigValueTextMode.VALUE_AND_NAME).data_links([_onward(HANGS_ERRORS)])


def _active_tile() -> stat.Panel:
    active = now(f"sum({select(m.CALLS_ACTIVE)})", "calls")
    return counted(tile("Active calls", _ACTIVE, active, empty="not known"))


def _onward(uid: str) -> DashboardLink:
    title = {LATENCY: "Latency by stage", HANGS_ERRORS: "Hangs and errors"}[uid]
    return DashboardLink(title).url(drill_down(uid))


def _assistants() -> Table:
    panel = ranking(
        "Assistants, worst first",
        "The first number is each assistant's worst signal, in its threshold: from 1 on an alert fires, given enough"
        " traffic. A name leads to the assistant's hangs and errors.",
        {"assistant_name": "Assistant"},
        {"platform": "Platform"},
        Column("Worst / threshold", _kept(pressure()), "short", c.above(critical=1, base=c.CLEAR), 2, 160),
        count("Calls", _kept(total(m.CALLS_STARTED, ASSISTANT, HANG_RATE.window))),
        *(Column(signal.title, _kept(signal.value(ASSISTANT)), signal.unit, _clear(signal)) for signal in SIGNALS),
    )
    return linked(panel, "Assistant", "Hangs and errors", drill_down(HANGS_ERRORS, assistant="assistant_id"))


def _kept(expr: str) -> str:
    return named(expr, outlive=True)


def _clear(signal: Signal) -> c.Steps:
    return [(None, c.CLEAR), *signal.steps[1:]]


def _providers() -> Table:
    signal = PROVIDER_ERRORS
    stages = {"llm": m.LLM_RESPONSE, "stt": m.STT_LATENCY, "tts": m.TTS_GENERATION}
    latencies = (
        f'label_replace({quantile("0.95", metric, ("provider",), signal.window)}, "component", "{component}", "", "")'
        for component, metric in stages.items()
    )
    panel = ranking(
        f"Providers, worst first, {signal.window.range}",
        "Errors of each provider's services, and how long they take: replies of an LLM, transcription behind the end"
        " of speech, generation of speech (cached included). A name leads to latency.",
        {"provider": "Provider", "component": "Component"},
        {},
        Column("Error rate", signal.value(PROVIDER), signal.unit, _clear(signal)),
        count("Requests", signal.traffic(PROVIDER), 90),
        Column("Latency p95", "\nor\n".join(latencies), "s"),
    )
    return linked(panel.span(12).height(SIX_ROWS), "Provider", "Latency", drill_down(LATENCY, provider="provider"))


def _models() -> Table:
    p95 = quantile("0.95", m.LLM_RESPONSE, _MODEL, RANGE)
    steps = c.above(Number("provider_response_time.warning"), Number("provider_response_time.critical"), c.CLEAR)
    panel = ranking(
        "Models, worst first",
        "LLM latency and hangs of each model over the time range. A name leads to latency.",
        {"model": "Model"},
        {"provider": "Provider"},
        Column("Latency p95", p95, "s", steps),
        count("Hangs", total(m.HANGS, _MODEL, RANGE)),
        count("Replies", total(m.LLM_RESPONSE, _MODEL, RANGE, "_count")),
    )
    return linked(panel.span(12).height(SIX_ROWS), "Model", "Latency", drill_down(LATENCY, provider="provider"))


def _calls() -> timeseries.Panel:
    return series(
        "Calls per minute",
        "Calls that began and calls that ended.",
        query(f"60 * {rate(m.CALLS_STARTED, ())}", "started"),
        query(f"60 * {rate(m.CALLS_ENDED, ())}", "ended"),
    )


def _ends() -> timeseries.Panel:
    colours = {"ok": c.BLUE, "error": c.RED, "unreached": c.GREY, "unknown": c.PINK}
    panel = series(
        "How calls end, per minute",
        "By outcome. unreached: nobody answered, or voicemail did; neither ok nor an error.",
        query(f"60 * {rate(m.CALLS_ENDED, ('outcome',))} > 0", "{{outcome}}"),
    )
    return coloured(stacked(panel), colours)


def _active() -> timeseries.Panel:
    panel = series(
        "Active calls",
        _ACTIVE,
        query(f"sum by (platform) ({select(m.CALLS_ACTIVE)})", "{{platform}}"),
    )
    return coloured(stacked(panel), c.PLATFORMS)
