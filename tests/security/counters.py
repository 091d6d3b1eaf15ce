"""Counters of calls, as a scrape shows them and as the fold alone adds them up."""

from collections import Counter
from typing import Any, Final

from exporter.errors import InvalidEvent
from exporter.metrics.catalogue import METRICS
from exporter.platforms import PLATFORMS
from tests.calls.tally import Tally
from tests.security.raw import get

COUNTED: Final = frozenset(
    name for name, metric in METRICS.items() if metric.kind == "counter" and not name.startswith("voice_exporter_")
) | {"voice_exporter_rejected_values_total"}
"""Counters that only events move."""


def scraped(url: str, *headers: bytes) -> Counter[str]:
    """Totals over all labels, those that are 0 left out."""
    totals: Counter[str] = Counter()
    for line in get(url, "/metrics", *headers).splitlines():
        name = line.partition("{")[0]
        if name in COUNTED:
            totals[name] += round(float(line.rpartition(" ")[2]) * 1e9)
    return +totals


class Model:
    """What an exporter should answer and count."""

    def __init__(self) -> None:
        self._tally = Tally()

    def deliver(self, platform: str, body: bytes) -> int:
        """The status that the body should be answered with; counts it where that is 200."""
        try:
            if PLATFORMS[platform].parse(body).needs_answer:
                return 501
            self._tally.deliver(body, platform=platform)
        except InvalidEvent:
            return 400
        return 200

    def totals(self) -> Counter[str]:
        """Totals over all labels, those that are 0 left out."""
        totals = {name: round(self._tally.total(name) * 1e9) for name in COUNTED}
        return +Counter(totals)


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with ``new`` at the path; changes it in place where it can."""
    if not path:
        return new
    inner = value
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = new
    return value
