"""A TCP proxy before PostgreSQL that cuts connections at named points of a commit."""

import asyncio
from contextlib import suppress
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

Point: TypeAlias = Literal["before COMMIT", "after COMMIT", "hold the answer"]

_COMMIT = b"COMMIT\x00"


class Cutter:
    """Listens on the loopback address and passes on what it gets.

    Args:
        url: of the database behind it.

    Attributes:
        url: of the database by way of the proxy.
        cuts: how many connections it has cut.
        unreachable: it cuts every new connection at once.
        held: an answer to a COMMIT waits for `resume`.
    """

    def __init__(self, url: str) -> None:
        self._target = url
        self._armed: list[Point] = []
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._holding = False
        self.cuts = 0
        self.unreachable = False
        self.held = asyncio.Event()
        self.resume = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._target)
        self.url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        while self._tasks:
            # One may wait for a server that is gone, or for `resume`.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def arm(self, *points: Point) -> None:
        """Cut the connections of the next commits there, one after another."""
        self._armed += points

    def cut(self) -> None:
        """Cut every connection now."""
        for writer in self._connections:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.unreachable:
            writer.transport.abort()
            return
        target = urlsplit(self._target)
        with suppress(OSError, asyncio.CancelledError):
            server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
            pair = {writer, server_writer}
            self._connections |= pair
            cutting = asyncio.Event()
            await asyncio.gather(
                self._requests(reader, server_writer, pair, cutting),
                self._answers(server_reader, writer, pair, cutting),
            )
        writer.transport.abort()

    async def _requests(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        pair: set[asyncio.StreamWriter],
        cutting: asyncio.Event,
    ) -> None:
        with suppress(OSError):
            while data := await client.read(65536):
                point = self._armed.pop(0) if self._armed and _COMMIT in data else None
                if point == "before COMMIT":
                    self.cuts += 1
                    break
                if point == "after COMMIT":
                    cutting.set()
                if point == "hold the answer":
                    self._holding = True
                server.write(data)
                await server.drain()
        if not cutting.is_set():
            self._end(pair)

    async def _answers(
        self,
        server: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        pair: set[asyncio.StreamWriter],
        cutting: asyncio.Event,
    ) -> None:
        with suppress(OSError):
            while data := await server.read(65536):
                if cutting.is_set():
                    self.cuts += 1
                    break
                if self._holding:
                    self._holding = False
                    self.held.set()
                    await self.resume.wait()
                client.write(data)
                await client.drain()
        self._end(pair)

    def _end(self, pair: set[asyncio.StreamWriter]) -> None:
        self._connections -= pair
        for writer in pair:
            writer.transport.abort()
