"""Who may read: applies the web configuration to everything but the webhooks."""

import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from exporter.errors import Fault, TlsError, TooManyAttempts, WebConfigError
from exporter.http.admission import TokenBucket
from exporter.http.basic_auth import Passwords, basic_credentials
from exporter.http.browsers import is_rebound
from exporter.http.tls import Tls, client_allowed, server_context

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DEFAULT_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
"""Set where neither the handler nor ``http_server_config.headers`` says otherwise; an empty value there removes one."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file asks for; without arguments: plain HTTP without access control. Its repr shows no user.

    Attributes:
        file: its name.
        tls: None for plain HTTP.
        headers: of answers, by name; an empty one takes a default header away.
        users: bcrypt hashes by name; empty where anyone may read.
        rate_limit: seconds between requests to anything but webhooks, and how many may come at once; None for any rate.
    """

    file: str = ""
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    rate_limit: tuple[float, int] | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context for the listener, which takes up new certificates by itself; None for plain HTTP.

        Raises:
            WebConfigError: a certificate file became unusable since the configuration was loaded.
        """
        try:
            return server_context(self.tls) if self.tls else None
        except TlsError as error:
            raise WebConfigError(Fault(self.file, f"tls_server_config.{error.key}", None, str(error))) from None


class AccessControl:
    """Lets in whom the web configuration names.

    Args:
        config: the web configuration; ``WebConfig()`` accepts all requests.
        webhook: whether a request goes to a webhook, which checks its sender itself.
        known_hosts: names of this machine beside those that nobody else can have.
    """

    def __init__(
        self, config: WebConfig, webhook: Callable[[web.Request], bool], known_hosts: Collection[str] = ()
    ) -> None:
        self._webhook = webhook
        self._known_hosts = known_hosts
        self._apply(config)

    def install(self, app: web.Application, *, local: bool = False) -> None:
        """Put the guard in front of all of the application's handlers, outside of the middlewares added so far.

        Args:
            app: the application.
            local: whether only this machine reaches it, which a browser on it may be made to.
        """
        if local:
            app.middlewares.insert(0, self._refuse_rebound)
        app.middlewares.insert(0, self._admit)
        app.on_response_prepare.append(self._add_headers)

    def prepare(self, config: WebConfig) -> Callable[[], None]:
        """Check a changed file; the result takes its users and headers.

        Raises:
            WebConfigError: it changes ``tls_server_config``, which a listener keeps until it is closed.
        """
        if config.tls != self._config.tls:
            file = config.file or self._config.file
            raise WebConfigError(Fault(file, "tls_server_config", None, "changed: this takes effect at a restart only"))
        return partial(self._apply, config)

    def _apply(self, config: WebConfig) -> None:
        self._config = config
        self._passwords = Passwords(config.users) if config.users else None
        self._bucket = TokenBucket(*config.rate_limit) if config.rate_limit else None
        self._headers = {name: value for name, value in {**DEFAULT_HEADERS, **config.headers}.items() if value}

    @web.middleware
    async def _admit(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        tls = self._config.tls
        if tls and not client_allowed(tls, request.get_extra_info("peercert")):
            refused = web.HTTPForbidden(text="client certificate not allowed\n")
            refused.force_close()
            raise refused
        if self._bucket and not self._webhook(request) and not self._bucket.take(time.monotonic()):
            raise web.HTTPTooManyRequests(headers={hdrs.RETRY_AFTER: "1"})
        if self._passwords and not self._webhook(request) and not await self._known(request, self._passwords):
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="voice-exporter"'})
        return await handler(request)

    @web.middleware
    async def _refuse_rebound(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse a name that may be anybody's, where neither a password nor a certificate stands against that."""
        tls = self._config.tls
        guarded = self._passwords or self._webhook(request) or (tls and tls.client_auth)
        if not guarded and is_rebound(request.headers, self._known_hosts):
            text = "no name of this machine: set --web.external-url, or users in --web.config.file\n"
            raise web.HTTPForbidden(text=text)
        return await handler(request)

    async def _known(self, request: web.Request, passwords: Passwords) -> bool:
        values = request.headers.getall(hdrs.AUTHORIZATION, [])
        credentials = basic_credentials(values[0]) if len(values) == 1 else None
        try:
            return credentials is not None and await passwords.right(*credentials)
        except TooManyAttempts:
            raise web.HTTPTooManyRequests(headers={hdrs.RETRY_AFTER: "1"}) from None

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self._webhook(request):
            for name, value in self._headers.items():
                response.headers.setdefault(name, value)
