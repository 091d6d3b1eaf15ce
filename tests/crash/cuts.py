"""Cuts the power of an exporter under traffic at many moments and holds each disk against what it had promised.

The exporter notes the totals of its metrics with each commit that is kept, before anybody hears of it. Whatever the
disk holds after a cut must load, with the totals that were noted last or those of the commit that was under way.
"""

import asyncio
import json
import shutil
from collections import Counter
from pathlib import Path
from random import Random

from exporter.config import Config
from exporter.metrics.series import VOLATILE
from exporter.recording.recorder import Recorder
from exporter.store.sqlite import SqliteStore
from tests.crash.harness import Exporter, Ledger, deliver
from tests.support.power_cuts import NOTES, Cut, Tracer


async def run(folder: Path, count: int, seed: int) -> int:
    """Record one life of an exporter and cut it so many times; the number of its commits."""
    rng = Random(seed)
    data = folder / "data"
    tracer = Tracer(data, folder)
    exporter = Exporter(folder, "never", 1, tracer.environment)
    try:
        url = await asyncio.to_thread(exporter.ready)
        assert url
        ledger = Ledger(rng)
        await deliver(url, [ledger.call() for _ in range(10)], ledger)
        assert not ledger.unanswered()
        if rng.random() < 0.5:
            exporter.process.terminate()
            await asyncio.to_thread(exporter.process.wait)
    finally:
        exporter.kill()
    noted = [Counter[str]()] + [Counter(json.loads(line)) for line in (data / NOTES).read_bytes().splitlines()]
    for cut in tracer.trace().cuts(rng, count):
        await check(cut, noted, folder / "cut")
    return len(noted) - 1


async def check(cut: Cut, noted: list[Counter[str]], directory: Path) -> None:
    """The disk holds the commits that were promised, as a whole, and nothing but these and the next one."""
    promised = cut.notes.count(b"\n")
    found = await loaded(cut.restore(directory))
    assert found in noted[promised : promised + 2], (
        f"{cut.where}: {found} is neither of {noted[promised : promised + 2]}"
    )
    shutil.rmtree(directory)


async def loaded(directory: Path) -> Counter[str]:
    """The totals of all metrics as the next process has them."""
    store = SqliteStore(directory)
    recorder = Recorder(Config(), store)
    recorder.load()
    await store.close()
    totals = Counter[str]()
    for family in recorder.table.families():
        totals[family.metric.name] = sum(series.cells[0] for series in family.series if series.id != VOLATILE)
    return totals
