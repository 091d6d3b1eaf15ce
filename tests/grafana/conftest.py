"""A real Prometheus with the shipped rules that scraped a real exporter under simulated traffic."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from exporter import assets
from exporter.simulate import Traffic, bodies
from exporter.simulate.model import EVERY_PLATFORM, PLATFORMS
from tests.conftest import Running
from tests.grafana.boards import Target, filled, targets
from tests.support.servers import Prometheus
from tests.support.traffic import post_all
from tests.support.waiting import until

THRESHOLDS = "{scrape_interval: 1s, evaluation_interval: 5s}"
"""All rules every second would take more than a core."""
SCENARIOS = ("normal", "hang-storm", "llm-rate-limit", "audio-quality", "auth-failure", "network-timeout")
UNSUBSCRIBED = b"3f6c0d52-7a41-4e0b-9d3e-5b1f0a2c4e03"
CONFIG = """\
labels: {max_values: {tool: 2}}
alertmanager: {urls: ['http://127.0.0.1:1']}
sentiment: {enabled: true}
"""
"""So few tools that one has to be folded, an Alertmanager that nobody is, and everything that can be measured."""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an exporter."""
    folder = tmp_path_factory.mktemp("exporter")
    (folder / "config.yml").write_text(CONFIG)
    log = folder / "log"
    flags = [f"--config.file={folder / 'config.yml'}", f"--storage.path={folder}", "--web.listen-address=127.0.0.1:0"]
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "exporter", "serve", *flags], stdout=out, stderr=out)
    running = Running(process, log)
    try:
        running.wait_ready()
        yield running.addresses[0]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, exporter: str) -> Iterator[Prometheus]:
    """A Prometheus that scraped the exporter before any event came, with errors of yesterday from elsewhere."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "thresholds.yml").write_text(THRESHOLDS)
    assets.render(folder, folder / "thresholds.yml", say=lambda _line: None)
    _errors_before(folder)
    config = {
        "rule_files": [str(folder / "rules" / "*.rules.yml")],
        "storage": {"exemplars": {"max_exemplars": 10_000}},
    }
    with Prometheus(folder, {"voice-exporter": exporter}, config, "--enable-feature=exemplar-storage") as prometheus:
        _await_scrape(prometheus)
        yield prometheus


@pytest.fixture(scope="module")
def before(idle: Prometheus) -> set[str]:
    """Names of the queries that have data before the first event."""
    return {target.name for target in targets() if has_data(idle, target)}


@pytest.fixture(scope="module")
def busy(idle: Prometheus, exporter: str, before: set[str]) -> Prometheus:  # noqa: ARG001 - that was before this
    """The same after calls of every kind, in rounds with scrapes between them."""
    for scenario in SCENARIOS:
        _send(exporter, scenario)
        _await_scrape(idle)
    return idle


def has_data(prometheus: Prometheus, target: Target) -> bool:
    """Whether a query has data, asked as Grafana asks, with everything chosen."""
    expr = filled(target.json["expr"], ".+")
    return bool(prometheus.query(expr) if target.json.get("instant") else prometheus.series(expr, 300.0, 5.0))


def _await_scrape(prometheus: Prometheus) -> None:
    """Wait until what there is now has been scraped."""
    since = time.time()
    until("a scrape", lambda: (prometheus.value("min(timestamp(up))") or 0) > since)


def _send(address: str, scenario: str) -> None:
    """Calls that began within the last minutes; a few events get lost, one assistant does not send hangs."""
    start_ms = int(time.time() * 1000) - 600_000
    others = Traffic(platforms=tuple(name for name in EVERY_PLATFORM if name not in PLATFORMS))
    sent = chain(bodies(5, 20, scenario, start_ms=start_ms), bodies(6, 12, scenario, start_ms=start_ms, traffic=others))
    post_all(
        address, [(platform, _silenced(platform, body)) for number, (platform, body) in enumerate(sent) if number % 9]
    )
    with closing(http.client.HTTPConnection(address)) as connection:
        connection.request("POST", "/webhook/vapi", b"[]")
        assert connection.getresponse().status == 400


def _silenced(platform: str, body: bytes) -> bytes:
    """The body, in which one assistant does not send hangs."""
    silent = platform == "vapi" and UNSUBSCRIBED in body and b'"type":"hang"' not in body
    return body.replace(b'"hang",', b"") if silent else body


def _errors_before(folder: Path) -> None:
    """Two hours of errors that ended 15 minutes ago: what a spike is compared with."""
    labels = '{job="voice-exporter",instance="before",platform="vapi",assistant_id="a",provider="openai"}'
    now = int(time.time())
    lines = [f"voice_errors_total{labels} {at % 97} {now - 900 - 7200 + 60 * at}" for at in range(120)]
    text = folder / "before.om"
    text.write_text("\n".join(["# TYPE voice_errors counter", *lines, "# EOF\n"]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "tsdb")]
    subprocess.run(command, check=True, capture_output=True)
