"""Measure everything, print one table, write it as JSON: ``python -m benchmarks [--output FILE] [--small]``."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks import (
    flat,
    history,
    memory,
    peers,
    pushes,
    replicas,
    scrape,
    sentiment,
    servers,
    starting,
    tail,
    throughput,
)
from benchmarks.figures import Figure, as_json, table
from tests.support.postgres import installed


def figures(folder: Path, *, small: bool) -> Iterator[Figure]:
    """Every figure; small only shows that all can be measured."""
    yield peers.fsync(folder)
    rounds, scale, warm_up = (1, 0.05, 1) if small else (15, 1.0, 6)
    yield from uvloop.run(throughput.measure(folder / "throughput", rounds, scale, warm_up))
    yield from uvloop.run(flat.measure(small=small))
    yield from history.measure(3 if small else 200)
    yield from scrape.measure(20, 1800, 1) if small else scrape.measure()
    hang, _, update, *_ = throughput.cases(scale)
    yield from uvloop.run(sentiment.measure(update, folder / "sentiment", 1 if small else 7))
    yield from uvloop.run(tail.measure(hang, folder / "tail", *((1, 0.1) if small else ())))
    share = {"one event of 50 a hang": 50}
    yield from uvloop.run(pushes.measure(folder / "pushes", *((160, 1, share) if small else ())))
    if installed("initdb"):
        yield from uvloop.run(replicas.measure(folder / "replicas", *((1, scale, 200) if small else ())))
    yield from uvloop.run(memory.of_process(folder / "memory", *((32, memory.PLATFORMS[1:]) if small else ())))
    yield from memory.of_series(50 if small else 5000)
    yield from starting.measure(folder / "start", *((1000, 1000) if small else (100_000, 50_000)))
    if shutil.which("prometheus-pushgateway"):
        yield uvloop.run(peers.pushgateway(160 if small else 4000))
    if shutil.which("mtail"):
        yield from peers.mtail(folder / "mtail", 100 if small else 20_000)


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure everything beside its yardsticks."
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the figures go as JSON")
    parser.add_argument("--small", action="store_true", help="show only that everything can be measured")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {servers.CLIENT_CORE})
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for figure in figures(Path(folder), small=arguments.small):
            found.append(figure)
            sys.stderr.write(f"{figure.name}: {figure.value:.3g} {figure.unit}\n")
    sys.stdout.write(table(found) + "\n")
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(as_json(found))


if __name__ == "__main__":
    main()
