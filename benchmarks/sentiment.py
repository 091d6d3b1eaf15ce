"""What sentiment costs a webhook: an exporter that judges user messages beside one that does not."""

from pathlib import Path
from statistics import median

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.load import connect
from benchmarks.throughput import Case, Contest, Slice


async def measure(case: Case, folder: Path, rounds: int = 7) -> list[Figure]:
    """Seconds by the clock and of the processor for each request, with sentiment and without, in turn."""
    on = servers.exporter(folder / "on", config="sentiment: {enabled: true}\n")
    with on as judging, servers.exporter(folder / "off") as plain:
        targets = {"ours": judging, "plain": plain}
        loads = {name: await connect(server.port) for name, server in targets.items()}
        slices = await Contest(targets, loads).compare(case, rounds)
        for load in loads.values():
            load.close()
    pairs = list(zip(slices["ours"], slices["plain"], strict=True))
    return [_figure(case.name, pairs, "wall"), _figure(case.name, pairs, "cpu")]


def _figure(case: str, pairs: list[tuple[Slice, Slice]], clock: str) -> Figure:
    spent = [(getattr(judging, clock), getattr(plain, clock)) for judging, plain in pairs]
    beside = " against ".join(f"{median(each[side] for each in spent) * 1e6:.0f} µs" for side in (0, 1))
    name = f"{case} with sentiment / without, {'time' if clock == 'wall' else 'processor time'}"
    return Figure(name, median(judging / plain for judging, plain in spent), "x", None, "at most", beside)
