"""Where what is recorded is kept: in a directory, in a database that others use as well, or in memory."""

from pathlib import Path

from exporter.errors import MissingDriverError
from exporter.store.base import Store
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore


def opened(directory: Path | None, url: str | None) -> tuple[str, Store]:
    """The store, and where it is in words: never its URL, which may hold a password.

    Raises:
        MissingDriverError: the database's driver is not installed.
    """
    if url:
        return "PostgreSQL", shared(url)
    if directory:
        return str(directory.absolute()), SqliteStore(directory)
    return "memory", MemoryStore()


def shared(url: str) -> Store:
    """The store in a database.

    Raises:
        MissingDriverError: its driver is not installed.
    """
    try:
        from exporter.store.postgres import PostgresStore  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError:
        raise MissingDriverError(
            "--storage.url: the driver is missing: pip install 'voice-exporter[postgres]'"
        ) from None
    return PostgresStore(url)
