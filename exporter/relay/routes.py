"""What the configuration says of one platform's relay, applied to one request."""

import time
from typing import Final, NamedTuple

from aiohttp import web
from msgspec.structs import replace

from exporter.config.settings import SECRET_HEADERS, PlatformConfig, RelayConfig
from exporter.errors import Refused
from exporter.events import OTHER, UNKNOWN, Event
from exporter.relay import headers
from exporter.relay.request import RelayRequest

ANSWER_MARGIN: Final = 0.5
"""Seconds of a platform's own limit that are left for the way there and back."""


class Arrival(NamedTuple):
    """A request that may post.

    Attributes:
        platform: who sent it.
        suffix: its path behind the platform's name.
        body: as it came.
        content: the body inflated, or why that can't be done.
        received: Unix time.
        began: the same moment in seconds of ``time.perf_counter``.
    """

    platform: str
    suffix: str
    body: bytes
    content: bytes | Refused
    received: float
    began: float


class Route:
    """The relay of a platform.

    Attributes:
        settings: the configuration.
    """

    def __init__(self, name: str, platform: PlatformConfig, settings: RelayConfig) -> None:
        self.settings = settings
        secret_headers = {*SECRET_HEADERS[name], *(header for auth in platform.auth for header in auth.headers)}
        bearer = any(auth.type == "bearer" for auth in platform.auth)
        self._secret = frozenset(secret_headers | ({"authorization"} if bearer else set()))

    def requests(
        self, request: web.Request, arrival: Arrival, event: Event | None
    ) -> tuple[RelayRequest, dict[str, RelayRequest]]:
        """The request for the application that answers, and the copies by URL. No copy has the webhook's secret."""
        copy = RelayRequest(
            platform=arrival.platform,
            event=event.kind if event else UNKNOWN,
            method=request.method,
            suffix=arrival.suffix,
            query=request.rel_url.raw_query_string,
            headers=headers.onward(request, self._secret),
            body=arrival.body,
        )
        everything = headers.onward(request, ()) if self.settings.forward_secret else copy.headers
        targets = self.settings.targets
        wanting = (target.url for target in targets if not target.events or copy.event in target.events)
        return replace(copy, headers=everything), dict.fromkeys(wanting, copy)

    def may_acknowledge(self, event: Event) -> bool:
        """Whether the platform is content with our word that the event arrived.

        Of a type that is not known nobody can say that it needs no answer.
        """
        return self.settings.ack == "exporter" and not event.needs_answer and event.kind != OTHER

    def seconds(self, event: Event | None, began: float) -> float:
        """How long the application may take for its answer."""
        limit = event.answer_seconds if event else None
        if limit is None:
            return self.settings.timeout
        return min(self.settings.timeout, limit - ANSWER_MARGIN - (time.perf_counter() - began))
