"""Signals over time."""

from grafana_foundation_sdk.builders import timeseries

from grafana.builder.panels import marked, query, series
from grafana.builder.query import ASSISTANT, named
from grafana.builder.signals import PROVIDER, Signal


def by_assistant(signal: Signal) -> timeseries.Panel:
    """The signal of each assistant, with its thresholds."""
    return _trend(signal, "assistant", named(signal.value(ASSISTANT)), "{{assistant_name}}")


def by_provider(signal: Signal) -> timeseries.Panel:
    """The signal of each provider's services, with its thresholds."""
    return _trend(signal, "provider", signal.value(PROVIDER), "{{provider}} {{component}}")


def _trend(signal: Signal, whose: str, value: str, legend: str) -> timeseries.Panel:
    text = f"{signal.meaning} Each point looks back over {signal.window.range}, as the alert does."
    panel = series(f"{signal.name}, by {whose}", text, query(value, legend))
    return marked(panel, signal.steps).unit(signal.unit).no_value(signal.empty)
