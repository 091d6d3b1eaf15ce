"""The webhooks as aiohttp's handlers: reads a request's body for the receiver, or passes it on to a relay."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from exporter.config import Config
from exporter.errors import Refused, RelayError
from exporter.http.admission import Entry
from exporter.http.body import inflate, read_body, receive
from exporter.platforms import PLATFORMS
from exporter.recording.batch import awaited
from exporter.recording.ingest import Ingest
from exporter.relay import DEFAULT_OPTIONS, Arrival, Relay, RelayOptions, is_suffix
from exporter.relay.routes import Route
from exporter.webhooks.credentials import Credentials
from exporter.webhooks.receiver import KEPT, Receiver, WebhookRequest, WebhookResponse, error

PREFIX: Final = "/webhook/"


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The form of every error that a webhook answers with."""
    return _response(error(status, message), headers)


class Webhooks:
    """Handles the webhooks of all platforms.

    Args:
        config: secrets, limits and relays.
        ingest: records the events.
        closed: platforms whose webhook rejects all requests.
        relay: what of the relays is not in the configuration.
        known_hosts: further names of this machine.

    Attributes:
        receiver: what decides on each request.
        paths: each platform's webhook.
    """

    def __init__(
        self,
        config: Config,
        ingest: Ingest,
        closed: Collection[str] = (),
        relay: RelayOptions = DEFAULT_OPTIONS,
        known_hosts: Collection[str] = (),
    ) -> None:
        self.paths: Mapping[str, str] = {PREFIX + name: name for name in PLATFORMS}
        self._ingest = ingest
        self.receiver = Receiver(ingest, known_hosts)
        self._relay = Relay(ingest, relay)
        self.configure(config, closed)

    def configure(self, config: Config, closed: Collection[str] = ()) -> None:
        """Take a new configuration at once; raises what `prepare` does."""
        self.prepare(config, closed)()

    def prepare(self, config: Config, closed: Collection[str] = ()) -> Callable[[], None]:
        """Build what a new configuration needs; the result takes it. Requests in flight finish under the old one.

        Raises:
            ValueError: a platform's secret or signature template is unusable.
        """
        takes = (self.receiver.prepare(config, closed), self._relay.prepare(config.webhooks.platforms))

        def take() -> None:
            for each in takes:
                each()

        return take

    def is_relayed(self, platform: str) -> bool:
        """Whether an application behind a relay answers the platform's events."""
        return self._relay.route(platform) is not None

    async def start(self) -> None:
        """Begin with what an earlier process left to forward."""
        await self._relay.start()

    async def stop(self) -> None:
        """Finish what goes on behind answered requests."""
        await self._relay.stop()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: 200 once its event is durable, as the application does, or an error that says why."""
        platform, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        credentials = Credentials(request.method, request.raw_path, request.headers, scheme=request.scheme)
        one = self.receiver.begin(platform, request.remote, credentials)
        try:
            entry = one.admit()
            if route := self._relay.route(platform):
                return await self._pass_on(request, one, entry, route, slash + rest)
            body = await read_body(request, self.receiver.max_body_bytes, self.receiver.read_timeout, entry)
            return _response(await awaited(partial(one.record, body)))
        except Exception as failure:  # noqa: BLE001 - nothing that a client sends may yield 500
            return _response(one.fail(failure))

    async def handle_beneath(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to a path below a webhook, which only an application behind a relay can have."""
        platform, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        if not self.is_relayed(platform) or not is_suffix(slash + rest):
            raise web.HTTPNotFound
        if request.method != hdrs.METH_POST:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])
        return await self.handle(request)

    async def _pass_on(
        self, request: web.Request, one: WebhookRequest, entry: Entry, route: Route, suffix: str
    ) -> web.StreamResponse:
        """The application's answer, or ours where it has none or the event is kept for it."""
        arrival = await self._arrive(request, one, entry, suffix)
        try:
            answer = await self._relay.answer(request, route, arrival) or _response(KEPT)
        except RelayError as failure:
            self._ingest.reject(one.platform, failure.status, failure.message)
            answer = error_response(failure.status, failure.message)
        one.end()
        return answer

    async def _arrive(self, request: web.Request, one: WebhookRequest, entry: Entry, suffix: str) -> Arrival:
        """What can't be inflated is the application's to judge, unless a signature depends on it."""
        limit = self.receiver.max_body_bytes
        body = await receive(request, limit, self.receiver.read_timeout, entry)
        content: bytes | Refused
        try:
            content = await inflate(request, body, limit, entry)
        except Refused as refusal:
            if one.needs_body or refusal.outcome != "invalid":
                raise
            content = refusal
        else:
            one.authenticate(content)
        return Arrival(one.platform, suffix, body, content, time.time(), one.began)


def _response(answer: WebhookResponse, headers: Mapping[str, str] | None = None) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, content_type="application/json", headers=headers)
    if answer.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(answer.retry_after)
    return response
