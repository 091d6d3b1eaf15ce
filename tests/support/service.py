"""The exporter's applications in the test's own process, around a real recorder."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import Config
from exporter.metrics import exposition
from exporter.recording.ingest import Ingest
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.relay import DEFAULT_OPTIONS, RelayOptions
from exporter.service.app import web_app
from exporter.service.landing_page import Webhook
from exporter.service.pages import Pages
from exporter.service.scrapes import Scrapes
from exporter.store.base import Store
from exporter.store.memory import MemoryStore
from exporter.webhooks.handler import Webhooks


class Service:
    """An application and what it stands on."""

    def __init__(
        self,
        config: Config,
        recorder: Recorder,
        closed: Collection[str],
        relay: RelayOptions,
        *,
        lifecycle: bool,
    ) -> None:
        self.recorder = recorder
        self.activity = RecentActivity()
        self.fault: str | None = None
        self.webhooks = Webhooks(config, Ingest(recorder, self.activity), closed, relay)
        self.pages = Pages(
            recorder=recorder,
            scrapes=Scrapes(recorder),
            activity=self.activity,
            webhooks=self._describe_webhooks,
            storage="memory",
            reloads=lambda: self.fault,
            max_values=config.labels.max_values,
            lifecycle=lifecycle,
        )
        self.app = web_app(self.pages, self.webhooks, self.activity)

    def _describe_webhooks(self) -> list[Webhook]:
        return [Webhook(name, path, self.webhooks.receiver.wants(name)) for path, name in self.webhooks.paths.items()]

    def sample(self, name: str, **labels: str) -> float:
        """The value of the one sample that has these labels among its own; 0 where there is none."""
        text = b"".join(exposition.render(self.recorder.table, exposition.Format.TEXT, None, self.recorder.derived()))
        found = [
            sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1, found
        return found[0] if found else 0.0

    def refused(self) -> dict[tuple[str, str], float]:
        """Refused webhook requests by event and outcome."""
        text = b"".join(exposition.render(self.recorder.table, exposition.Format.TEXT, None, ()))
        return {
            (sample.labels["event"], sample.labels["outcome"]): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == "voice_exporter_webhooks_total" and sample.value
        }


@asynccontextmanager
async def running(
    config: Config | None = None,
    store: Store | None = None,
    closed: Collection[str] = (),
    relay: RelayOptions = DEFAULT_OPTIONS,
    *,
    lifecycle: bool = False,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Service]:
    """A service that takes events until the context ends."""
    config = config or Config()
    recorder = Recorder(config, store or MemoryStore(), clock=clock)
    recorder.load()
    await recorder.start()
    service = Service(config, recorder, closed, relay, lifecycle=lifecycle)
    await service.webhooks.start()
    try:
        yield service
    finally:
        await service.webhooks.stop()
        await recorder.stop()


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, but for the line that each hang and error of a call has."""
    return [record.message for record in caplog.records if record.name != "exporter.recording.incident_log"]
