"""Traffic: calls that arrive at random and overlap, as deliveries in the order in which they are sent."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import count, islice
from math import cos, pi
from random import Random
from typing import Final

from msgspec.json import Encoder

from exporter.simulate import elevenlabs, interactly, own, retell, vapi
from exporter.simulate.calls import Traffic, draw
from exporter.simulate.model import Body, Call, Delivery, PlatformName
from exporter.simulate.scenarios import SCENARIOS, Scenario

MONDAY: Final = 1_767_603_600_000
"""Monday, 5 January 2026, 09:00 UTC, in Unix milliseconds: where recorded traffic starts unless told otherwise."""

_HOUR_MS: Final = 3_600_000
encode = Encoder().encode
_WRITERS: Final[Mapping[PlatformName, Callable[[Call, Random], list[tuple[int, Body]]]]] = {
    "interactly": interactly.events,
    "vapi": vapi.events,
    "retell": retell.events,
    "elevenlabs": elevenlabs.events,
    "events": own.events,
}


def generate_call(
    rng: Random, start_ms: int, scenario: Scenario, elapsed_ms: int = 0, traffic: Traffic | None = None
) -> list[Delivery]:
    """All events of one call, in the order in which they are sent.

    Args:
        rng: decides everything; the same state gives the same call.
        start_ms: when the call is created, Unix milliseconds.
        scenario: what may go wrong.
        elapsed_ms: how long before that the traffic began; some scenarios change with it.
        traffic: what else is asked of the call.
    """
    call = draw(rng, scenario, start_ms, elapsed_ms, traffic or Traffic())
    sent, made = 0, []
    for at, body in _WRITERS[call.assistant.platform](call, rng):
        sent = max(sent, at + rng.randint(5, 60))
        made.append(Delivery(call.assistant.platform, sent, body, call.id))
    return made


def arrivals(rng: Random, start_ms: int, calls_per_minute: float) -> Iterator[int]:
    """When calls are created, Unix milliseconds, for ever; the first at once.

    A Poisson process whose rate is `calls_per_minute` at the start and then follows the time of day (UTC): three times
    as much at two in the afternoon as at two in the morning.
    """
    at = float(start_ms)
    rate = calls_per_minute / 60_000 / _load(at)
    while True:
        yield int(at)
        at += rng.expovariate(rate * _load(at))


def arriving(
    seed: int, start_ms: int, scenario: Scenario, traffic: Traffic | None = None
) -> Iterator[tuple[int, list[Delivery]]]:
    """Calls and when each is created, for ever or until the deadline."""
    rng = Random(seed)  # noqa: S311 -- invented calls, nothing secret
    traffic = traffic or Traffic()
    for at in arrivals(rng, start_ms, traffic.calls_per_minute):
        if traffic.deadline_ms is not None and at >= traffic.deadline_ms:
            return
        own = Random(rng.getrandbits(64))  # noqa: S311 -- as above
        yield at, generate_call(own, at, scenario, at - start_ms, traffic)


def interleaved(created: Iterable[tuple[int, list[Delivery]]]) -> Iterator[Delivery]:
    """Deliveries of overlapping calls in the order in which they are sent; calls come in order of their creation."""
    pending: list[tuple[int, int, Delivery]] = []
    order = count()
    for at, call in created:
        while pending and pending[0][0] <= at:
            yield heappop(pending)[2]
        for delivery in call:
            heappush(pending, (delivery.at_ms, next(order), delivery))
    while pending:
        yield heappop(pending)[2]


def bodies(
    seed: int, calls: int, scenario: str = "normal", *, start_ms: int = MONDAY, traffic: Traffic | None = None
) -> Iterator[tuple[PlatformName, bytes]]:
    """Webhook bodies of so many overlapping calls, as fast as they can be made: for tests and benchmarks."""
    created = islice(arriving(seed, start_ms, SCENARIOS[scenario], traffic), calls)
    for delivery in interleaved(created):
        yield delivery.platform, encode(delivery.body)


def _load(at_ms: float) -> float:
    """How busy that time of day is, 0.5 at 02:00 to 1.5 at 14:00 UTC."""
    return 1 + 0.5 * cos(2 * pi * (at_ms / _HOUR_MS - 14) / 24)
