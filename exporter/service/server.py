"""One run of the exporter: what it is made of, what signals do, and a stop that loses nothing."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvloop

from exporter import __version__, config
from exporter.alerting import Alerting
from exporter.config import Config, web
from exporter.http import addresses, listeners, systemd
from exporter.http.access import AccessControl, WebConfig
from exporter.http.connection_limit import ConnectionLimit
from exporter.http.listeners import Listener
from exporter.logs import log
from exporter.recording.ingest import Ingest
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.relay import RelayOptions
from exporter.service import open_access, storage
from exporter.service.app import is_webhook, web_app, webhook_app
from exporter.service.landing_page import Webhook
from exporter.service.pages import Pages
from exporter.service.reload import Prepare, Reloader
from exporter.service.scrapes import Scrapes
from exporter.webhooks.handler import Webhooks

_OTHER_FILES: Final = 256
"""File descriptors beside those of connections: the store, its threads' files, sockets to listen on, a margin."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line.

    Attributes:
        config_file: the configuration, if any.
        web_config_file: TLS and basic auth, if any.
        web_addresses: where to listen; none leaves it to whether there is a secret.
        webhook_addresses: listeners of their own for the webhooks, if any.
        telemetry_path: path of the metrics.
        external_url: where links to the exporter lead; None: this machine's name and the port listened on.
        storage: directory of the store; None keeps everything in memory.
        storage_url: instead: a database that several processes share.
        lifecycle: whether reloading by HTTP is enabled.
    """

    config_file: Path | None = None
    web_config_file: Path | None = None
    web_addresses: Sequence[str] = ()
    webhook_addresses: Sequence[str] = ()
    telemetry_path: str = "/metrics"
    external_url: str | None = None
    storage: Path | None = None
    storage_url: str | None = None
    lifecycle: bool = False


def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigError: the configuration or the web configuration is wrong.
        OpenAccessError: untrusted clients could post.
        AddressError: an address is malformed.
        OSError: an address can't be listened on.
        StorageError: the store can't be opened.
        MissingDriverError: the database needs a package that is not installed.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = config.load(options.config_file)
    web_config = web.load(options.web_config_file)
    sockets = addresses.sockets(_web_addresses(options, settings), options.webhook_addresses)
    try:
        exporter = _Exporter(options, settings, web_config, sockets)
        uvloop.run(exporter.run())
        if exporter.recorder.abandoned:
            # The thread that hangs in the disk would be waited for; what was answered 200 is kept already.
            os._exit(1)
    finally:
        for sock in chain.from_iterable(sockets.values()):
            sock.close()


def _web_addresses(options: Options, settings: Config) -> Sequence[str]:
    default = ":10060" if open_access.has_secret(settings.webhooks.platforms) else "127.0.0.1:10060"
    return options.web_addresses or [default]


def _affordable(settings: Config) -> int:
    """Connections that the process has file descriptors for; it may have to ask for them, or take fewer.

    Each may need a second one to an application behind a relay. Many systems give 1024 unless asked.
    """
    limits, soft, hard = settings.limits, *resource.getrlimit(resource.RLIMIT_NOFILE)
    each = 2 if any(platform.relay for platform in settings.webhooks.platforms.values()) else 1
    wanted = limits.max_connections * each + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits.max_connections
    connections = max(1, (soft - min(_OTHER_FILES, soft // 2)) // each)
    log(
        _log,
        logging.WARNING,
        "fewer connections than configured: the limit of open files is too low",
        connections=connections,
        max_connections=limits.max_connections,
        open_files=soft,
        remedy=f"raise it to {wanted} (LimitNOFILE, ulimit -Hn)",
    )
    return connections


class _Exporter:
    """Everything of one run, put together."""

    def __init__(
        self, options: Options, settings: Config, web_config: WebConfig, sockets: Mapping[str, Sequence[socket.socket]]
    ) -> None:
        public = not all(map(addresses.is_local, sockets.get("webhook") or sockets["web"]))
        closed = open_access.closed(settings.webhooks.platforms, public=public)
        _tell(settings, closed, public=public)
        self._sockets = sockets
        self._storage, store = storage.opened(options.storage, options.storage_url)
        self._tls = web_config.ssl_context()
        self._external_url = options.external_url or addresses.url(sockets["web"][0], tls=self._tls is not None)
        self._activity = RecentActivity()
        known = {socket.gethostname().lower(), urlsplit(self._external_url).hostname or ""}
        self.recorder = Recorder(settings, store)
        ingest = Ingest(self.recorder, self._activity)
        self._webhooks = Webhooks(settings, ingest, closed, RelayOptions(options.storage), known)
        self._alerting = Alerting(self.recorder, self._external_url)
        self._alerting.prepare(settings.alertmanager)()
        self._sentiment = ingest.sentiment
        self._sentiment.prepare(settings.sentiment)()
        self._connections = ConnectionLimit(_affordable(settings))
        self._guard = AccessControl(web_config, is_webhook, known)
        self._reloader = Reloader(
            config_file=options.config_file,
            web_config_file=options.web_config_file,
            public=public,
            current=settings,
            parts=self._parts(),
            metrics=self.recorder.metrics,
        )
        self._pages = self._make_pages(options, settings)

    def _parts(self) -> Sequence[Prepare]:
        """What a reload prepares, and takes over once all of it is prepared."""
        return (
            lambda files: self._guard.prepare(files.web),
            lambda files: self._webhooks.prepare(files.config, files.closed),
            lambda files: partial(self.recorder.configure, files.config),
            lambda files: self._alerting.prepare(files.config.alertmanager),
            lambda files: self._sentiment.prepare(files.config.sentiment),
            lambda files: partial(self._take_limits, files.config),
        )

    def _make_pages(self, options: Options, settings: Config) -> Pages:
        return Pages(
            recorder=self.recorder,
            scrapes=Scrapes(self.recorder),
            activity=self._activity,
            webhooks=self._describe_webhooks,
            storage=self._storage,
            reloads=self._reloader.reload,
            analyser=lambda: self._sentiment.analyser,
            max_values=settings.labels.max_values,
            telemetry_path=options.telemetry_path,
            lifecycle=options.lifecycle,
        )

    def _describe_webhooks(self) -> list[Webhook]:
        """What an operator needs to connect each platform."""
        base = self._external_url.rstrip("/")
        receiver, is_relayed = self._webhooks.receiver, self._webhooks.is_relayed
        return [
            Webhook(name, f"{base}{path}", receiver.wants(name), is_relayed(name))
            for path, name in self._webhooks.paths.items()
        ]

    def _take_limits(self, settings: Config) -> None:
        self._connections.limit = _affordable(settings)

    async def run(self) -> None:
        """Serve until told to stop, then finish what is in flight."""
        stop = self._on_signals()
        self.recorder.load()
        _spare_garbage_collector()
        await self.recorder.start()
        try:
            self._reloader.succeeded()
            self.recorder.metrics.reachable_at(self._external_url)
            self._alerting.start()
            await self._webhooks.start()
            listening = await self._listen()
            systemd.notify("READY=1")
            log(_log, logging.INFO, "ready", version=__version__, url=self._external_url, storage=self._storage)
            await stop.wait()
            systemd.notify("STOPPING=1")
            log(_log, logging.INFO, "stopping")
            self.recorder.begin_stop()
            await listeners.stop(listening, self._connections)
        finally:
            await self._webhooks.stop()
            await self.recorder.stop()
            await self._alerting.stop()

    async def _listen(self) -> list[Listener]:
        apart = self._sockets.get("webhook", ())
        listening = []
        for sock in self._sockets["web"]:
            app = web_app(self._pages, None if apart else self._webhooks, self._activity)
            self._guard.install(app, local=sock.family != socket.AF_UNIX and addresses.is_local(sock))
            listening.append(await listeners.start(app, sock, self._connections, self._tls))
        for sock in apart:
            app = webhook_app(self._webhooks, self._activity)
            listening.append(await listeners.start(app, sock, self._connections))
        return listening

    def _on_signals(self) -> asyncio.Event:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_stop() -> None:
            if stop.is_set():
                # What was answered 200 is kept already.
                os._exit(1)
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, on_stop)
        loop.add_signal_handler(signal.SIGINT, on_stop)
        terminals = _terminals()

        def on_hangup() -> None:
            # The terminal that goes sends SIGHUP, too; what ran in it ends with it.
            if terminals and not _terminals():
                on_stop()
            else:
                self._reload()

        loop.add_signal_handler(signal.SIGHUP, on_hangup)
        return stop

    def _reload(self) -> None:
        systemd.notify(systemd.reloading())
        self._reloader.reload()
        systemd.notify("READY=1")


def _terminals() -> set[int]:
    """Which of the standard streams are a terminal that is there."""
    return {stream for stream in (0, 1, 2) if os.isatty(stream)}


def _spare_garbage_collector() -> None:
    """Leave what was loaded out of every collection, and collect after thousands of new objects, not hundreds.

    What a request makes is freed without the collector; it is for the rare cycle behind an error.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def _tell(settings: Config, closed: frozenset[str], *, public: bool) -> None:
    if not open_access.has_secret(settings.webhooks.platforms):
        log(_log, logging.WARNING, "no webhook secret is configured", clients="any" if public else "of this machine")
    for name in sorted(closed):
        remedy = f"set webhooks.{name}.secrets, or auth: {{type: none}} to accept unauthenticated requests"
        log(_log, logging.WARNING, "the webhook has no secret and rejects all requests", platform=name, remedy=remedy)
