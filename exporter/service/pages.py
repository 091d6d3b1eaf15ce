"""What the exporter shows to its operator and to Prometheus: metrics, health, readiness, reload, landing page."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from exporter.metrics import exposition
from exporter.metrics.catalogue import LABEL_VALUES
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.service import landing_page, runbook_pages

SCRAPE_SECONDS: Final = 60.0
"""Time that a client may take to read a scrape; Prometheus gives up earlier, at its scrape timeout."""


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Handlers of everything but the webhooks.

    Attributes:
        recorder: the metrics and the state they are in.
        activity: what the landing page shows.
        reloads: reloads the configuration; the fault in one line, None where all is well.
        max_values: limits of the free labels.
        telemetry_path: path of the metrics.
        lifecycle: whether reloading by HTTP is enabled.
    """

    recorder: Recorder
    activity: RecentActivity
    reloads: Callable[[], str | None]
    max_values: Mapping[str, int]
    telemetry_path: str = "/metrics"
    lifecycle: bool = False

    async def healthy(self, _request: web.Request) -> web.Response:
        """Answer 200: the process lives."""
        return web.Response(text="healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer 200 when an event can be accepted and kept, else 503 with the reason."""
        reason = self.recorder.ready
        return web.Response(text="ready\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    async def reload(self, _request: web.Request) -> web.Response:
        """Reload the configuration: 200, 400 with the fault (the old one stays in force), or 403."""
        if not self.lifecycle:
            return web.Response(status=403, text="reloading by HTTP is off: start with --web.enable-lifecycle\n")
        fault = self.reloads()
        return web.Response(text="reloaded\n") if fault is None else web.Response(status=400, text=f"{fault}\n")

    async def landing(self, _request: web.Request) -> web.Response:
        """The landing page."""
        page = landing_page.Page(
            not_ready=self.recorder.ready,
            links=(self.telemetry_path, runbook_pages.PATH, "/-/healthy", "/-/ready"),
            labels=self._label_values(),
            activity=self.activity,
        )
        return web.Response(text=landing_page.render(page), headers=landing_page.HEADERS)

    def _label_values(self) -> list[tuple[str, int, int]]:
        used = {labels[0]: count for labels, count in dict(self.recorder.derived()).get(LABEL_VALUES, ())}
        return [(label, used.get(label, 0), limit) for label, limit in self.max_values.items()]

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Stream the metrics in the format that the client accepts, letting others run after each chunk."""
        fmt = exposition.negotiate(request.headers.get(hdrs.ACCEPT, ""))
        names = frozenset(request.query.getall("name[]", ())) or None
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: fmt.value, hdrs.VARY: "Accept, Accept-Encoding"})
        chunks = exposition.render(self.recorder.table, fmt, names, self.recorder.derived())
        if _accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
            chunks = exposition.gzipped(chunks)
        try:
            async with asyncio.timeout(SCRAPE_SECONDS):
                await response.prepare(request)
                for chunk in chunks if request.method == hdrs.METH_GET else ():
                    await response.write(chunk)
                    await asyncio.sleep(0)
        except (TimeoutError, ConnectionError):
            # Half a scrape must not look like a whole one.
            request.protocol.force_close()
        return response


def _accepts_gzip(accept_encoding: str) -> bool:
    for coding in accept_encoding.lower().split(","):
        name, _, parameters = coding.partition(";")
        if name.strip() == "gzip":
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
