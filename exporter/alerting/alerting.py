"""Alerting in one running process: the board and a pusher for each Alertmanager, as the configuration says."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

import aiohttp

from exporter.alerting.alert import AlertLinks
from exporter.alerting.board import Board
from exporter.alerting.pusher import Pusher
from exporter.calls.incident import HangEnd, Incident
from exporter.config import Alertmanager
from exporter.errors import ConfigError, Fault
from exporter.recording.recorder import Recorder


class Alerting:
    """Watches incidents and pushes alerts; nothing of it is in the way of a webhook.

    Args:
        recorder: has the incidents.
        external_url: where this exporter is reached, for links.
    """

    def __init__(self, recorder: Recorder, external_url: str) -> None:
        self._recorder = recorder
        self._external_url = external_url
        self._run: _Run | None = None
        self._started = False
        self._settings = Alertmanager()
        self._ending: set[asyncio.Task[None]] = set()
        recorder.incidents.watchers.append(self._take)

    def prepare(self, settings: Alertmanager) -> Callable[[], None]:
        """Build what new settings need; the result takes them.

        Raises:
            ConfigError: the certificates can't be used.
        """
        if self._run and settings == self._settings:
            return lambda: None
        run = _Run(settings, self._recorder, self._external_url) if settings.urls else None

        def take() -> None:
            before, self._run, self._settings = self._run, run, settings
            if before:
                self._recorder.metrics.alerts_active(0)
                ending = asyncio.get_running_loop().create_task(before.stop())
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
            if run and self._started:
                run.start()

        return take

    def start(self) -> None:
        """Begin to push, with what an earlier process left."""
        self._started = True
        if self._run:
            self._run.start()

    async def stop(self) -> None:
        """Push no more; what is true is pushed again by the next process."""
        self._started = False
        if self._run:
            await self._run.stop()
        await asyncio.gather(*self._ending)

    def _take(self, incidents: Sequence[Incident], ends: Sequence[HangEnd], *, own: bool) -> None:
        if self._run:
            self._run.take(incidents, ends, own=own)


class _Run:
    """What runs under one configuration."""

    def __init__(self, settings: Alertmanager, recorder: Recorder, external_url: str) -> None:
        self._settings = settings
        self._recorder = recorder
        self._tls = _tls(settings)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []
        links = AlertLinks(external_url, settings.grafana_url)
        metrics = recorder.metrics
        self._board = Board(
            settings,
            links,
            recorder.assistant_name,
            lambda: metrics.alerts_pushed("dropped"),
            listed=recorder.incidents.get if recorder.shared else lambda _: True,
        )
        self._pushers = [Pusher(url, self._open, self._board, metrics, lambda: recorder.leads) for url in settings.urls]

    def start(self) -> None:
        """Begin to push."""
        self._recorder.metrics.begin_alerting()
        self._board.restore(self._recorder.incidents.latest())
        self._tasks = [asyncio.create_task(pusher.run()) for pusher in self._pushers]

    async def stop(self) -> None:
        """Push no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def take(self, incidents: Sequence[Incident], ends: Sequence[HangEnd], *, own: bool) -> None:
        """Take what became durable just now."""
        if self._tasks:
            self._board.take(incidents, ends, own=own)
            for pusher in self._pushers:
                pusher.wake()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Authorization": self._settings.authorization} if self._settings.authorization else {}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls), headers=headers, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _tls(settings: Alertmanager) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        fault = Fault(str(settings.ca_file), "", None, "is no file of certificates in PEM")
        raise ConfigError(fault) from None
