"""Durations as Prometheus writes them (https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations)."""

import math
import re
from typing import Final

_MS: Final = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds of each unit, in the order that they are written in."""

_LONGEST: Final = (2**63 - 1) // 1_000_000
"""Milliseconds; Prometheus keeps a duration as nanoseconds in 63 bits."""

_DURATION: Final = re.compile("".join(rf"(?:([0-9]{{1,20}}){unit})?" for unit in _MS))


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``250ms``, ``1h30m`` or ``30d``; a day has 24 hours, a year 365 days.

    Raises:
        ValueError: it is not a duration, or one of more than 292 years.
    """
    match = _DURATION.fullmatch(text)
    if text != "0" and (not text or not match):
        raise ValueError(f"{text[:40]!r} is not a duration: write whole numbers with units, such as 10s, 5m or 1h30m")
    amounts = match.groups("0") if match else ()
    total = sum(int(amount) * ms for amount, ms in zip(amounts, _MS.values(), strict=False))
    if total > _LONGEST:
        raise ValueError(f"{text[:40]!r} is longer than 292 years")
    return total / 1000


def format_duration(seconds: float) -> str:
    """The shortest way to write it, rounded to milliseconds; years and weeks only where they are whole.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds!r} seconds are no duration")
    left = round(seconds * 1000)
    written = ""
    for unit, ms in _MS.items():
        if left >= ms and not (unit in {"y", "w"} and left % ms):
            amount, left = divmod(left, ms)
            written += f"{amount}{unit}"
    return written or "0s"
