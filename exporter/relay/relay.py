"""What is done with each request: forward first or keep first, whose answer the platform gets, who gets a copy."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web
from msgspec.structs import replace

from exporter.config.settings import PlatformConfig
from exporter.errors import Refused, RelayError, StorageError
from exporter.events import Event, ToolsAnswered
from exporter.logs import cause, log
from exporter.metrics.metric import NANO
from exporter.recording.batch import awaited
from exporter.recording.ingest import Ingest
from exporter.relay import headers
from exporter.relay.client import Client
from exporter.relay.mirror import Mirror
from exporter.relay.options import RelayOptions
from exporter.relay.queue import RelayQueue
from exporter.relay.request import RelayRequest
from exporter.relay.response import Exchange, pass_back
from exporter.relay.retry_worker import Endpoint, RetryWorker
from exporter.relay.routes import Arrival, Route
from exporter.relay.schedule import Destination

_log = logging.getLogger(__name__)


class Relay:
    """Stands between the webhooks and the applications.

    Args:
        ingest: counts the events.
        options: what is not in the configuration.
    """

    def __init__(self, ingest: Ingest, options: RelayOptions) -> None:
        self._ingest = ingest
        self._options = options
        self._client = Client(ingest.metrics)
        self._mirror = Mirror(self._client, options)
        self._queue = RelayQueue(options)
        self._retry_worker = RetryWorker(self._queue, self._client, ingest.metrics, self._find, options)
        self._counting: set[asyncio.Task[bool]] = set()
        self._routes: dict[str, Route] = {}

    def prepare(self, platforms: Mapping[str, PlatformConfig]) -> Callable[[], None]:
        """Build the routes of a new configuration; the result takes them. Requests in flight keep the old ones."""
        routes = {name: Route(name, platform, platform.relay) for name, platform in platforms.items() if platform.relay}

        def take() -> None:
            self._routes = routes
            for name, route in routes.items():
                self._ingest.metrics.begin_relay(name)
                if route.settings.ack == "exporter":
                    self._ingest.metrics.relay_waiting(name, self._queue.waiting.get(name, 0))

        return take

    async def start(self) -> None:
        """Go on with what an earlier process left to do."""
        try:
            left = await self._queue.load()
        except StorageError as error:
            log(_log, logging.ERROR, "the relay's queue can't be read", reason=str(error))
            left = True
        if left:
            self._retry_worker.wake()

    async def stop(self) -> None:
        """Finish what is in flight, for so long; what is in the queue stays there for the next start."""
        seconds = self._options.stop_seconds
        await asyncio.gather(self._retry_worker.stop(seconds), self._mirror.stop(seconds))
        if self._counting:
            await asyncio.wait(self._counting, timeout=seconds)
        await self._client.close()
        await self._queue.close()

    def route(self, platform: str) -> Route | None:
        """The way to the application behind the platform's webhook, if there is one."""
        return self._routes.get(platform)

    async def answer(self, request: web.Request, route: Route, arrival: Arrival) -> web.StreamResponse | None:
        """The application's answer to a request, or None where its event is kept and will be forwarded.

        Raises:
            RelayError: the application gave no answer.
        """
        self._stop_loop(request, arrival.platform)
        event = self._understand(arrival)
        outgoing, copies = route.requests(request, arrival, event)
        if event and route.may_acknowledge(event):
            if await self._keep(event, arrival, {"": outgoing, **copies}):
                return None
            counting = None
        else:
            counting = self._count(event, arrival) if event and not event.tools else None
        self._mirror.send(copies, route.settings.timeout)
        exchange = self._client.exchange(route.settings.url, outgoing, route.seconds(event, arrival.began))
        if event and event.tools:
            return await self._call_tools(request, exchange, event, arrival)
        awaited = None if event and event.needs_answer else counting
        return await pass_back(request, exchange, lambda: self._until_durable(awaited))

    def _stop_loop(self, request: web.Request, platform: str) -> None:
        if headers.hops(request) >= headers.MAX_HOPS:
            self._client.fail(platform, "connect")
            raise RelayError(502, "connect", "the relay leads back to the exporter")

    async def _call_tools(
        self, request: web.Request, exchange: Exchange, event: Event, arrival: Arrival
    ) -> web.StreamResponse:
        """Pass tool calls on; how long the application takes for them belongs to the event, which counts afterwards."""
        began = time.perf_counter()
        try:
            relayed = await pass_back(request, exchange, lambda: self._until_durable(None))
            if relayed.complete and 200 <= relayed.status < 300:
                event = _answered(event, time.perf_counter() - began)
            return relayed
        finally:
            self._count(event, arrival)

    async def _until_durable(self, counting: asyncio.Task[bool] | None) -> None:
        """Wait until an event is durable; where storage hangs, no longer than the limit."""
        if counting:
            await asyncio.wait({counting}, timeout=self._options.durable_seconds)

    def _understand(self, arrival: Arrival) -> Event | None:
        """What the body says; None where that is nothing to us, which is no reason to keep it from the application."""
        try:
            if isinstance(arrival.content, bytes):
                return self._ingest.understand(arrival.platform, arrival.content)
            refusal = arrival.content
        except Refused as invalid:
            refusal = invalid
        except Exception as error:  # noqa: BLE001 - a bug must not cost a call
            refusal = Refused(503, "unavailable", "internal error")
            log(_log, logging.ERROR, "event failed", platform=arrival.platform, error=cause(error))
        log(_log, logging.INFO, "passed on uncounted", platform=arrival.platform, reason=refusal.message)
        self._ingest.miss(arrival.platform, refusal)
        return None

    def _count(self, event: Event, arrival: Arrival) -> asyncio.Task[bool]:
        """Begin to count an event; gives whether it is durable."""
        counting = asyncio.create_task(self._counted(event, arrival))
        self._counting.add(counting)
        counting.add_done_callback(self._counting.discard)
        return counting

    async def _counted(self, event: Event, arrival: Arrival) -> bool:
        body = arrival.content if isinstance(arrival.content, bytes) else None
        try:
            await awaited(partial(self._ingest.record, event, arrival.received, body=body))
        except Refused as refusal:
            self._ingest.miss(event.platform, refusal)
            return False
        return True

    async def _keep(self, event: Event, arrival: Arrival, requests: Mapping[str, RelayRequest]) -> bool:
        """Count an event and queue it; where either fails it is better off with the application's own answer."""
        counting = self._count(event, arrival)
        await self._until_durable(counting)
        if not counting.done() or not counting.result():
            return False
        try:
            await self._queue.put(requests)
        except StorageError as error:
            self._client.fail(event.platform, "queue_failed")
            log(_log, logging.ERROR, "the relay's queue took no event", platform=event.platform, reason=str(error))
            return False
        self._retry_worker.wake()
        return True

    def _find(self, destination: Destination) -> Endpoint | None:
        platform, target = destination
        route = self._routes.get(platform)
        if route is None or target not in {"", *(further.url for further in route.settings.targets)}:
            return None
        return target or route.settings.url, route.settings.timeout


def _answered(event: Event, seconds: float) -> Event:
    return replace(event, facts=(*event.facts, ToolsAnswered(event.tools, round(seconds * NANO))))
