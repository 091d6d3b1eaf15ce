"""What several replicas have that one exporter has not: a PostgreSQL, nginx in front, and a scrape of each."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from demo.processes import find
from tests.support.postgres import FAST, Postgres, installed
from tests.support.proxies import nginx

_EXAMPLE: Final = Path(__file__).parents[1] / "docs" / "examples" / "nginx-replicas.conf"


def database() -> Postgres:
    """A PostgreSQL in a temporary folder.

    Raises:
        RuntimeError: there is none on this machine.
    """
    if not installed("initdb"):
        raise RuntimeError("PostgreSQL is missing: on Debian make installs it, elsewhere put initdb on the PATH")
    return Postgres(FAST)


def add_scrapes(configuration: Path, replicas: Sequence[int]) -> None:
    """Have Prometheus scrape what each replica counts of itself."""
    prometheus = yaml.safe_load(configuration.read_text())
    prometheus["scrape_configs"].append(
        {
            "job_name": "voice-exporter-replicas",
            "metrics_path": "/metrics/replica",
            "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in replicas]}],
        }
    )
    configuration.write_text(yaml.safe_dump(prometheus))


def commands(storage: str, replicas: Sequence[int], exporter: int) -> dict[str, list[str]]:
    """Those of the replicas, by name."""
    serve = [sys.executable, "-m", "exporter", "serve", f"--storage.url={storage}"]
    address = f"--web.external-url=http://127.0.0.1:{exporter}"
    return {
        f"replica-{number}": [*serve, address, f"--web.listen-address=127.0.0.1:{port}"]
        for number, port in enumerate(replicas, 1)
    }


def proxy(folder: Path, replicas: Sequence[int], exporter: int) -> list[str]:
    """The command of an nginx as docs/examples has it, on the port that one exporter would have.

    Raises:
        RuntimeError: there is none on this machine.
    """
    text = _EXAMPLE.read_text().replace("listen 10060", f"listen 127.0.0.1:{exporter}")
    for number, port in enumerate(replicas, 1):
        text = text.replace(f"replica-{number}:10060", f"127.0.0.1:{port}")
    find("nginx")
    return nginx(folder, text)
