"""Open connections: a limit on how many there are that untrusted clients can't use up."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

from exporter.http.connection import Connection, MakeConnection, Phase

SENDING_SECONDS: Final = 2.0
"""Time that a scrape gets to be read at a stop."""


class _Turned(asyncio.Protocol):
    """A connection that is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class ConnectionLimit:
    """Keeps the number of connections under a limit, whoever opens them.

    At the limit, the connection that is longest in the lowest phase is evicted. A new one is closed only when all
    others wait for our answer.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._servers: list[web.Server] = []
        self._counted = self._uncounted = 0

    def factory(self, server: web.Server, make: MakeConnection = Connection) -> Callable[[], asyncio.BaseProtocol]:
        """Makes the protocol of each accepted connection of ``server``."""
        self._servers.append(server)
        return lambda: make(server) if self._make_room() else _Turned()

    def connections(self) -> list[Connection]:
        """Those that are open."""
        return [
            connection
            for server in self._servers
            for connection in server.connections
            if isinstance(connection, Connection) and connection.transport is not None
        ]

    async def drain(self, seconds: float) -> None:
        """Close what is idle, and the rest as it becomes idle, for at most so many seconds."""
        end = time.monotonic() + seconds
        while (connections := self.connections()) and time.monotonic() < end:
            # Requests that came in just now begin.
            await asyncio.sleep(0.01)
            late = time.monotonic() - SENDING_SECONDS
            for connection in connections:
                if connection.phase < Phase.SENDING:
                    connection.force_close()
                elif connection.phase is Phase.SENDING and connection.since < late:
                    connection.evict()

    def _make_room(self) -> bool:
        # Counted again only when the limit may be reached: counting takes as long as there are connections.
        self._uncounted += 1
        if self._counted + self._uncounted <= self.limit:
            return True
        connections = self.connections()
        self._counted, self._uncounted = len(connections), 1
        if len(connections) < self.limit:
            return True
        spare = min(connections, key=lambda connection: (connection.phase, connection.since))
        if spare.phase is Phase.ANSWERING:
            return False
        spare.evict()
        return True
