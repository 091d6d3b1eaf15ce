"""Events a second, ours beside the yardsticks: short slices in turn, so that a busy machine slows all alike."""

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct

from benchmarks import bodies, peers, servers
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, Load, connect, request
from benchmarks.servers import SECRET, Server

PATH: Final = "/webhook/interactly"


class Slice(Struct, frozen=True):
    """One server's turn: seconds by the clock and of the processor, for each request."""

    wall: float
    cpu: float


class Case(Struct, frozen=True):
    """Events that are sent.

    Attributes:
        name: what they are.
        calls: bodies by call; what comes before those measured, then those.
        requests: how many are measured in a slice.
        before: how many bodies of each call are sent before the clock starts.
    """

    name: str
    calls: list[list[bodies.Template]]
    requests: int
    before: int = 1

    def queues(self, secret: str) -> tuple[list[list[bytes]], list[list[bytes]]]:
        """For each connection, the requests before and those measured, of calls that nobody saw yet."""
        size = len(self.calls[0]) - self.before
        each = max(1, self.requests // (size * CONNECTIONS))
        templates = cycle(self.calls)
        earlier: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
        measured: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
        for _ in range(each):
            for place in range(CONNECTIONS):
                call = bodies.new_call()
                sent = [request(PATH, template.of(call), secret) for template in next(templates)]
                earlier[place] += sent[: self.before]
                measured[place] += sent[self.before :]
        return earlier, measured


def cases(scale: float = 1.0) -> Iterator[Case]:
    """A hang, conversation updates of 5, 100 and 200 messages, and whole calls of 200 messages."""
    yield Case("hang", bodies.hangs(), int(2000 * scale))
    for messages, requests in ((5, 2000), (100, 640), (200, 480)):
        yield Case(f"update of {messages}", list(bodies.updates(messages)), int(requests * scale))
    messages = int(200 * min(1.0, scale))
    yield Case(f"whole call of {messages}", [bodies.growing(messages)], 1, before=0)


class Contest:
    """Ours and the yardsticks, running side by side on one core.

    Args:
        targets: the servers by name, ours among them.
        loads: connections to each.
    """

    def __init__(self, targets: Mapping[str, Server], loads: Mapping[str, Load]) -> None:
        self._targets = targets
        self._loads = loads

    async def compare(self, case: Case, rounds: int) -> dict[str, list[Slice]]:
        """Slices of each server by name, in turn."""
        found: dict[str, list[Slice]] = {name: [] for name in self._targets}
        for turn in range(rounds + 1):
            for name, slices in found.items():
                taken = await self._slice(case, name)
                # The first turn warms up.
                if turn:
                    slices.append(taken)
        return found

    async def warm_up(self, case: Case, turns: int) -> None:
        """Let ours get into its stride: a journal that was folded, a log that no longer grows."""
        for _ in range(turns):
            await self._slice(case, "ours")

    async def _slice(self, case: Case, name: str) -> Slice:
        earlier, measured = case.queues(SECRET)
        await self._loads[name].run(earlier)
        before = self._targets[name].cpu_seconds()
        run = await self._loads[name].run(measured)
        count = len(run.latencies)
        return Slice(run.seconds / count, (self._targets[name].cpu_seconds() - before) / count)


@asynccontextmanager
async def contest(folder: Path, *yardsticks: str) -> AsyncIterator[Contest]:
    """Start ours and the yardsticks."""
    with ExitStack() as stack:
        targets = {"ours": stack.enter_context(servers.exporter(folder))}
        targets |= {name: stack.enter_context(servers.module(name)) for name in yardsticks}
        if shutil.which("telegraf"):
            targets["telegraf"] = stack.enter_context(peers.telegraf(folder / "telegraf"))
        loads = {name: await connect(server.port) for name, server in targets.items()}
        yield Contest(targets, loads)
        for load in loads.values():
            load.close()


async def measure(folder: Path, rounds: int = 15, scale: float = 1.0, warm_up: int = 6) -> list[Figure]:
    """Ours against a bare handler, and against the documented approach."""
    found = []
    hang, *updates, whole = cases(scale)
    async with contest(folder, "bare", "documented") as running:
        await running.warm_up(hang, warm_up)
        for case in (hang, *updates):
            slices = await running.compare(case, rounds)
            found += [_figure(case, slices, "bare", _BARE.get(case.name), clock) for clock in ("wall", "cpu")]
            found.append(_figure(case, slices, "documented", _DOCUMENTED.get(case.name), "wall"))
            if "telegraf" in slices:
                found.append(_figure(case, slices, "telegraf", _TELEGRAF.get(case.name), "cpu"))
        slices = await running.compare(whole, max(1, rounds // 5))
        found.append(_figure(whole, slices, "documented", 5, "wall"))
    return found


_BARE: Final = {"hang": 0.45, "update of 5": 0.4, "update of 100": 0.4, "update of 200": 0.4}
_DOCUMENTED: Final = {"hang": 1.0, "update of 5": 1.3, "update of 100": 7.0, "update of 200": 10.0}
_TELEGRAF: Final = {"update of 100": 1.0, "update of 200": 1.0}
_NAMES: Final = {
    "bare": "a bare aiohttp handler",
    "documented": "the documented approach",
    "telegraf": "Telegraf, three fields",
}
_CLOCKS: Final = {"wall": "events/s", "cpu": "processor time"}


def _figure(case: Case, slices: dict[str, list[Slice]], other: str, reach: float | None, clock: str) -> Figure:
    """How many times as fast as the other ours is: the median of the turns."""
    pairs = zip(slices["ours"], slices[other], strict=True)
    ratio = median(getattr(theirs, clock) / getattr(ours, clock) for ours, theirs in pairs)
    ours, theirs = (median(getattr(each, clock) for each in slices[name]) for name in ("ours", other))
    beside = (
        f"{1 / ours:.0f}/s, {1 / theirs:.0f}/s" if clock == "wall" else f"{ours * 1e6:.0f} µs, {theirs * 1e6:.0f} µs"
    )
    size = len(case.calls[0][-1].of(bodies.new_call()))
    name = f"{case.name} ({size / 1000:.3g} kB) / {_NAMES[other]}, {_CLOCKS[clock]}"
    return Figure(name, ratio, "x", reach, "at least", beside)
