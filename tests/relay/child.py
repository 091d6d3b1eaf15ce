"""A process of its own that uses a queue: ``python -m tests.relay.child DIRECTORY``.

It notes in the directory what was kept (``+NUMBER``) and what is about to be removed (``-NUMBER``).
"""

import asyncio
import sys
from pathlib import Path
from random import Random

from exporter.relay.options import RelayOptions
from exporter.relay.queue import RelayQueue
from exporter.relay.request import RelayRequest
from tests.support.power_cuts import NOTES


def numbered(number: int) -> RelayRequest:
    """A request with a body of its own, some of many parts."""
    return RelayRequest("vapi", "hang", "POST", "", "", (), Random(number).randbytes(200 if number % 3 else 150_000))


async def use(directory: Path) -> None:
    """Keep, claim and remove events, several at a time."""
    queue = RelayQueue(RelayOptions(directory))
    await queue.load()
    with (directory / NOTES).open("ab", buffering=0) as notes:

        async def put(number: int) -> None:
            await queue.put({"": numbered(number)})
            notes.write(b"+%d\n" % number)

        for first in range(0, 12, 4):
            await asyncio.gather(*map(put, range(first, first + 4)))
            for queued in (await queue.claim(1.0, lambda _: 3))[0]:
                notes.write(b"-%d\n" % (queued.id - 1))
                await queue.remove(queued)
    await queue.close()


if __name__ == "__main__":
    asyncio.run(use(Path(sys.argv[1])))
