"""Single values of a payload: numbers that can be, labels that may be shown."""

import math
import re
from functools import lru_cache
from typing import Final

from exporter.events import OTHER, Nanounits, Rejected, Retryable, Severity
from exporter.metrics.metric import NANO

MS: Final = NANO // 1000
"""Nanounits of a millisecond."""
SECONDS: Final = NANO
DOLLARS: Final = NANO
RATIO: Final = NANO

_HOUR: Final = 3600 * NANO
WEEK: Final = 7 * 24 * _HOUR
"""No call is longer, so no amount that grows with the call is larger."""
WEEK_MS: Final = WEEK // MS
_EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01; an earlier time of an event is a mistake, seconds for milliseconds for instance."""
_LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01."""
MAX_COUNT: Final = 100_000
MAX_DOLLARS: Final = 10_000 * NANO
CRITICAL_CODES: Final = frozenset({"authentication_failed", "quota_exceeded", "service_unavailable"})
"""Error codes that page."""
_LABEL_LENGTH: Final = 64
_LABEL = re.compile(r"[A-Za-z0-9._:/-]+")

_PROVIDERS: Final = {
    "11labs": "eleven-labs",
    "elevenlabs": "eleven-labs",
    "eleven-labs-stream": "eleven-labs",
    "google": "gemini",
    "open-ai": "openai",
    "azure-openai": "azure",
    "azure-speech": "azure",
    "assemblyai": "assembly-ai",
    "deep-seek": "deepseek",
    "play-ht": "playht",
    "rime": "rime-ai",
    "together": "together-ai",
}
"""Spellings of one provider on the platforms, in their configuration, their errors and their reports."""


def label(value: object) -> str:
    """A value that may become a label: itself where it fits, ``other`` where not, empty where there is none."""
    if not isinstance(value, str) or not value:
        return ""
    return value if len(value) <= _LABEL_LENGTH and _is_label(value) else OTHER


@lru_cache(1024)
def _is_label(value: str) -> bool:
    return _LABEL.fullmatch(value) is not None


def provider(value: object) -> str:
    """A provider in its one spelling."""
    name = label(value).lower()
    return _PROVIDERS.get(name, name)


def severity(code: str, retryable: Retryable) -> Severity:
    """How bad an error is, as Interactly documents it (error page, determine_severity)."""
    if code in CRITICAL_CODES:
        return "critical"
    return "high" if retryable == "false" else "medium"


def text(value: object) -> str:
    """A string, empty where there is none; for comparison with constants and for identities only."""
    return value if isinstance(value, str) else ""


class Values:
    """Takes numbers out of a payload; what cannot be is left out and listed in ``rejected``."""

    def __init__(self) -> None:
        self.rejected: list[Rejected] = []

    def amount(self, value: object, field: str, unit: Nanounits = MS, maximum: Nanounits = _HOUR) -> Nanounits | None:
        """A measured amount in Nanounits, 0 to ``maximum``; ``unit`` is what 1 stands for."""
        # What is measured nearly always; a number that is not finite fails the comparison.
        if type(value) is int and 0 <= value * unit <= maximum:
            return value * unit
        if type(value) is float and 0 <= value * unit <= maximum:
            return round(value * unit)
        amount = self.signed(value, field, unit, maximum)
        if amount is not None and amount < 0:
            self._reject(field, "negative")
            return None
        return amount

    def ratio(self, value: object, field: str) -> Nanounits | None:
        """A ratio in Nanounits, 0 to 1."""
        return self.amount(value, field, RATIO, RATIO)

    def signed(self, value: object, field: str, unit: Nanounits = MS, maximum: Nanounits = _HOUR) -> Nanounits | None:
        """As `amount`, where negative values have a meaning."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._reject(field, "type")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._reject(field, "not_finite")
            return None
        if abs(value) > maximum / unit:
            self._reject(field, "too_large")
            return None
        return round(value * unit)

    def count(self, value: object, field: str) -> int | None:
        """A whole number, 0 to `MAX_COUNT`."""
        return self.amount(value, field, 1, MAX_COUNT)

    def large_count(self, value: object, field: str) -> int | None:
        """A whole number of tokens or characters, which grow larger."""
        return self.amount(value, field, 1, MAX_COUNT * 10_000)

    def time_ms(self, value: object, field: str = "timestamp") -> int | None:
        """A time in milliseconds since the epoch."""
        if type(value) is int and _EARLIEST_MS <= value <= _LATEST_MS:
            return value
        time_ms = self.signed(value, field, 1, 10**18)
        if time_ms is not None and not _EARLIEST_MS <= time_ms <= _LATEST_MS:
            self._reject(field, "out_of_range")
            return None
        return time_ms

    def _reject(self, field: str, reason: str) -> None:
        self.rejected.append(Rejected(field, reason))
