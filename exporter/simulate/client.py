"""The sender: posts deliveries when they are due, as the platforms would, and counts the answers."""

import asyncio
import hmac
import os
import re
import sys
import time
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final, TextIO

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from exporter import platforms as known
from exporter.errors import DeliveryError
from exporter.simulate.calls import Traffic
from exporter.simulate.model import EVERY_PLATFORM, PLATFORMS, Delivery, PlatformName
from exporter.simulate.scenarios import SCENARIOS
from exporter.simulate.tally import Tally
from exporter.simulate.traffic import arriving, encode, interleaved

CONNECTIONS: Final = 64
TIMEOUT_SECONDS: Final = 20.0
"""Platforms wait this long for an answer by default."""


def endpoints(url: str) -> dict[PlatformName, URL]:
    """The webhook URL of each platform below an exporter's URL.

    Raises:
        ValueError: the URL has no scheme or host.
    """
    base = URL(re.sub(r"(/webhook(/\w+)?)?/*$", "", url.strip()))
    if base.scheme not in {"http", "https"} or not base.host:
        raise ValueError(f"{url!r} is no http:// or https:// URL of an exporter")
    return {platform: base / "webhook" / platform for platform in EVERY_PLATFORM}


def credentials(platform: PlatformName, secret: str | None, body: bytes) -> dict[str, str]:
    """The header by which the platform's requests are authenticated by default: its signature, else the secret."""
    if not secret:
        return {}
    own = known.PLATFORMS[platform]
    if not (signed := own.signature):
        return {own.secret_headers[0]: secret}
    timestamp = str(time.time_ns() // 1_000_000_000).encode()
    message = signed.signed.encode().replace(b"{timestamp}", timestamp).replace(b"{body}", body)
    digest = hmac.new(secret.encode(), message, "sha256").hexdigest()
    return {signed.name: f"{signed.timestamp}={timestamp.decode()},{signed.digest}={digest}"}


class Sender:
    """Posts deliveries to an exporter."""

    def __init__(self, url: str, secret: str | None, tally: Tally) -> None:
        self._endpoints = endpoints(url)
        self._secret = secret
        self._tally = tally
        self._latest: dict[str, asyncio.Task[None]] = {}

    async def send(self, deliveries: Iterable[Delivery]) -> None:
        """Post each delivery when it is due, or as soon as the exporter takes it when that is later.

        The events of a call keep their order, however many are on their way.

        Raises:
            DeliveryError: the exporter refuses the secret, or was never there.
        """
        slots = asyncio.Semaphore(CONNECTIONS)
        timeout, connector = ClientTimeout(total=TIMEOUT_SECONDS), TCPConnector(limit=CONNECTIONS)
        try:
            async with ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as posts:
                for delivery in deliveries:
                    await asyncio.sleep(delivery.at_ms / 1000 - time.time())
                    await slots.acquire()
                    post = posts.create_task(self._post(session, delivery, self._latest.get(delivery.call)))
                    self._latest[delivery.call] = post
                    post.add_done_callback(partial(self._done, slots, delivery.call))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def _done(self, slots: asyncio.Semaphore, call: str, post: asyncio.Task[None]) -> None:
        slots.release()
        if self._latest[call] is post:
            del self._latest[call]

    async def _post(self, session: ClientSession, delivery: Delivery, before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        url = self._endpoints[delivery.platform]
        self._tally.send(delivery)
        try:
            data = encode(delivery.body)
            headers = {"Content-Type": "application/json", **credentials(delivery.platform, self._secret, data)}
            async with session.post(url, data=data, headers=headers) as answer:
                await answer.read()
        except (ClientError, TimeoutError) as error:
            self._tally.unreachable += 1
            if not self._tally.answered:
                raise DeliveryError(
                    f"{url} cannot be reached ({_why(error)}): is voice-exporter serve running there?"
                ) from None
            return
        self._tally.answered[answer.status] += 1
        if answer.status == 401:
            raise DeliveryError(f"{url} answered 401: give its webhook secret in VOICE_EXPORTER_WEBHOOK_SECRET")


def _why(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else type(error).__name__


async def simulate(  # noqa: PLR0913, PLR0917 -- one for each option of the command line
    url: str,
    calls_per_minute: float,
    duration: float | None,
    scenario: str,
    seed: int,
    secret: str | None = None,
    *,
    out: TextIO,
    err: TextIO | None = None,
    time_scale: float = 1.0,
    platforms: tuple[PlatformName, ...] = PLATFORMS,
) -> int:
    """Send traffic to an exporter, write a summary and return the exit code: 1 when nothing was delivered.

    Cancelling ends the traffic in good order, with the summary.

    Args:
        url: the exporter's, such as http://127.0.0.1:10060.
        calls_per_minute: rate of new calls at the start; it then follows the time of day.
        duration: seconds after which no call starts and those in progress come to their end; None for ever.
        scenario: a name of SCENARIOS.
        seed: the same seed gives the same talk.
        secret: sent, or signed with, as each platform documents.
        out: takes the summary, and a progress line where it is a terminal.
        err: takes the one line that says why nothing can be delivered; standard error by default.
        time_scale: people talk so many times faster; services do not.
        platforms: whose events to send.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """
    _check(scenario, secret, calls_per_minute=calls_per_minute, duration=duration, time_scale=time_scale)
    start_ms = int(time.time() * 1000)
    deadline = None if duration is None else start_ms + int(duration * 1000)
    traffic = Traffic(calls_per_minute, platforms, time_scale, deadline_ms=deadline)
    tally = Tally()
    calls = arriving(seed, start_ms, SCENARIOS[scenario], traffic)
    sending = Sender(url, secret, tally).send(interleaved(calls))
    return await _watched(sending, tally, out, err or sys.stderr)


async def _watched(sending: Awaitable[None], tally: Tally, out: TextIO, err: TextIO) -> int:
    """Show how the sending goes and the outcome of it; the exit code."""
    progress = asyncio.create_task(_progress(tally, out))
    try:
        with suppress(asyncio.CancelledError):
            await sending
    except DeliveryError as error:
        print(error, file=err)
        return 1
    finally:
        progress.cancel()
        with suppress(asyncio.CancelledError):
            await progress
        tally.summary(out)
    return 0 if tally.delivered else 1


def _check(scenario: str, secret: str | None, **amounts: float | None) -> None:
    if scenario not in SCENARIOS:
        raise ValueError(f"scenario {scenario!r} is none of {', '.join(SCENARIOS)}")
    if secret and not secret.isprintable():
        raise ValueError("the webhook secret holds a line break or another control character")
    for name, amount in amounts.items():
        if amount is not None and not 0 < amount < float("inf"):
            raise ValueError(f"{name} must be above 0, not {amount}")


async def _progress(tally: Tally, out: TextIO) -> None:
    """The counts, twice a second, where somebody watches."""
    if not out.isatty():
        return
    try:
        while True:
            out.write(f"\r\033[K{tally.line()}")
            out.flush()
            await asyncio.sleep(0.5)
    finally:
        out.write("\r\033[K")
