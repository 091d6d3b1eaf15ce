"""What a process shows, and how it ends."""

import re

import aiohttp

from tests.conftest import Running


async def metrics(url: str) -> str:
    """A scrape."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


def value(text: str, name: str) -> float:
    """The value of the only sample of that name."""
    return float(re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)[0])


def ends(running: Running) -> tuple[int, list[str]]:
    """Exit code and lines of a process that ends by itself, without the log's."""
    return running.wait(), [line for line in running.log.splitlines() if not line.startswith("time=")]
