"""Running listeners: an application on a socket, with limits on its connections, that stops gracefully."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from exporter.http import addresses
from exporter.http.connection import CONNECTION, Connection
from exporter.http.connection_limit import ConnectionLimit
from exporter.logs import log

HANDSHAKE_SECONDS: Final = 10.0
"""Time for a TLS handshake."""
STOP_SECONDS: Final = 20.0
"""Time that requests in flight get to finish at a stop; longer than a body or a relay's answer may take by default."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that is served."""

    server: asyncio.Server
    runner: web.AppRunner


async def start(
    app: web.Application, sock: socket.socket, connections: ConnectionLimit, tls: ssl.SSLContext | None = None
) -> Listener:
    """Serve the application on the socket."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - setup made it; its type does not say so
    # Client certificates are a middleware's to judge.
    make = app.get(CONNECTION, Connection) if tls is None else Connection
    server = await asyncio.get_running_loop().create_server(
        connections.factory(runner.server, make),
        sock=sock,
        backlog=addresses.BACKLOG,
        ssl=tls,
        ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
    )
    log(_log, logging.INFO, "listening", address=addresses.name(sock), tls=tls is not None)
    return Listener(server, runner)


async def stop(listeners: Iterable[Listener], connections: ConnectionLimit, seconds: float = STOP_SECONDS) -> None:
    """Accept no more, then wait so long for the requests in flight."""
    listeners = list(listeners)
    for listener in listeners:
        listener.server.close()
    # By itself aiohttp would deafen every connection now, also those whose body is half there.
    await connections.drain(seconds)
    await asyncio.gather(*(listener.runner.cleanup() for listener in listeners))
