"""Signals over time."""

from grafana_foundation_sdk.builders import timeseries

from exporter.assets.promql import indent
from grafana.builder.panels import compared, marked, query, series
from grafana.builder.query import ASSISTANT, named
from grafana.builder.signals import PROVIDER, Signal


def by_assistant(signal: Signal) -> timeseries.Panel:
    """The signal of each assistant, with its thresholds."""
    return _trend(signal, "assistant", named(worst(signal.value(ASSISTANT))), "{{assistant_name}}")


def worst(value: str) -> str:
    """The ten highest at each moment: more lines tell nothing."""
    return f"topk(10,\n{indent(value)}\n)"


def best_last(value: str) -> str:
    """The ten lowest at each moment, where low is bad."""
    return f"bottomk(10,\n{indent(value)}\n)"


def by_provider(signal: Signal) -> timeseries.Panel:
    """The signal of each provider's services, with its thresholds."""
    return _trend(signal, "provider", worst(signal.value(PROVIDER)), "{{provider}} {{component}}")


def _trend(signal: Signal, whose: str, value: str, legend: str) -> timeseries.Panel:
    text = (
        f"{signal.meaning} Each point looks back over {signal.window.range}, as the alert does; the ten highest at each"
        " moment are shown."
    )
    panel = series(f"{signal.name}, by {whose}", text, query(value, legend))
    return compared(marked(panel, signal.steps).unit(signal.unit).no_value(signal.empty))
