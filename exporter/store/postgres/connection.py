"""Connections to the database: how they are opened, and what their faults mean."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import asyncpg

from exporter.errors import StorageError, StoreConflict

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 3.0
"""The database has so long for each answer."""

_SETTINGS: Final = (
    "SET lock_timeout = '2s'",
    # A process that vanished with its machine must not hold its calls for as long as TCP hopes for it.
    "SET idle_in_transaction_session_timeout = '5s'",
)
_TOO_WEAK: Final = {"off", "local"}
"""Values of synchronous_commit with which a commit that was answered can be lost."""
_RETRIED: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)
_REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
)
"""Faults whose message an operator needs; it names a user, a database or a table."""


async def connect(url: str) -> Connection:
    """Open a connection; where the URL names several servers, to the one that takes writes.

    Raises:
        StorageError: that can't be done now.
    """
    chosen = "target_session_attrs" in url or "PGTARGETSESSIONATTRS" in os.environ
    with translated():
        connection: Connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            target_session_attrs=None if chosen else asyncpg.connect_utils.SessionAttribute.read_write,
            server_settings={"application_name": "voice-exporter"},
        )
        for setting in _SETTINGS:
            await connection.execute(setting)
        if await connection.fetchval("SHOW synchronous_commit") in _TOO_WEAK:
            await connection.execute("SET synchronous_commit = 'on'")
    return connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn faults of the database into errors of the store.

    Raises:
        StoreConflict: the same again may succeed.
        StorageError: any other fault.
    """
    try:
        yield
    except _RETRIED as error:
        raise StoreConflict(_described(error)) from error
    except asyncpg.PostgresError as error:
        raise StorageError(_described(error)) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncio.IncompleteReadError) as error:
        raise StorageError("the database can't be reached") from error


def _described(error: asyncpg.PostgresError) -> str:
    """The fault without values of a row, which the database may add to its message."""
    what = str(error) if isinstance(error, _REFUSED) else type(error).__name__.removesuffix("Error")
    return f"PostgreSQL: {what} ({error.sqlstate})"
