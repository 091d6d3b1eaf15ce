"""The programs of the demo, as processes with a log each."""

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import aiohttp

_AWAY_SECONDS: Final = 5.0
"""So long a replica that was killed stays away."""


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def find(*names: str) -> str:
    """The path of a program that has one of these names.

    Raises:
        RuntimeError: there is none.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise RuntimeError(f"{names[0]} is missing: on Debian make installs it, elsewhere put it on the PATH")
    return found


async def run(name: str, command: Sequence[str], folder: Path) -> None:
    """Run a program until it or the demo ends.

    Raises:
        RuntimeError: it ended by itself.
    """
    code = await _ended(name, command, folder)
    raise RuntimeError(f"{name} ended with {code}:\n{_log(name, folder).read_text()[-2000:]}")


async def keep(name: str, command: Sequence[str], folder: Path) -> None:
    """Run a program until the demo ends, again whenever somebody killed it.

    Raises:
        RuntimeError: it ended by itself.
    """
    while True:
        code = await _ended(name, command, folder, says="{name} runs, for kill -9 {pid}")
        if code > 0:
            raise RuntimeError(f"{name} ended with {code}:\n{_log(name, folder).read_text()[-2000:]}")
        tell(f"{name} was killed: the others go on, and it comes back in a moment")
        await asyncio.sleep(_AWAY_SECONDS)


async def _ended(name: str, command: Sequence[str], folder: Path, says: str = "") -> int:
    with _log(name, folder).open("ab") as log:
        # In a session of its own: Ctrl-C is for the demo, which passes it on to one after the other.
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, start_new_session=True)
    if says:
        tell(says.format(name=name, pid=process.pid))
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


def _log(name: str, folder: Path) -> Path:
    return folder / f"{name}.log"


def first_line(name: str, folder: Path) -> str:
    """The first that a program wrote."""
    return _log(name, folder).read_text().partition("\n")[0]


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End programs, and wait until they have."""
    ending = [*tasks]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


async def answering(*urls: str) -> str:
    """The first of the pages that is there, once one is: Debian's Prometheus has only the old ones, on other paths."""
    async with aiohttp.ClientSession() as session:
        while True:
            for url in urls:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return url
            await asyncio.sleep(0.1)
