"""Limits of webhook requests: who comes in how often, how many at once, and how much memory their bodies take."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final, Self, TypeAlias

from exporter.errors import Refused

Stop: TypeAlias = Callable[[], None]
"""Ends the reading of a body as if it were late."""

MAX_HELD_BYTES: Final = 256 * 1024 * 1024
"""Body bytes of all requests in flight, so that many large bodies at once can't use up the memory."""


class TokenBucket:
    """Lets ``burst`` requests in at once, and another one each ``interval`` seconds; none at all with a burst of 0."""

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._tokens: float = burst
        self._last = -math.inf

    def take(self, now: float) -> bool:
        """Whether a request may come in now (seconds of a monotonic clock)."""
        self._tokens = min(self._burst, self._tokens + (now - self._last) / self._interval)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RateLimiter:
    """A token bucket for each source: ``per_second`` requests, and as many at once.

    Args:
        per_second: of each source.
        max_sources: sources whose rate is remembered; the one silent for longest goes first.
    """

    def __init__(self, per_second: float, max_sources: int = 10_000) -> None:
        self._rate = per_second
        self._max_sources = max_sources
        self._burst = max(1.0, per_second)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, source: str, now: float) -> bool:
        """Whether the source may come in now (seconds of a monotonic clock)."""
        tokens, last = self._buckets.pop(source, (self._burst, now))
        tokens = min(self._burst, tokens + (now - last) * self._rate)
        allowed = tokens >= 1
        self._buckets[source] = (tokens - allowed, now)
        if len(self._buckets) > self._max_sources:
            self._buckets.popitem(last=False)
        return allowed


def source(remote: str | None) -> str:
    """Who a rate is kept for: the address, or the /64 network that an IPv6 host has to itself."""
    if remote is None or ":" not in remote:
        return remote or ""
    address = ip_address(remote.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or ip_network((address, 64), strict=False))


class Entry:
    """One request that was let in, until the context ends that it is.

    Attributes:
        held: bytes of its body in memory.
        stop: what ends the reading of its body, while that arrives.
    """

    def __init__(self, gate: "Admission") -> None:
        self._gate = gate
        self.held = 0
        self.stop: Stop | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """The request is answered."""
        self._gate.leave(self)

    def hold(self, count: int) -> None:
        """Take ``count`` more bytes of the memory that all requests share, from a larger one if need be.

        Raises:
            Refused: this is the largest that is still arriving, and there is no memory left.
        """
        while self._gate.held + count > MAX_HELD_BYTES:
            self._gate.cut_largest(self)
        self._gate.held += count
        self.held += count

    def release(self) -> None:
        """Give its memory back."""
        self._gate.held -= self.held
        self.held = 0


class Admission:
    """Lets requests in: rate limit from one source where a rate is set, and so many answered at once.

    A request whose body is still arriving is none of those answered: slow clients must not keep others out.

    Attributes:
        held: body bytes of all requests in flight.
    """

    def __init__(self) -> None:
        self.held = 0
        self._entries: set[Entry] = set()
        self._max_in_flight = 0
        self._limiter: RateLimiter | None = None

    @property
    def idle(self) -> bool:
        """Whether no request takes a place or memory."""
        return not self._entries and not self.held

    def configure(self, max_in_flight: int, per_second: float | None) -> None:
        """Take new limits; requests in flight are not touched."""
        self._max_in_flight = max_in_flight
        self._limiter = RateLimiter(per_second) if per_second else None

    def enter(self, remote: str | None) -> Entry:
        """Let a request from ``remote`` in, until the context that this opens ends.

        Raises:
            Refused: there are too many, or too many of that source.
        """
        if self._limiter and not self._limiter.allows(source(remote), time.monotonic()):
            raise Refused(429, "limited", "too many requests from this address", retry_after=1)
        if len(self._entries) >= self._max_in_flight and self._answered() >= self._max_in_flight:
            raise Refused(429, "limited", "too many requests in flight", retry_after=1)
        entry = Entry(self)
        self._entries.add(entry)
        return entry

    def leave(self, entry: Entry) -> None:
        """A request is answered."""
        entry.release()
        self._entries.discard(entry)

    def cut_largest(self, asking: Entry) -> None:
        """End the request that holds most of the bodies still arriving.

        Raises:
            Refused: that is the one asking, or none is left.
        """
        arriving = [entry for entry in self._entries if entry.stop]
        largest = max(arriving, key=lambda entry: entry.held, default=asking)
        if largest is asking or largest.stop is None:
            raise Refused(429, "limited", "too many large requests in flight", retry_after=1)
        largest.release()
        stop, largest.stop = largest.stop, None
        stop()

    def _answered(self) -> int:
        return sum(entry.stop is None for entry in self._entries)
