"""Reads thresholds: those that come with the package, and an operator's own over them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from exporter.assets.model import Thresholds
from exporter.assets.promql import num
from exporter.assets.threshold_kinds import WINDOW
from exporter.errors import ConfigError
from exporter.metrics.catalogue import NEGATIVE_CONFIDENCE, RESPONSE
from exporter.yamlfile.durations import format_duration
from exporter.yamlfile.fields import build, keys
from exporter.yamlfile.schema import Found, Key, check
from exporter.yamlfile.tree import Node, read_tree

__all__ = ["DEFAULTS", "SCRAPES", "ConfigError", "Thresholds", "load"]

DEFAULTS: Final = Path(__file__).with_name("thresholds.yml")
"""The one home of every default."""

SCRAPES: Final = 4
"""No window is shorter than so many scrapes: increase() needs two, and one or two may fail."""

_RATES: Final = "slo.burn_rates"
_PAIRS: Final = (
    ("provider_response_time.warning", "provider_response_time.critical"),
    ("error_rate.llm.warning", "error_rate.llm.critical"),
    ("error_rate.stt.warning", "error_rate.stt.critical"),
)


def load(path: Path | None = None) -> Thresholds:
    """The thresholds of a file, where it is silent those of the package.

    Raises:
        ConfigError: a key is unknown, takes something else, or contradicts another; one line for each fault.
    """
    defaults = check(read_tree(DEFAULTS), KEYS)
    own = check(read_tree(path), KEYS) if path else Found(nodes={"": Node("", "", 1, None)})
    values = defaults.values | own.values
    for name, message in _contradictions(values):
        own.fault(name, message)
    if own.faults:
        raise ConfigError(*own.faults)
    widened = tuple(_widen(values))
    return build(Thresholds, {**values, "widened": widened})


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What no single key can know: path and message."""
    for warning, critical in _PAIRS:
        if values[warning] > values[critical]:
            yield warning, f"is above {critical}, so nothing would warn before it pages: lower it"
    if values["error_spike.min_history"] > values["error_spike.lookback"]:
        yield "error_spike.min_history", "is longer than error_spike.lookback, so no spike would ever count: lower it"
    yield from _seldom(values)
    if values["slo.fast_responses.within"] not in RESPONSE.bounds:
        bounds = ", ".join(map(format_duration, RESPONSE.bounds))
        yield "slo.fast_responses.within", f"is no bound of {RESPONSE.name}: choose one of {bounds}"
    if values["negative_sentiment.confidence"] not in NEGATIVE_CONFIDENCE.bounds:
        bounds = ", ".join(map(num, NEGATIVE_CONFIDENCE.bounds))
        yield "negative_sentiment.confidence", f"is no bound of {NEGATIVE_CONFIDENCE.name}: choose one of {bounds}"
    highest = max((rate.factor for rate in values[_RATES]), default=0.0)
    if not highest:
        yield _RATES, "is empty: give one at least, or leave the objectives out with slo.enabled: false"
    for name in ("slo.calls_without_hang.objective", "slo.fast_responses.objective"):
        if highest * (1 - values[name]) >= 1:
            needed = f"above {1 - 1 / highest:.4g}" if highest > 1 else "another"
            yield name, f"lets no error rate reach the burn rate of {highest:g}: set it {needed}, or drop the factor"


def _seldom(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What contradicts how often the rules are evaluated."""
    shortest = min((_effective(key, values), key.path) for key in KEYS if key.kind is WINDOW)
    every, base = values["evaluation_interval"], max(values["slo.window"], SCRAPES * values["scrape_interval"])
    if every > shortest[0]:
        yield "evaluation_interval", f"is longer than {shortest[1]}: what happens in between would go unseen; lower it"
    elif round(base * 1000) % round(every * 1000) or every > base / 2:
        unfit = f"is no part of slo.window ({format_duration(base)}), so sums would count some events twice, others not"
        yield "evaluation_interval", f"{unfit}: take a half of it, a third, a quarter, and so on"


def _effective(key: Key, values: Mapping[str, Any]) -> float:
    windows: tuple[float, float] = (values[key.path], SCRAPES * values["scrape_interval"])
    return max(windows)


def _widen(values: dict[str, Any]) -> Iterator[str]:
    scrape = format_duration(values["scrape_interval"])
    for key in KEYS:
        if key.kind is WINDOW and (window := _effective(key, values)) > values[key.path]:
            shorter, values[key.path] = format_duration(values[key.path]), window
            yield (
                f"{key.path}: {shorter} is shorter than {SCRAPES} scrapes of {scrape},"
                f" so the rules use {format_duration(window)}"
            )


KEYS: Final = tuple(keys(Thresholds))
"""What a thresholds file may hold."""
