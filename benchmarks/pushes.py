"""The slowest webhooks while alerts are pushed: ``python -m benchmarks.pushes``.

Two exporters take turns, one of which pushes. A server on their core that answers 200 plays Alertmanager's part.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks import bodies, servers
from benchmarks.alone import alone
from benchmarks.bodies import Template
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, Load, connect, request
from benchmarks.servers import SECRET
from benchmarks.throughput import PATH

SHARES: Final[Mapping[str, int]] = {"one event of 50 a hang": 50, "every event a hang": 1}


async def measure(
    folder: Path, events: int = 4000, rounds: int = 15, shares: Mapping[str, int] = SHARES
) -> list[Figure]:
    """The 99th percentile of webhook latency with pushes and without, in turn."""
    found = []
    hangs, talks = cycle([call[-1] for call in bodies.hangs()]), cycle(list(bodies.updates(5)))
    with servers.module("bare") as receiver:
        pushing = f"alertmanager: {{urls: ['http://127.0.0.1:{receiver.port}']}}\n"
        for name, of in shares.items():
            place, requests = folder / str(of), _requests(of, hangs, talks)
            with servers.exporter(place / "on", config=pushing) as on, servers.exporter(place / "off") as off:
                loads = [await connect(server.port) for server in (on, off)]
                turns = [[await _latencies(load, requests, events) for load in loads] for _ in range(rounds + 1)]
                for load in loads:
                    load.close()
            # The first turn warms up.
            found += [_figure(name, percent, turns[1:]) for percent in (50, 99)]
    return found


async def _latencies(load: Load, requests: Iterator[bytes], events: int) -> list[float]:
    queues = [list(islice(requests, events // CONNECTIONS)) for _ in range(CONNECTIONS)]
    return (await load.run(queues)).latencies


def _requests(of: int, hangs: Iterator[Template], talks: Iterator[list[Template]]) -> Iterator[bytes]:
    """Updates of calls, and one hang of a call of its own in so many events."""
    while True:
        yield request(PATH, next(hangs).of(bodies.new_call()), SECRET)
        left = of - 1
        while left:
            call = bodies.new_call()
            for update in next(talks)[:left]:
                yield request(PATH, update.of(call), SECRET)
                left -= 1


def _figure(name: str, percent: int, turns: list[list[list[float]]]) -> Figure:
    both = [[quantiles(latencies, n=100)[percent - 1] * 1e3 for latencies in pair] for pair in turns]
    pushed, quiet = (sorted(each) for each in zip(*both, strict=True))
    beside = f"{median(pushed):.2f} ms ({pushed[0]:.2f} to {pushed[-1]:.2f}) against {median(quiet):.2f} ms"
    beside += f" ({quiet[0]:.2f} to {quiet[-1]:.2f})"
    ratio = median(pushed / quiet for pushed, quiet in both)
    return Figure(f"webhook p{percent}, {name}: alerts pushed / not", ratio, "x", beside=beside)


def main() -> None:
    """Measure and print."""
    alone(measure)


if __name__ == "__main__":
    main()
