"""The webhook handler: admit, authenticate, read, understand, count or pass on, answer."""

import json
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from aiohttp import hdrs, web

from exporter.activity import Activity
from exporter.auth import Authenticator
from exporter.body import inflate, read_body, receive
from exporter.catalogue import WEBHOOK_SECONDS
from exporter.config import Config
from exporter.credentials import Credentials
from exporter.hot import ok
from exporter.intake import Intake, understand
from exporter.limits import Entry, Gate, Refused
from exporter.logs import cause, log
from exporter.metric import NANO
from exporter.platforms import PLATFORMS
from exporter.recorder import Recorder
from exporter.relay import Arrival, Failed, Relay, is_suffix

PREFIX: Final = "/webhook/"

_log = logging.getLogger(__name__)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The form of every error that a webhook answers with."""
    body = json.dumps({"error": message}).encode() + b"\n"
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


class _Check(Protocol):
    @property
    def needs_body(self) -> bool: ...

    def allows(self, request: Credentials, now: float) -> bool: ...


class _Closed:
    """Lets nobody in: the platform has no secret and strangers reach its webhook."""

    needs_body = False

    def allows(self, _request: Credentials, _now: float) -> bool:
        return False


class Webhooks:
    """Handles the webhooks of all platforms.

    Args:
        config: secrets, limits and relays.
        recorder: keeps the events.
        activity: what the landing page shows.
        closed: platforms whose webhook lets nobody in.
        storage: directory for what a relay has to keep; None keeps it in memory.
    """

    def __init__(
        self,
        config: Config,
        recorder: Recorder,
        activity: Activity,
        closed: Collection[str] = (),
        storage: Path | None = None,
    ) -> None:
        self._intake = Intake(recorder, activity)
        self._relay = Relay(self._intake, storage)
        self._gate = Gate()
        self.names = tuple(PLATFORMS)
        self.configure(config, closed)

    def configure(self, config: Config, closed: Collection[str] = ()) -> None:
        """Take a new configuration; requests under way finish under the old one.

        Raises:
            ValueError: a platform's secret or signature template is unusable.
        """
        checks: dict[str, _Check] = {
            name: _Closed() if name in closed else Authenticator(config.webhooks.platforms[name]) for name in PLATFORMS
        }
        self._config = config.webhooks
        self._checks = checks
        self._gate.configure(config.limits.max_in_flight, config.limits.rate_limit)
        self._relay.configure(config.webhooks.platforms)

    async def start(self) -> None:
        """Begin with what an earlier process left to forward."""
        await self._relay.start()

    async def stop(self) -> None:
        """Finish what goes on behind answered requests."""
        await self._relay.stop()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: 200 once its event is durable, as the application does, or an error that says why."""
        name, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        began = time.perf_counter()
        try:
            with self._gate.enter(request.remote) as entry:
                if route := self._relay.route(name):
                    arrival = await self._arrive(name, slash + rest, request, entry, began)
                    response = await self._relay.answer(request, route, arrival) or ok(request)
                else:
                    await self._take(name, request, entry)
                    response = ok(request)
        except Refused as refusal:
            response = self._refuse(name, refusal)
        except Failed as failure:
            response = error_response(failure.status, failure.message)
            self._intake.reject(name, failure.status, failure.message)
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may yield 500
            log(_log, logging.ERROR, "webhook failed", platform=name, error=cause(error))
            response = self._refuse(name, Refused(503, "unavailable", "internal error"))
        self._intake.table.add(WEBHOOK_SECONDS, (name,), int((time.perf_counter() - began) * NANO), time.time())
        return response

    async def handle_beneath(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to a path below a webhook, which only an application behind a relay can have."""
        name, slash, rest = request.path.removeprefix(PREFIX).partition("/")
        if self._relay.route(name) is None or not is_suffix(slash + rest):
            raise web.HTTPNotFound
        if request.method != hdrs.METH_POST:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])
        return await self.handle(request)

    async def _take(self, name: str, request: web.Request, entry: Entry) -> None:
        event = understand(name, await self._read(name, request, entry))
        if event.needs_answer:
            raise Refused(501, "unanswerable", f"{event.kind} needs an answer and no relay is configured", event.kind)
        await self._intake.count(event, time.time())

    async def _read(self, name: str, request: web.Request, entry: Entry) -> bytes:
        """The body of a request that may post. Where headers decide that, they do before the body is read."""
        check, config = self._checks[name], self._config
        if not check.needs_body:
            # Only signatures look at the URL, and to put it together costs as much as the rest of the check.
            _authorize(check, Credentials(request.method, "", request.headers))
            return await read_body(request, config.max_body_bytes, config.read_timeout, entry)
        credentials = Credentials(request.method, _url(request), request.headers)
        body = await read_body(request, config.max_body_bytes, config.read_timeout, entry)
        _authorize(check, replace(credentials, body=body))
        return body

    async def _arrive(self, name: str, suffix: str, request: web.Request, entry: Entry, began: float) -> Arrival:
        """As `_read`, but what can't be inflated is the application's to judge, unless a signature depends on it."""
        check, config = self._checks[name], self._config
        credentials = Credentials(request.method, _url(request), request.headers)
        if not check.needs_body:
            _authorize(check, credentials)
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
                _authorize(check, replace(credentials, body=content))
        return Arrival(name, suffix, body, content, time.time(), began)

    def _refuse(self, name: str, refusal: Refused) -> web.Response:
        self._intake.miss(name, refusal)
        self._intake.reject(name, refusal.status, refusal.message)
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
        return error_response(refusal.status, refusal.message, headers)


def _url(request: web.Request) -> str:
    """The URL that was asked for, byte for byte: parsing it would fail on what strangers write into Host."""
    return f"{request.scheme}://{request.headers.get(hdrs.HOST, '')}{request.raw_path}"


def _authorize(check: _Check, credentials: Credentials) -> None:
    if not check.allows(credentials, time.time()):
        raise Refused(401, "unauthorized", "unauthorized")
