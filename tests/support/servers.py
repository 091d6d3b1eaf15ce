"""The real Prometheus, started for a test."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.programs import INSTALLED, Programs
from tests.support.waiting import until


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Prometheus:
    """A Prometheus server in a folder of its own.

    Args:
        folder: for its configuration and data.
        targets: addresses to scrape every second, by job name.
        config: what else its configuration has.
        flags: what else its command line has.
        programs: whose Prometheus.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, str],
        config: Mapping[str, Any] | None = None,
        *flags: str,
        programs: Programs = INSTALLED,
    ) -> None:
        self._program = programs.path("prometheus")
        self._folder = folder
        self._flags = flags
        self.url = f"http://127.0.0.1:{free_port()}"
        scrapes = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
        intervals = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        self._config = {"global": intervals, "scrape_configs": scrapes} | dict(config or {})

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(self._config))
        self._log = (self._folder / "prometheus.log").open("wb")
        address = urllib.parse.urlsplit(self.url).netloc
        self._process = subprocess.Popen(
            [
                self._program,
                f"--config.file={path}",
                f"--storage.tsdb.path={self._folder / 'tsdb'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={address}",
                *self._flags,
            ],
            stderr=self._log,
        )
        until("Prometheus is ready", self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._log.close()

    @property
    def log(self) -> str:
        """All that it logged so far."""
        return (self._folder / "prometheus.log").read_text()

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Labels and values of an instant query."""
        parameters = {"query": expression} | ({} if at is None else {"time": str(at)})
        found = self._get(f"/api/v1/query?{urllib.parse.urlencode(parameters)}")["result"]
        return [(row["metric"], float(row["value"][1])) for row in found]

    def value(self, expression: str, at: float | None = None) -> float | None:
        """The only value of an instant query; None where there is none."""
        rows = self.query(expression, at)
        assert len(rows) <= 1, rows
        return rows[0][1] if rows else None

    def series(self, expression: str, seconds: float, step: float = 1.0) -> list[dict[str, str]]:
        """Labels of the series that a query over the last seconds has."""
        end = time.time()
        asked = {"query": expression, "start": end - seconds, "end": end, "step": step}
        return [row["metric"] for row in self._get(f"/api/v1/query_range?{urllib.parse.urlencode(asked)}")["result"]]

    def exemplars(self, expression: str, seconds: float) -> list[dict[str, str]]:
        """Labels of the exemplars of the last seconds."""
        end = time.time()
        asked = {"query": expression, "start": end - seconds, "end": end}
        found = self._get(f"/api/v1/query_exemplars?{urllib.parse.urlencode(asked)}")
        return [exemplar["labels"] for row in found for exemplar in row["exemplars"]]

    def targets(self) -> list[dict[str, Any]]:
        """The scrape targets with their health and last error."""
        targets: list[dict[str, Any]] = self._get("/api/v1/targets")["activeTargets"]
        return targets

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310 - our own URL
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str) -> Any:  # noqa: ANN401 - whatever the API has
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - our own URL
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
