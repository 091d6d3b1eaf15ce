"""The webhook handler: admit, authenticate, read, understand, count or pass on, answer."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final, Protocol

from aiohttp import hdrs, web

from exporter.config import Config
from exporter.errors import Refused, RelayError
from exporter.http.admission import Admission, Entry
from exporter.http.body import inflate, read_body, receive
from exporter.http.connection import Connection
from exporter.platforms import PLATFORMS
from exporter.recording.ingest import Ingest, defect
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.relay import DEFAULT_OPTIONS, Arrival, Relay, RelayOptions, is_suffix
from exporter.webhooks.authenticator import Authenticator
from exporter.webhooks.credentials import Credentials

PREFIX: Final = "/webhook/"
OK: Final = b'{"status":"ok"}\n'
"""The answer to an event that is kept."""


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The form of every error that a webhook answers with."""
    body = json.dumps({"error": message}).encode() + b"\n"
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


class Check(Protocol):
    """Judges who may post, as `exporter.webhooks.authenticator.Authenticator` does."""

    @property
    def needs_body(self) -> bool:
        """Whether it looks at the body."""

    def allows(self, request: Credentials, now: float) -> bool:
        """Whether the request may post."""


class _Closed:
    """Lets nobody in: the platform has no secret and untrusted clients reach its webhook."""

    needs_body = False

    def allows(self, _request: Credentials, _now: float) -> bool:
        return False


