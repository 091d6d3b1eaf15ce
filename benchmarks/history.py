"""What a conversation costs that was seen before, beside the mere scan of the same body: processor time."""

import time
from collections.abc import Callable, Iterator
from statistics import median

from msgspec import Raw, Struct
from msgspec.json import Decoder

from benchmarks import bodies
from benchmarks.figures import Figure
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.interactly import INTERACTLY


class _Message(Struct):
    messages: Raw


class _Body(Struct):
    message: _Message


def measure(rounds: int = 200) -> Iterator[Figure]:
    """An update of 200 messages whose history is known, against msgspec's scan of it as Raw."""
    scan = Decoder(_Body).decode
    for messages in (100, 200):
        body = next(bodies.updates(messages, calls=1))[-1].of(bodies.new_call())
        cache = HistoryCache()
        cache.remember(INTERACTLY.parse(body, cache))
        pairs = [(_seconds(INTERACTLY.parse, body, cache), _seconds(scan, body)) for _ in range(rounds)]
        ours, scanned = (median(column) * 1e6 for column in zip(*pairs, strict=True))
        ratio = median(one / other for one, other in pairs)
        beside = f"{ours:.0f} µs, scan {scanned:.0f} µs, {len(body)} bytes"
        yield Figure(f"history seen before, {messages} messages / msgspec Raw scan", ratio, "x", 1.5, "at most", beside)


def _seconds(run: Callable[..., object], *arguments: object) -> float:
    started = time.thread_time()
    run(*arguments)
    return time.thread_time() - started
