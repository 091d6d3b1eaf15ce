"""``voice-exporter migrate``."""

import argparse
import asyncio
import sys
from pathlib import Path

from exporter.commands import FAILURE, MISUSE
from exporter.commands.storage_url import URL_VARIABLE, given_url, storage_url
from exporter.errors import CommandError, MissingDriverError, StorageError
from exporter.recording.migration import everything
from exporter.service import storage
from exporter.store.base import Store
from exporter.store.sqlite import SqliteStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    flag = parser.add_argument
    flag("--storage.path", dest="storage", metavar="DIR", type=Path, required=True, help="directory of the database")
    flag(
        "--storage.url",
        dest="storage_url",
        metavar="URL",
        type=storage_url,
        help=f"PostgreSQL database to fill, postgresql://…; default: {URL_VARIABLE}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Move everything, and say how much that was.

    Raises:
        CommandError: it can't be moved; the target is then as it was.
    """
    url = given_url(arguments.storage_url)
    if url is None:
        raise CommandError(MISUSE, "--storage.url is missing: say which database to fill")
    if not (arguments.storage / "voice-exporter.db").is_file():
        raise CommandError(MISUSE, f"--storage.path={arguments.storage}: there is no voice-exporter.db")
    try:
        series, calls = asyncio.run(_move(SqliteStore(arguments.storage), storage.shared(url)))
    except MissingDriverError as error:
        raise CommandError(MISUSE, error) from None
    except StorageError as error:
        raise CommandError(FAILURE, error) from None
    sys.stdout.write(f"{series} series and {calls} calls moved\n")
    return 0


async def _move(source: Store, target: Store) -> tuple[int, int]:
    try:
        now = target.load().now
        batch = await asyncio.to_thread(everything, source, now or 0.0)
        if source.quarantined:
            raise StorageError(f"the database was damaged and is quarantined as {source.quarantined}")
        await target.borrow(())
        await target.claim()
        await target.commit(batch)
    finally:
        await target.close()
        await source.close()
    return len(batch.series), len(batch.rows)
