"""Single values of a payload: numbers that can be, labels that may be shown."""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from exporter.events import OTHER, Direction, Nanounits, Rejected, Retryable, Severity, TotalCost
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
"""2000-01-01; an earlier time of an event is a mistake."""
_LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01; a number up to as many seconds is a time in seconds, being none in milliseconds."""
_MAX_TIME: Final = 10**18
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_TIME: Final = 40
_UTC: Final = re.compile(r"\s*(?:z|utc|gmt)$", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
_NUMBER: Final = re.compile(r"\s*[+-]?\d{1,30}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?\s*", re.IGNORECASE | re.ASCII)
MAX_COUNT: Final = 100_000
MAX_DOLLARS: Final = 10_000 * NANO
_ROUNDING: Final = DOLLARS // 2000
"""Half a tenth of a cent: a call's costs have some ten parts, given to a hundredth of a cent."""
CRITICAL_CODES: Final = frozenset({"authentication_failed", "quota_exceeded", "service_unavailable"})
"""Error codes that page."""
_LABEL_LENGTH: Final = 64
_LABEL = re.compile(r"[A-Za-z0-9._:/-]+")

_LARGEST_NUMBER: Final = 10**_LABEL_LENGTH
_TRUTHS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}

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
    name = identifier(value)
    return name if not name or (len(name) <= _LABEL_LENGTH and _is_label(name)) else OTHER


@lru_cache(1024)
def _is_label(value: str) -> bool:
    return _LABEL.fullmatch(value) is not None


def provider(value: object) -> str:
    """A provider in its one spelling."""
    name = label(value).lower()
    return _PROVIDERS.get(name, name)


def name(value: object) -> str:
    """What an assistant is called, as far as a label takes it."""
    return text(value)[:_LABEL_LENGTH]


def direction(value: object) -> Direction:
    """Who called whom, in the words that all platforms have for it."""
    return "inbound" if value == "inbound" else "outbound" if value == "outbound" else "unknown"


def severity(code: str, retryable: Retryable) -> Severity:
    """How bad an error is, as Interactly documents it (error page, determine_severity)."""
    if code in CRITICAL_CODES:
        return "critical"
    return "high" if retryable == "false" else "medium"


def text(value: object) -> str:
    """A string, empty where there is none; for comparison with constants and for identities only."""
    return value if isinstance(value, str) else ""


def identifier(value: object) -> str:
    """A name or a number that something is known by, empty where there is none."""
    if type(value) is int:
        return str(value) if abs(value) < _LARGEST_NUMBER else ""
    return value if isinstance(value, str) else ""


def truth(value: object) -> bool | None:
    """Yes or no, as a truth value or in words; None where it is neither."""
    if isinstance(value, bool):
        return value
    return _TRUTHS.get(value.lower()) if isinstance(value, str) else None


class Values:
    """Takes scalars out of a payload: times, amounts, counts; what cannot be is left out and listed in ``rejected``.

    Every field is read by one of these readers, so that a notation is understood everywhere or nowhere. A number may
    be written as a string; a time may be milliseconds or seconds since the epoch, or ISO 8601.
    """

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

    def measured(self, value: object, field: str, unit: Nanounits = MS, maximum: Nanounits = _HOUR) -> Nanounits | None:
        """As `amount`, of what takes place of itself: 0 says that nothing was measured, yet or at all."""
        return self.amount(value, field, unit, maximum) or None

    def ratio(self, value: object, field: str) -> Nanounits | None:
        """A ratio in Nanounits, 0 to 1."""
        return self.amount(value, field, RATIO, RATIO)

    def signed(self, value: object, field: str, unit: Nanounits = MS, maximum: Nanounits = _HOUR) -> Nanounits | None:
        """As `amount`, where negative values have a meaning."""
        number = self._number(value, field)
        if number is None:
            return None
        if abs(number) > maximum / unit:
            self._reject(field, "too_large")
            return None
        return round(number * unit)

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
        moment = self.moment(value, field)
        return None if moment is None else round(moment / MS)

    def moment(self, value: object, field: str) -> Nanounits | None:
        """A time in Nanounits of seconds since the epoch, so that differences are exact."""
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            moment = iso_8601(value)
            if moment is None:
                self._reject(field, "type")
                return None
        else:
            number = self._number(value, field)
            if number is None:
                return None
            if abs(number) > _MAX_TIME:
                self._reject(field, "too_large")
                return None
            moment = round(number * (SECONDS if abs(number) <= _LATEST_MS // 1000 else MS))
        if not _EARLIEST_MS * MS <= moment <= _LATEST_MS * MS:
            self._reject(field, "out_of_range")
            return None
        return moment

    def between(self, start: object, end: object, field: str) -> Nanounits | None:
        """How long it is from one time to another; None where one is missing or nothing lies between them."""
        began, ended = self.moment(start, field), self.moment(end, field)
        return None if began is None or ended is None else self.measured(ended - began, field, 1, WEEK)

    def _number(self, value: object, field: str) -> int | float | None:
        """A number, or one that is written as a string."""
        if value is None:
            return None
        number = _parsed(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            self._reject(field, "type")
            return None
        if isinstance(number, float) and not math.isfinite(number):
            self._reject(field, "not_finite")
            return None
        return number

    def _reject(self, field: str, reason: str) -> None:
        self.rejected.append(Rejected(field, reason))


def total_cost(total: Nanounits | None, parts: Nanounits) -> Iterator[TotalCost]:
    """A call's total beside the sum of its named parts, whose rounding is no cost."""
    if total is not None:
        yield TotalCost(total, unnamed=total - parts > _ROUNDING)


def _parsed(value: str) -> int | float | None:
    if not _NUMBER.fullmatch(value):
        return None
    return int(value) if value.strip().lstrip("+-").isdigit() else float(value)


def iso_8601(value: str) -> Nanounits | None:
    """A point in time as ISO 8601, RFC 3339 and common variants of them write it; UTC where no zone is named."""
    if len(value) > _LONGEST_TIME:
        return None
    try:
        moment = datetime.fromisoformat(_ZONE.sub("", _UTC.sub("+00:00", value.strip())))
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since // _MICROSECOND) * (NANO // 1_000_000)