class Webhooks:
    """Handles the webhooks of all platforms.

    Args:
        config: secrets, limits and relays.
        recorder: keeps the events.
        activity: what the landing page shows.
        closed: platforms whose webhook rejects all requests.
        relay: what of the relays is not in the configuration.
    """

    def __init__(
        self,
        config: Config,
        recorder: Recorder,
        activity: RecentActivity,
        closed: Collection[str] = (),
        relay: RelayOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.ingest = Ingest(recorder, activity)
        self._relay = Relay(self.ingest, relay)
        self._gate = Admission()
        self.names = tuple(PLATFORMS)
        self.configure(config, closed)

    def configure(self, config: Config, closed: Collection[str] = ()) -> None:
        """Take a new configuration at once; raises what `prepare` does."""
        self.prepare(config, closed)()

    def prepare(self, config: Config, closed: Collection[str] = ()) -> Callable[[], None]:
        """Build what a new configuration needs; the result takes it. Requests in flight finish under the old one.

        Raises:
            ValueError: a platform's secret or signature template is unusable.
        """
        checks: dict[str, Check] = {
            name: _Closed() if name in closed else Authenticator(config.webhooks.platforms[name]) for name in PLATFORMS
        }
        take_routes = self._relay.prepare(config.webhooks.platforms)

        def take() -> None:
            self._config = config.webhooks
            self._checks = checks
            self._gate.configure(config.limits.max_in_flight, config.limits.rate_limit)
            take_routes()

        return take

    @property
    def max_body_bytes(self) -> int:
        """How large a body may be."""
        return self._config.max_body_bytes

    @property
    def read_timeout(self) -> float:
        """Seconds in which a body must be complete."""
        return self._config.read_timeout

    def counts(self, name: str) -> bool:
        """Whether a platform's events are counted and answered here, by no application behind a relay."""
        return self._relay.route(name) is None

    def check(self, name: str) -> Check:
        """Who may post the platform's events."""
        return self._checks[name]

    def enter(self, remote: str | None) -> Entry:
        """Let a request in.

        Raises:
            Refused: there are too many.
        """
        return self._gate.enter(remote)

    def took(self, name: str, began: float) -> None:
        """Note that a request is answered which began at that time of ``time.perf_counter``."""
        self.ingest.metrics.answered(name, began)

    def note(self, name: str, refusal: Refused) -> None:
        """Count and show a refused request."""
        self.ingest.miss(name, refusal)
        self.ingest.reject(name, refusal.status, refusal.message)

    async def start(self) -> None:
        """Begin with what an earlier process left to forward."""
        await self._relay.start()

    async def stop(self) -> None:
        """Finish what goes on behind answered requests."""
        await self._relay.stop()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: 200 once its event is durable, as the application does, or an error that says why."""
        name, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        if refusal := _taken(request):
            return _refused(refusal)
        began = time.perf_counter()
        response = await self._respond(name, slash + rest, request, began)
        self.took(name, began)
        return response

    async def _respond(self, name: str, suffix: str, request: web.Request, began: float) -> web.StreamResponse:
        try:
            with self.enter(request.remote) as entry:
                if route := self._relay.route(name):
                    arrival = await self._arrive(name, suffix, request, entry, began)
                    return await self._relay.answer(request, route, arrival) or _ok()
                event = self.ingest.countable(name, await self._read(name, request, entry))
                await self.ingest.count(event, time.time())
                return _ok()
        except Refused as refusal:
            return self._refuse(name, refusal)
        except RelayError as failure:
            self.ingest.reject(name, failure.status, failure.message)
            return error_response(failure.status, failure.message)
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may yield 500
            return self._refuse(name, defect(name, error))

    async def handle_beneath(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to a path below a webhook, which only an application behind a relay can have."""
        name, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        if self._relay.route(name) is None or not is_suffix(slash + rest):
            raise web.HTTPNotFound
        if request.method != hdrs.METH_POST:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])
        return await self.handle(request)

    async def _read(self, name: str, request: web.Request, entry: Entry) -> bytes:
        """The body of a request that may post. Where headers decide that, they do before the body is read."""
        check, config = self._checks[name], self._config
        if not check.needs_body:
            # Only signatures look at the URL, and to put it together costs as much as the rest of the check.
            authorize(check, Credentials(request.method, "", request.headers))
            return await read_body(request, config.max_body_bytes, config.read_timeout, entry)
        credentials = _credentials(request)
        body = await read_body(request, config.max_body_bytes, config.read_timeout, entry)
        authorize(check, replace(credentials, body=body))
        return body

    async def _arrive(self, name: str, suffix: str, request: web.Request, entry: Entry, began: float) -> Arrival:
        """As `_read`, but what can't be inflated is the application's to judge, unless a signature depends on it."""
        check, config = self._checks[name], self._config
        credentials = _credentials(request)
        if not check.needs_body:
            authorize(check, credentials)
        body = await receive(request, config.max_body_bytes, config.read_timeout, entry)
        content: bytes | Refused
        try:
            content = await inflate(request, body, config.max_body_bytes, entry)
        except Refused as refusal:
            if check.needs_body or refusal.outcome != "invalid":
                raise
            content = refusal
        else:
            if check.needs_body:
                authorize(check, replace(credentials, body=content))
        return Arrival(name, suffix, body, content, time.time(), began)

    def _refuse(self, name: str, refusal: Refused) -> web.Response:
        self.note(name, refusal)
        return _refused(refusal)


def url(scheme: str, headers: Mapping[str, str], path: str) -> str:
    """The URL that was asked for, byte for byte: parsing it would fail on what untrusted clients write into Host."""
    return f"{scheme}://{headers.get(hdrs.HOST, '')}{path}"


def authorize(check: Check, credentials: Credentials) -> None:
    """Let a request pass.

    Raises:
        Refused: it may not post.
    """
    if not check.allows(credentials, time.time()):
        raise Refused(401, "unauthorized", "unauthorized")


def _credentials(request: web.Request) -> Credentials:
    return Credentials(request.method, url(request.scheme, request.headers, request.raw_path), request.headers)


def _taken(request: web.Request) -> Refused | None:
    """Why the request was refused on the fast path, which counted it, if it was there and is."""
    connection = request.protocol
    return connection.take_refusal() if isinstance(connection, Connection) else None


def _refused(refusal: Refused) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return error_response(refusal.status, refusal.message, headers)


def _ok() -> web.Response:
    return web.Response(body=OK, content_type="application/json")
