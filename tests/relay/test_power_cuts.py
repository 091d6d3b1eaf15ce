"""A power cut at any moment: every event that was acknowledged and not delivered is in the queue, whole."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from exporter.relay.options import RelayOptions
from exporter.relay.queue import RelayQueue
from tests.relay.child import numbered
from tests.store.model import RAM
from tests.support.power_cuts import Cut, trace

CUTS = 80


@pytest.fixture
def work() -> Iterator[Path]:
    """Where files are written fast."""
    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        yield Path(directory)


def noted(cut: Cut, sign: str) -> set[int]:
    """Numbers that were noted with a sign."""
    return {int(line[1:]) for line in cut.notes.decode().split() if line.startswith(sign)}


async def check(cut: Cut, work: Path) -> None:
    """What was kept and not yet to be removed is there; nothing is there in part; and the queue goes on."""
    directory = cut.restore(work / "cut")
    queue = RelayQueue(RelayOptions(directory))
    await queue.load()
    claimed, _ = await queue.claim(1.0, lambda _: 99)
    found = {each.id - 1 for each in claimed}
    assert noted(cut, "+") - noted(cut, "-") <= found, cut.where
    assert all(each.request == numbered(each.id - 1) for each in claimed), cut.where
    await queue.put({"": numbered(99)})
    for each in claimed:
        await queue.remove(each)
    await queue.close()

    again = RelayQueue(RelayOptions(directory))
    await again.load()
    assert [each.request for each in (await again.claim(1.0, lambda _: 99))[0]] == [numbered(99)], cut.where
    await again.close()
    shutil.rmtree(directory)


async def test_what_was_acknowledged_survives(work: Path) -> None:
    """From the first event on, with bodies in one part and in several, kept and removed."""
    (work / "data").mkdir()
    traced = trace([sys.executable, "-m", "tests.relay.child", work / "data"], work / "data", work)
    for cut in traced.cuts(Random(1), CUTS):
        await check(cut, work)
