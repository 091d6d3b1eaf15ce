"""Requests to applications: one connection pool for all of them, each with a time limit and a counted outcome."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from typing import Final

import aiohttp
from aiohttp import hdrs

from exporter.errors import RelayError, RelayFailure
from exporter.logs import log
from exporter.recording.self_metrics import SelfMetrics
from exporter.relay.request import RelayRequest
from exporter.relay.target_url import address

KEEPALIVE_SECONDS: Final = 1.0
"""An idle connection is kept for less than any server keeps it, so that none closes as a request goes out. Such a
request could not be sent again: nobody knows whether the application saw it."""

_MAX_FIELD: Final = 65_536
"""Bytes of one header of an answer."""
_AT_ONCE: Final = 1 << 20
"""Bytes of a body that may go out in one piece without holding up the event loop."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""No reason phrase may have these (RFC 9112, section 4), and none could be passed on."""
_NOT_HTTP: Final = "the application behind the relay did not answer in HTTP"

_log = logging.getLogger(__name__)


class Client:
    """Talks to applications. Follows no redirect, keeps no cookie, inflates nothing, uses no proxy of the environment.

    Args:
        metrics: takes what is counted.
    """

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        self._failing: set[str] = set()

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    def fail(self, platform: str, reason: RelayFailure) -> None:
        """Count a failure."""
        self._metrics.relay_failed(platform, reason)

    @asynccontextmanager
    async def exchange(self, url: str, outgoing: RelayRequest, seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to an application and take its answer, which must be complete when the context ends.

        Raises:
            RelayError: there is no answer, only a part of it, or not within ``seconds``.
        """
        started = time.perf_counter()
        try:
            async with self._send(url, outgoing, seconds) as answer:
                yield answer
        except RelayError as failure:
            self.fail(outgoing.platform, failure.reason)
            self._metrics.relayed(outgoing.platform, failure.status, started)
            self._note(outgoing.platform, failure.reason)
            raise
        self._metrics.relayed(outgoing.platform, answer.status, started)
        if answer.status >= 500:
            self.fail(outgoing.platform, "server_error")
        self._note(outgoing.platform, "server_error" if answer.status >= 500 else None)

    async def copy(self, url: str, outgoing: RelayRequest, seconds: float) -> int:
        """Send a request to a further target, whose answer is of no interest but for its status.

        Raises:
            RelayError: it gave none within ``seconds``.
        """
        try:
            async with self._send(url, outgoing, seconds) as answer:
                return answer.status
        except RelayError:
            self.fail(outgoing.platform, "copy_failed")
            raise

    @asynccontextmanager
    async def _send(self, url: str, outgoing: RelayRequest, seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        body, target = outgoing.body, address(url, outgoing.suffix, outgoing.query)
        data = body if len(body) <= _AT_ONCE else BytesIO(body)
        with _failures(seconds):
            async with (
                asyncio.timeout(seconds),
                self._pool().request(
                    outgoing.method, target, headers=outgoing.headers, data=data, allow_redirects=False
                ) as answer,
            ):
                if answer.status < 200:
                    raise RelayError(502, "malformed", "the application behind the relay switched protocols")
                if _CONTROL.search(answer.reason or ""):
                    raise RelayError(502, "malformed", _NOT_HTTP)
                yield answer

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # How many requests there are at once is limited where they come in.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
                max_line_size=_MAX_FIELD,
                max_field_size=_MAX_FIELD,
            )
        return self._session

    def _note(self, platform: str, reason: RelayFailure | None) -> None:
        """Log when an application begins to fail and when it works again."""
        if reason and platform not in self._failing:
            self._failing.add(platform)
            log(_log, logging.WARNING, "the application behind the relay fails", platform=platform, reason=reason)
        elif not reason and platform in self._failing:
            self._failing.discard(platform)
            log(_log, logging.INFO, "the application behind the relay works again", platform=platform)


@contextmanager
def _failures(seconds: float) -> Iterator[None]:
    """Turn what aiohttp raises into what is counted; the first that fits."""
    try:
        yield
    except TimeoutError:
        message = f"the application behind the relay did not answer within {max(0.0, seconds):.3g} s"
        raise RelayError(504, "timeout", message) from None
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
        raise RelayError(502, "connect", "the application behind the relay can't be reached") from None
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        message = "the application behind the relay closed the connection before its answer was complete"
        raise RelayError(502, "cut", message) from None
    except aiohttp.ClientError:
        raise RelayError(502, "malformed", _NOT_HTTP) from None
