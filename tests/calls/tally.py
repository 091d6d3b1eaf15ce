"""Folds webhook bodies as the exporter does and adds up what they yield, without a store or series."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exporter.config import Config
from exporter.events import Distribution
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Increment
from exporter.platforms import PLATFORMS
from exporter.platforms.history_cache import HistoryCache
from exporter.recording.calls_in_memory import CallsInMemory, Draft

FIXTURES = Path(__file__).parent.parent / "fixtures"


def payload(name: str, platform: str = "interactly") -> dict[str, Any]:
    """A payload of tests/fixtures."""
    body = json.loads((FIXTURES / platform / f"{name}.json").read_text())
    assert isinstance(body, dict)
    return body


class Tally:
    """Counters and observations that deliveries add up to."""

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        self.memory = CallsInMemory(
            config, LabelLimits(config.labels.max_values, config.labels.max_series, config.labels.ttl)
        )
        self.counts: dict[tuple[str, tuple[str, ...]], int] = defaultdict(int)
        self.observed: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
        self.distributions: dict[tuple[str, tuple[str, ...]], list[Distribution]] = defaultdict(list)
        self._labels: dict[str, tuple[str, ...]] = {}
        self._histories = HistoryCache()

    def deliver(self, *bodies: Mapping[str, Any] | bytes, platform: str = "interactly", now: float = 1.0) -> list[bool]:
        """Fold the bodies in this order; whether each counted anything."""
        fresh = []
        for body in bodies:
            event = PLATFORMS[platform].parse(
                body if isinstance(body, bytes) else json.dumps(body).encode(), self._histories
            )
            draft = Draft(self.memory)
            folded = draft.fold(event, now)
            draft.adopt()
            self._histories.remember(event)
            self.add(folded.increments)
            fresh.append(folded.fresh)
        return fresh

    def add(self, increments: Iterable[Increment]) -> None:
        """Add up increments."""
        for metric, labels, amount in increments:
            self._labels[metric.name] = metric.labels
            key = (metric.name, labels)
            if isinstance(amount, Distribution):
                self.distributions[key].append(amount)
            elif metric.kind == "histogram":
                self.observed[key].append(amount / metric.scale)
            else:
                self.counts[key] += amount

    def total(self, name: str, **labels: str) -> float:
        """Sum of a counter or gauge over the series that have these labels."""
        scale = NANO if "seconds" in name or "dollars" in name else 1
        return sum(value for key, value in self.counts.items() if self._matches(key, name, labels)) / scale

    def values(self, name: str, **labels: str) -> list[float]:
        """Observations of a histogram in the series that have these labels, ascending."""
        found = (values for key, values in self.observed.items() if self._matches(key, name, labels))
        return sorted(value for values in found for value in values)

    def series(self, name: str) -> dict[tuple[str, ...], int]:
        """Series of a counter or gauge that exist, 0 included, by label values."""
        return {key[1]: value for key, value in self.counts.items() if key[0] == name}

    def snapshot(self) -> tuple[object, ...]:
        """Everything that was added up, without the exporter's own metrics."""
        counts = {key: value for key, value in self.counts.items() if not key[0].startswith("voice_exporter_")}
        observed = {key: sorted(values) for key, values in self.observed.items()}
        return counts, observed, dict(self.distributions)

    def _matches(self, key: tuple[str, tuple[str, ...]], name: str, labels: Mapping[str, str]) -> bool:
        if key[0] != name:
            return False
        own = dict(zip(self._labels[name], key[1], strict=True))
        return all(own[label] == value for label, value in labels.items())
