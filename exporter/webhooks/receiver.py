"""The receiver: one webhook request from its head to its answer, whatever brings it.

A transport begins a request with what its head shows, lets it in, reads its body into the memory that was admitted, and
gets one answer. All of a request that is counted, logged or shown is decided here.
"""

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from exporter.config import Config
from exporter.errors import Refused
from exporter.http.admission import Admission, Entry
from exporter.http.browsers import is_cross_site, is_rebound
from exporter.http.forwarded import Network, client
from exporter.platforms import PLATFORMS
from exporter.recording.ingest import Ingest, as_refusal
from exporter.webhooks.authenticator import REJECT_ALL, Authenticator, Check
from exporter.webhooks.credentials import Credentials


class WebhookResponse(NamedTuple):
    """What a request is answered with.

    Attributes:
        status: HTTP status.
        body: JSON.
        retry_after: seconds after which the same request may fare better, where that is known.
    """

    status: int
    body: bytes
    retry_after: int | None = None


KEPT: Final = WebhookResponse(200, b'{"status":"ok"}\n')
"""The answer to an event that is kept."""


def error(status: int, message: str, retry_after: int | None = None) -> WebhookResponse:
    """The form of every error that a webhook answers with."""
    return WebhookResponse(status, json.dumps({"error": message}).encode() + b"\n", retry_after)


class Receiver:
    """Receives the webhooks of all platforms.

    Args:
        ingest: records the events.
        known_hosts: names of this machine beside those that nobody else can have.

    Attributes:
        ingest: records the events.
        max_body_bytes: how large a body may be.
        read_timeout: seconds in which a body must be complete.
    """

    def __init__(self, ingest: Ingest, known_hosts: Collection[str] = ()) -> None:
        self.ingest = ingest
        self._known_hosts = known_hosts
        self._guarded: frozenset[str] = frozenset()
        self._trusted: Sequence[Network] = ()
        self.max_body_bytes = 0
        self.read_timeout = 0.0
        self._admission = Admission()
        self._checks: dict[str, Check] = {}

    def prepare(self, config: Config, closed: Collection[str]) -> Callable[[], None]:
        """Build what a configuration needs, with which ``closed`` platforms reject all requests; the result takes it.

        Raises:
            ValueError: a platform's secret or signature template is unusable.
        """
        platforms = config.webhooks.platforms
        checks: dict[str, Check] = {
            name: REJECT_ALL if name in closed else Authenticator(platforms[name]) for name in PLATFORMS
        }

        def take() -> None:
            self._checks = checks
            self._guarded = frozenset(name for name in PLATFORMS if checks[name].open and not platforms[name].explicit)
            self._trusted = config.limits.trusted_proxies
            self.max_body_bytes = config.webhooks.max_body_bytes
            self.read_timeout = config.webhooks.read_timeout
            self._admission.configure(config.limits.max_in_flight, config.limits.rate_limit)

        return take

    @property
    def idle(self) -> bool:
        """Whether no request takes a place or memory."""
        return self._admission.idle

    def begin(self, platform: str, peer: str | None, credentials: Credentials) -> "WebhookRequest":
        """A request of which the head is there; ``peer`` is the address that sent it."""
        return WebhookRequest(self, self._checks[platform], platform, peer, credentials)

    def wants(self, platform: str) -> str:
        """What a request to the platform's webhook has to show, in words."""
        return self._checks[platform].wants

    def enter(self, platform: str, peer: str | None, credentials: Credentials) -> Entry:
        """Let a request in.

        Raises:
            Refused: there are too many, or a browser sends it for somebody else where no secret stands against that.
        """
        headers = credentials.headers
        entry = self._admission.enter(client(peer, headers, self._trusted) if self._trusted else peer)
        if self._checks[platform].open and is_cross_site(headers):
            entry.leave()
            raise Refused(403, "unauthorized", "a browser sends this for another site: set a webhook secret")
        # Every browser names the origin of a POST; a platform does not, whatever name it knows us by.
        if platform in self._guarded and headers.get("Origin", "") and is_rebound(headers, self._known_hosts):
            entry.leave()
            raise Refused(403, "unauthorized", "no name of this machine: set a webhook secret, or --web.external-url")
        return entry


class WebhookRequest:
    """One request, from its admission to its answer. It judges by the configuration in force when it began.

    Attributes:
        platform: whose webhook it is for.
        began: when, in seconds of ``time.perf_counter``.
    """

    __slots__ = ("_check", "_credentials", "_entry", "_peer", "_receiver", "began", "platform")

    def __init__(
        self, receiver: Receiver, check: Check, platform: str, peer: str | None, credentials: Credentials
    ) -> None:
        self.platform = platform
        self.began = time.perf_counter()
        self._receiver = receiver
        self._check = check
        self._peer = peer
        self._credentials = credentials
        self._entry: Entry | None = None

    @property
    def needs_body(self) -> bool:
        """Whether only the body shows who sent it."""
        return self._check.needs_body

    def admit(self) -> Entry:
        """Let it in, as far as its head decides that.

        Raises:
            Refused: there are too many, or it may not post.
        """
        entry = self._entry = self._receiver.enter(self.platform, self._peer, self._credentials)
        if not self._check.needs_body:
            self._authenticate(self._credentials)
        return entry

    def authenticate(self, body: bytes) -> None:
        """Check what signs the body, where something has to.

        Raises:
            Refused: it may not post.
        """
        if self._check.needs_body:
            self._authenticate(replace(self._credentials, body=body))

    def record(self, body: bytes, answer: Callable[[WebhookResponse], None]) -> None:
        """Record what the body says, and call ``answer`` once that is durable, or with why it is not.

        Raises:
            Refused: it may not post.
        """
        self.authenticate(body)
        self._receiver.ingest.record_body(self.platform, body, partial(self._settle, answer))

    def receive(self, body: bytes, answer: Callable[[WebhookResponse], None]) -> None:
        """All of these steps, for a request that is there as a whole."""
        try:
            self.admit().hold(len(body))
            self.record(body, answer)
        except Exception as failure:  # noqa: BLE001 - nothing that a client sends may go unanswered
            answer(self.fail(failure))

    def fail(self, failure: Exception) -> WebhookResponse:
        """End it with an error: counted and shown."""
        refusal = as_refusal(self.platform, failure)
        self._receiver.ingest.miss(self.platform, refusal)
        self._receiver.ingest.reject(self.platform, refusal.status, refusal.detail)
        self.end()
        return error(refusal.status, refusal.message, refusal.retry_after)

    def end(self) -> None:
        """It is answered, or nobody waits for that: it takes no place and no memory any more."""
        entry, self._entry = self._entry, None
        if entry:
            entry.leave()
        self._receiver.ingest.metrics.answered(self.platform, self.began)

    def _authenticate(self, credentials: Credentials) -> None:
        if not self._check.allows(credentials, now := time.time()):
            raise Refused(401, "unauthorized", "unauthorized", detail=self._check.explain(credentials, now))

    def _settle(self, answer: Callable[[WebhookResponse], None], refusal: Refused | None) -> None:
        if refusal:
            answer(self.fail(refusal))
        else:
            self.end()
            answer(KEPT)
