"""Replicas on PostgreSQL, beside SQLite and beside each other: ``python -m benchmarks.replicas``.

The exporters are on one core as everywhere here. The database has both, and shares one with the load. It is as it
comes, with a sync before each answer, on the same disk as SQLite.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Final, Literal

from msgspec import Struct

from benchmarks import bodies, servers, starting
from benchmarks.alone import alone
from benchmarks.figures import Figure
from benchmarks.load import Load, connect, request
from benchmarks.servers import SECRET, Server
from benchmarks.throughput import PATH, Case, cases
from tests.support.postgres import Postgres

_FEW: Final = 16
"""Events between two scrapes."""
_LIMITS: Final = "labels: {max_values: {assistant_id: 1000000}, max_series: 1000000}\n"


class Site(Struct):
    """Exporters that are one.

    Attributes:
        servers: each of them.
        load: connections to all of them.
        database: theirs, if it is a server.
    """

    servers: Sequence[Server]
    load: Load
    database: Postgres | None = None

    async def slice(self, case: Case) -> "Slice":
        """A turn: so many requests for each of the servers."""
        parts = [case.queues(SECRET) for _ in self.servers]
        earlier, measured = ([queue for part in parts for queue in part[which]] for which in (0, 1))
        await self.load.run(earlier)
        cpu, kept = self._cpu(), self._database_cpu()
        run = await self.load.run(measured)
        count = len(run.latencies)
        return Slice(run.seconds / count, (self._cpu() - cpu) / count, (self._database_cpu() - kept) / count)

    def _cpu(self) -> float:
        return sum(server.cpu_seconds() for server in self.servers)

    def _database_cpu(self) -> float:
        found = 0.0
        for pid in self.database.processes() if self.database else ():
            # One may just have ended.
            with suppress(FileNotFoundError):
                found += servers.cpu_seconds(pid)
        return found


class Slice(Struct, frozen=True):
    """Seconds for each event: by the clock, of the exporters' processors and of the database's."""

    wall: float
    cpu: float
    database: float


async def measure(folder: Path, rounds: int = 15, scale: float = 1.0, series: int = 20_000) -> list[Figure]:
    """Everything about replicas."""
    hang, update, *_ = cases(scale)
    with Postgres(parent=tempfile.gettempdir()) as database, ExitStack() as stack:
        sqlite = [stack.enter_context(servers.exporter(folder / "sqlite"))]
        one, three = (_replicas(stack, folder, database, count) for count in (1, 3))
        # Whoever connects and sends nothing is closed soon: all have to run first.
        sites = {
            "SQLite": await _site(stack, sqlite),
            "one": await _site(stack, one, database),
            "three": await _site(stack, three, database),
        }
        found = []
        for case in (hang, update):
            turns = [{name: await site.slice(case) for name, site in sites.items()} for _ in range(rounds + 1)]
            # The first turn warms up.
            found += _figures(case, turns[1:])
    with Postgres(parent=tempfile.gettempdir()) as database, ExitStack() as stack:
        found.append(await _scrapes(stack, folder / "scrapes", database, series, rounds))
    return found


def _replicas(stack: ExitStack, folder: Path, database: Postgres, count: int) -> list[Server]:
    url = database.database()
    places = (folder / f"{count}-{number}" for number in range(count))
    return [stack.enter_context(servers.exporter(place, database=url)) for place in places]


async def _site(stack: ExitStack, running: Sequence[Server], database: Postgres | None = None) -> Site:
    loads = [await connect(server.port) for server in running]
    [[template, *_], *_] = bodies.hangs()
    for load in loads:
        stack.callback(load.close)
        # A connection that sent something may stay idle for longer, which it is while the others have their turns.
        await load.run([[request(PATH, template.of(bodies.new_call()), SECRET)] for _ in load.clients])
    return Site(running, Load([client for load in loads for client in load.clients]), database)


def _figures(case: Case, turns: list[dict[str, Slice]]) -> list[Figure]:
    def ratio(name: str, other: str) -> float:
        return median(turn[other].wall / turn[name].wall for turn in turns)

    def each(name: str, of: Literal["wall", "cpu", "database"]) -> float:
        found: list[float] = [getattr(turn[name], of) for turn in turns]
        return median(found)

    def rates(name: str, other: str) -> str:
        cpu = f"processor time {each(name, 'cpu') * 1e6:.0f} µs, {each(other, 'cpu') * 1e6:.0f} µs"
        return f"{1 / each(name, 'wall'):.0f}/s, {1 / each(other, 'wall'):.0f}/s; {cpu}"

    used = each("three", "database") * 1e6
    return [
        Figure(
            f"{case.name}: a replica on PostgreSQL / SQLite, events/s",
            ratio("one", "SQLite"),
            "x",
            0.6,
            "at least",
            rates("one", "SQLite"),
        ),
        Figure(
            f"{case.name}: three replicas / one, events/s",
            ratio("three", "one"),
            "x",
            0.9,
            "at least",
            rates("three", "one"),
        ),
        Figure(
            f"{case.name}: processor time of PostgreSQL",
            each("one", "database") * 1e6,
            "µs",
            beside=f"with three replicas {used:.0f} µs",
        ),
    ]


async def _scrapes(stack: ExitStack, folder: Path, database: Postgres, series: int, rounds: int) -> Figure:
    """A scrape after a few events, of a replica and of an exporter with SQLite that have the same series."""
    await starting.fill(folder / "store", series, 0)
    url = database.database()
    migrate = ["-m", "exporter", "migrate", f"--storage.path={folder / 'store'}", f"--storage.url={url}"]
    await asyncio.to_thread(subprocess.run, [sys.executable, *migrate], check=True, capture_output=True)
    running = [
        stack.enter_context(servers.exporter(folder, config=_LIMITS)),
        stack.enter_context(servers.exporter(folder / "replica", config=_LIMITS, database=url)),
    ]
    loads = [await connect(server.port) for server in running]
    template = bodies.hangs()[0][-1]
    turns = []
    for _ in range(rounds + 1):
        taken = []
        for server, load in zip(running, loads, strict=True):
            await load.run([[request(PATH, template.of(bodies.new_call()), SECRET)] for _ in range(_FEW)])
            began, cpu = time.perf_counter(), server.cpu_seconds()
            server.get("/metrics")
            taken.append((time.perf_counter() - began, server.cpu_seconds() - cpu))
        turns.append(taken)
    for load in loads:
        load.close()
    (ours, ours_cpu), (theirs, theirs_cpu) = (
        tuple(median(turn[which][of] for turn in turns[1:]) for of in (0, 1)) for which in (1, 0)
    )
    beside = (
        f"{ours * 1e3:.0f} ms, {theirs * 1e3:.0f} ms; processor time {ours_cpu * 1e3:.0f}, {theirs_cpu * 1e3:.0f} ms"
    )
    ratio = median(turn[1][0] / turn[0][0] for turn in turns[1:])
    return Figure(f"scrape of {series} series, {_FEW} events: a replica / SQLite", ratio, "x", 2, "at most", beside)


def main() -> None:
    """Measure and print."""
    alone(measure)


if __name__ == "__main__":
    main()
