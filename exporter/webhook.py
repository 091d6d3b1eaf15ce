"""The webhook handler: admit, authenticate, read, understand, record, answer."""

import json
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product
from typing import Final, Protocol, get_args

from aiohttp import hdrs, web

from exporter.activity import Activity, Rejection
from exporter.auth import Authenticator
from exporter.body import read_body
from exporter.catalogue import EVENT_DELAY, LAST_EVENT, WEBHOOK_SECONDS, WEBHOOKS
from exporter.config import Config
from exporter.credentials import Credentials
from exporter.events import UNKNOWN, Event, InvalidEvent
from exporter.hot import ok
from exporter.limits import Entry, Gate, Refusal, Refused
from exporter.logs import cause, log
from exporter.metric import NANO
from exporter.platforms import PLATFORMS, Platform
from exporter.recorder import Recorder
from exporter.store.base import StorageError

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
        config: secrets and limits.
        recorder: keeps the events.
        activity: what the landing page shows.
        closed: platforms whose webhook lets nobody in.
    """

    def __init__(self, config: Config, recorder: Recorder, activity: Activity, closed: Collection[str] = ()) -> None:
        self._recorder = recorder
        self._activity = activity
        self._gate = Gate()
        self.names = tuple(PLATFORMS)
        self.configure(config, closed)
        for name, outcome in product(self.names, get_args(Refusal)):
            # From 0 on, increase() sees the first one.
            recorder.table.add(WEBHOOKS, (name, UNKNOWN, outcome), 0, time.time())

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

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: 200 once its event is durable, else an error that says why."""
        name = request.path.removeprefix(PREFIX)
        started = time.perf_counter()
        try:
            with self._gate.enter(request.remote) as entry:
                await self._take(name, request, entry)
            response: web.StreamResponse = ok(request)
        except Refused as refusal:
            response = self._refuse(name, refusal)
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may yield 500
            log(_log, logging.ERROR, "webhook failed", platform=name, error=cause(error))
            response = self._refuse(name, Refused(503, "unavailable", "internal error"))
        elapsed = int((time.perf_counter() - started) * NANO)
        self._recorder.table.add(WEBHOOK_SECONDS, (name,), elapsed, time.time())
        return response

    async def _take(self, name: str, request: web.Request, entry: Entry) -> None:
        body = await self._read(name, request, entry)
        event = _parse(PLATFORMS[name], body)
        if event.needs_answer:
            raise Refused(501, "unanswerable", f"{event.kind} needs an answer and no relay is configured", event.kind)
        received = time.time()
        try:
            outcome = await self._recorder.record(event)
        except StorageError:
            raise Refused(503, "unavailable", "cannot keep the event now", event.kind, retry_after=5) from None
        self._activity.count((name, event.kind, outcome), received)
        self._note(event, received)

    async def _read(self, name: str, request: web.Request, entry: Entry) -> bytes:
        """The body of a request that may post. Where headers decide that, they do before the body is read."""
        check, config = self._checks[name], self._config
        credentials = Credentials(request.method, _url(request), request.headers)
        if not check.needs_body:
            _authorize(check, credentials)
        body = await read_body(request, config.max_body_bytes, config.read_timeout, entry)
        if check.needs_body:
            _authorize(check, replace(credentials, body=body))
        return body

    def _note(self, event: Event, received: float) -> None:
        table = self._recorder.table
        table.set(LAST_EVENT, (event.platform, event.kind), int(received * NANO), received)
        if event.time_ms is not None and (delay := int(received * 1000) - event.time_ms) >= 0:
            table.add(EVENT_DELAY, (event.platform,), delay * (NANO // 1000), received)

    def _refuse(self, name: str, refusal: Refused) -> web.Response:
        now = time.time()
        key = (name, refusal.event, refusal.outcome)
        self._recorder.table.add(WEBHOOKS, key, 1, now)
        self._activity.count(key, now)
        self._activity.rejections.append(Rejection(now, name, refusal.status, refusal.message))
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
        return error_response(refusal.status, refusal.message, headers)


def _url(request: web.Request) -> str:
    """The URL that was asked for, byte for byte: parsing it would fail on what strangers write into Host."""
    return f"{request.scheme}://{request.headers.get(hdrs.HOST, '')}{request.raw_path}"


def _authorize(check: _Check, credentials: Credentials) -> None:
    if not check.allows(credentials, time.time()):
        raise Refused(401, "unauthorized", "unauthorized")


def _parse(platform: Platform, body: bytes) -> Event:
    try:
        return platform.parse(body)
    except InvalidEvent as error:
        raise Refused(400, "invalid", str(error)) from None
