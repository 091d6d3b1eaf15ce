"""A real Prometheus behind a load balancer sees one exporter, whichever replicas die."""

import asyncio
import json
from functools import partial
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from exporter.assets import render
from exporter.assets.counting import grown
from exporter.assets.promql import Level
from exporter.metrics.catalogue import METRICS
from tests.crash.harness import Ledger, Sent
from tests.crash.replicas import Replica
from tests.grafana.boards import targets
from tests.grafana.conftest import has_data
from tests.grafana.test_live import MAY_BE_EMPTY
from tests.support.balancer import Balancer
from tests.support.postgres import Postgres
from tests.support.servers import Prometheus, free_port
from tests.support.waiting import until

KILLS: Final = 3
FIRING: Final = (
    'ALERTS{alertname=~"VoiceExporter.+|VoiceTrafficMissing", alertname!="VoiceExporterEventsLate",'
    ' alertstate="firing"}'
)
"""Alerts of calls may fire: calls hang, and providers fail. The events are of another day, and so late."""
DOWN: Final = 'ALERTS{alertname="VoiceExporterDown", job="replicas"}'
"""Not even pending: a replica that is down has an alert of its own."""


class Site:
    """Three replicas, and who sends to them.

    Attributes:
        ledger: what was sent and answered.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.replicas = [Replica(folder, number, url, free_port()) for number in range(3)]
        self.ledger = Ledger(Random(11))

    async def deliver(self, address: str, calls: list[list[Sent]]) -> None:
        """Send calls at once, the events of each one after the other, until each event is answered 200."""

        async def send(session: aiohttp.ClientSession, call: list[Sent]) -> None:
            for sent in call:
                self.ledger.attempt(sent)
                for pause in repeat(0.1):
                    if await self._is_kept(session, address, sent):
                        break
                    await asyncio.sleep(pause)
                self.ledger.acknowledge(sent)

        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            await asyncio.gather(*(send(session, call) for call in calls))

    async def _is_kept(self, session: aiohttp.ClientSession, address: str, sent: Sent) -> bool:
        try:
            body = json.dumps(sent.body).encode()
            async with session.post(f"http://{address}/webhook/{sent.platform}", data=body) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def kill_one_after_the_other(self) -> None:
        """Kill -9 a replica and start it again, several times."""
        for number in range(KILLS):
            replica = self.replicas[number % 3]
            replica.kill()
            await replica.start()


def scraping(folder: Path, address: str, replicas: list[Replica]) -> dict[str, object]:
    """A configuration with the shipped rules, which look each second here, and the two jobs of docs/replicas.md."""
    thresholds = folder / "thresholds.yml"
    thresholds.write_text("scrape_interval: 1s\nevaluation_interval: 1s\n")
    render(folder / "assets", thresholds, say=lambda _: None)
    each = [urlsplit(replica.url).netloc for replica in replicas]
    return {
        "rule_files": [str(folder / "assets" / "rules" / "*.rules.yml")],
        "scrape_configs": [
            {"job_name": "voice", "static_configs": [{"targets": [address]}]},
            {"job_name": "replicas", "metrics_path": "/metrics/replica", "static_configs": [{"targets": each}]},
        ],
    }


async def test_prometheus_through_a_load_balancer(tmp_path: Path, postgres: Postgres) -> None:
    """What it counts is what was sent, no counter falls, and no alert knows of a replica that starts again."""
    site = Site(tmp_path, postgres.database())
    try:
        await asyncio.gather(*(replica.start() for replica in site.replicas))
        async with Balancer(lambda: [replica.url for replica in site.replicas]) as balancer:
            config = scraping(tmp_path, balancer.address, site.replicas)
            prometheus = Prometheus(tmp_path / "prometheus", {}, config)
            await asyncio.to_thread(prometheus.__enter__)
            try:
                await asyncio.to_thread(all_are_up, prometheus)
                killing = asyncio.create_task(site.kill_one_after_the_other())
                while not killing.done():
                    await site.deliver(balancer.address, [site.ledger.call() for _ in range(3)])
                await killing
                await asyncio.to_thread(agrees, prometheus, site.ledger)
            finally:
                await asyncio.to_thread(prometheus.__exit__)
    finally:
        for replica in site.replicas:
            if replica.url:
                replica.kill()


def all_are_up(prometheus: Prometheus) -> None:
    """Wait until Prometheus has scraped the address of all, and each replica."""
    until("all are up", lambda: prometheus.value("sum(up)") == 4)


def agrees(prometheus: Prometheus, ledger: Ledger) -> None:
    """Hold what Prometheus has against the ledger."""
    expected = {name: count for name, count in ledger.totals(attempted=False).items() if count}
    assert sum(expected.values()) > 100

    def has(name: str, count: int) -> bool:
        # What rules take for increase(), which sees no first event and guesses at the window's ends.
        return prometheus.value(grown(METRICS[name], Level(("job",)), 3600.0)) == count

    for name, count in expected.items():
        until(f"increase of {name} is {count}", partial(has, name, count))
        assert prometheus.value(f'sum(resets({name}{{job="voice"}}[1h]))') == 0
        created = f"{METRICS[name].family}_created"
        assert prometheus.value(f'sum(changes({created}{{job="voice"}}[1h]))') == 0
    all_are_up(prometheus)
    for target in targets():
        if MAY_BE_EMPTY.get(target.name) == "where no database is shared":
            until(target.name, partial(has_data, prometheus, target))
    restarts = 'changes(process_start_time_seconds{job="replicas"}[1h]) > 0'
    until("restarts are seen", partial(prometheus.query, restarts))
    assert prometheus.value("count(count by (alertname) (ALERTS))")
    assert prometheus.series(FIRING, 600.0) == []
    assert prometheus.series(DOWN, 600.0) == []
