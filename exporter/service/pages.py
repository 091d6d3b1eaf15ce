"""What the exporter shows to its operator and to Prometheus: metrics, health, readiness, reload, landing page."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from aiohttp import hdrs, web

from exporter import DOCS
from exporter.http.browsers import is_cross_site
from exporter.metrics.catalogue import LABEL_VALUES, LAST_EVENT
from exporter.metrics.exposition import Part
from exporter.metrics.metric import NANO
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.service import incidents_page, landing_page, runbook_pages
from exporter.service.scrapes import Scrapes


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Handlers of everything but the webhooks.

    Attributes:
        recorder: the state that is shown.
        scrapes: answers with the metrics.
        activity: what the landing page shows.
        webhooks: the platforms' webhooks, without their last events.
        storage: where events are kept, in words.
        reloads: reloads the configuration; the fault in one line, None where all is well.
        max_values: limits of the free labels.
        telemetry_path: path of the metrics.
        lifecycle: whether reloading by HTTP is enabled.
        analyser: what judges the text of user messages; empty where nothing does.
    """

    recorder: Recorder
    scrapes: Scrapes
    activity: RecentActivity
    webhooks: Callable[[], Iterable[landing_page.Webhook]]
    storage: str
    reloads: Callable[[], str | None]
    max_values: Mapping[str, int]
    telemetry_path: str = "/metrics"
    lifecycle: bool = False
    analyser: Callable[[], str] = str

    async def healthy(self, _request: web.Request) -> web.Response:
        """Answer 200: the process lives."""
        return web.Response(text="healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer 200 when an event can be accepted and kept, else 503 with the reason."""
        reason = self.recorder.ready
        return web.Response(text="ready\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    async def reload(self, request: web.Request) -> web.Response:
        """Reload the configuration: 200, 400 with the fault (the old one stays in force), or 403."""
        if not self.lifecycle:
            return web.Response(status=403, text="reloading by HTTP is off: start with --web.enable-lifecycle\n")
        # A browser sends along the password that it knows, whoever makes it ask.
        if is_cross_site(request.headers):
            return web.Response(status=403, text="a browser sends this for another site\n")
        fault = self.reloads()
        return web.Response(text="reloaded\n") if fault is None else web.Response(status=400, text=f"{fault}\n")

    async def landing(self, _request: web.Request) -> web.Response:
        """The landing page."""
        page = landing_page.Page(
            not_ready=self.recorder.ready,
            storage=self.storage,
            webhooks=[replace(webhook, last=self._last_events(webhook.platform)) for webhook in self.webhooks()],
            links={
                self.telemetry_path: "Metrics",
                incidents_page.PATH: "Incidents",
                runbook_pages.PATH: "Runbooks",
                "/-/healthy": "Health",
                "/-/ready": "Readiness",
                DOCS: "Documentation",
            },
            labels=self._label_values(),
            activity=self.activity,
            analyser=self.analyser(),
        )
        return web.Response(text=landing_page.render(page), headers=landing_page.HEADERS)

    def _last_events(self, platform: str) -> dict[str, float]:
        [family] = (family for family in self.recorder.table.families() if family.metric is LAST_EVENT)
        return {series.labels[1]: series.cells[0] / NANO for series in family.series if series.labels[0] == platform}

    async def incidents(self, request: web.Request) -> web.Response:
        """The last hangs, errors and escalations, as JSON where the client asks for that."""
        await self.recorder.refresh()
        found = incidents_page.selected(self.recorder.incidents.latest(), request.query)
        name = self.recorder.assistant_name
        if incidents_page.wants_json(request.headers.get(hdrs.ACCEPT, "")):
            headers = {**incidents_page.HEADERS, hdrs.CONTENT_TYPE: "application/json"}
            return web.Response(body=await asyncio.to_thread(incidents_page.to_json, found, name), headers=headers)
        text = await asyncio.to_thread(incidents_page.render, found, request.query, name)
        return web.Response(text=text, headers=incidents_page.HEADERS)

    def _label_values(self) -> list[tuple[str, int, int]]:
        used = {labels[0]: count for labels, count in dict(self.recorder.derived()).get(LABEL_VALUES, ())}
        return [(label, used.get(label, 0), limit) for label, limit in self.max_values.items()]

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The metrics in the format that the client accepts; where several processes share them, those they share."""
        return await self.scrapes.answer(request, Part.SHARED if self.recorder.shared else Part.ALL)

    async def replica_metrics(self, request: web.Request) -> web.StreamResponse:
        """What this process counts of itself, where several share the others."""
        return await self.scrapes.answer(request, Part.OWN)
