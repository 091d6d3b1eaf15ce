"""The real Alertmanager, with the shipped routes and inhibitions, and who gets its notifications."""

import http.client
import json
import signal
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

import yaml

from tests.support.certificates import Authority
from tests.support.programs import INSTALLED, Programs
from tests.support.servers import free_port
from tests.support.waiting import until

SHIPPED: Final = Path(__file__).parents[2] / "rules" / "alertmanager.yml"
WAITS: Final = {"page": "0s", "operators": "0s", "tickets": "3s", "dead-mans-switch": "0s"}
"""How long each receiver's first notification waits, in place of minutes; tickets after pages, as shipped."""
Alert: TypeAlias = Mapping[str, Any]
"""What Prometheus posts of an alert: labels, annotations, when it ended."""


@dataclass(frozen=True)
class Notification:
    """One alert as a receiver got it."""

    receiver: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]


class Receivers:
    """Stands for every receiver: an HTTP server that remembers what it is told, on paths named as they are.

    Attributes:
        got: the alerts of Alertmanager's own webhook messages.
        messages: every message as it came, and the receiver's name.
        authorizations: what each message proved itself with.
    """

    def __init__(self) -> None:
        self.got: list[Notification] = []
        self.messages: list[tuple[str, Any]] = []
        self.authorizations: list[str | None] = []
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.path.strip("/")
                receivers.authorizations.append(self.headers["Authorization"])
                receivers.messages.append((name, body))
                receivers.got += [
                    Notification(name, alert["status"], alert["labels"], alert["annotations"])
                    for alert in (body.get("alerts", ()) if isinstance(body, dict) else ())
                ]
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, receiver: str, name: str, status: str = "firing") -> list[Notification]:
        """What a receiver was told of an alert."""
        return [got for got in self.got if (got.receiver, got.name, got.status) == (receiver, name, status)]


class Alertmanager:
    """An Alertmanager in a folder of its own, with the shipped routes, shorter waits, and receivers of the test.

    Args:
        folder: for its configuration and data.
        receivers: get its notifications.
        programs: whose Alertmanager.
        words: what PagerDuty and Slack would get goes to the receivers, in place of Alertmanager's own messages.
        waits: how long first notifications wait, by receiver; by default, as shipped.
        config: a configuration whose receivers stay as they are, in place of the shipped one.
        authority: signs its certificate; without one it speaks plain HTTP.
    """

    def __init__(
        self,
        folder: Path,
        receivers: Receivers,
        programs: Programs = INSTALLED,
        *,
        words: bool = False,
        waits: Mapping[str, str] = WAITS,
        config: dict[str, Any] | None = None,
        authority: Authority | None = None,
    ) -> None:
        self._given = config
        self._identity = authority and authority.issue("alertmanager", "IP:127.0.0.1")
        self._trust = ssl.create_default_context(cafile=authority.identity.cert) if authority else None
        self._program = programs.path("prometheus-alertmanager")
        self._words = words
        self._waits = waits
        self._folder = folder
        self._receivers = receivers
        self.url = f"http{'s' if authority else ''}://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump(self._config()))
        web = self._folder / "web.yml"
        tls = self._identity and {"cert_file": str(self._identity.cert), "key_file": str(self._identity.key)}
        web.write_text(yaml.safe_dump({"tls_server_config": tls} if tls else {}))
        self._log = (self._folder / "alertmanager.log").open("wb")
        self._process = subprocess.Popen(
            [
                self._program,
                f"--config.file={path}",
                f"--web.config.file={web}",
                f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address={urlsplit(self.url).netloc}",
                "--cluster.listen-address=",
            ],
            stderr=self._log,
        )
        until("Alertmanager is ready", self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._log.close()

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._given or yaml.safe_load(SHIPPED.read_text())
        for route in _routes(config["route"]):
            route["group_interval"] = "1s"
            if wait := self._waits.get(route["receiver"]):
                route["group_wait"] = wait
        for receiver in () if self._given else config["receivers"]:
            url = f"{self._receivers.url}/{receiver['name']}"
            if not (self._words and _worded(receiver, url)):
                kept = receiver["name"]
                receiver.clear()
                receiver |= {"name": kept, "webhook_configs": [{"url": url}]}
        return config

    def post(self, *alerts: Mapping[str, str]) -> None:
        """Raise alerts with these labels, as Prometheus does."""
        self.send(*({"labels": labels} for labels in alerts))

    def send(self, *alerts: Alert) -> None:
        """Say of alerts what Prometheus says."""
        body = json.dumps(alerts).encode()
        request = urllib.request.Request(  # noqa: S310 - our own URL
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        self._open(request).close()

    def alerts(self) -> list[tuple[dict[str, str], str]]:
        """Labels and state of each alert: active, suppressed, or unprocessed."""
        with self._open(f"{self.url}/api/v2/alerts") as answer:
            found = json.load(answer)
        return [(alert["labels"], alert["status"]["state"]) for alert in found]

    def state(self, **labels: str) -> str | None:
        """State of the only alert with these labels; None where there is none."""
        states = [state for found, state in self.alerts() if labels.items() <= found.items()]
        assert len(states) <= 1, labels
        return states[0] if states else None

    def _open(self, request: str | urllib.request.Request) -> http.client.HTTPResponse:
        opened: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=10, context=self._trust)  # noqa: S310 - our own URL
        return opened

    def _ready(self) -> bool:
        try:
            with self._open(f"{self.url}/-/ready") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _worded(receiver: dict[str, Any], url: str) -> bool:
    """Let PagerDuty or Slack be at the URL; whether it is one of them."""
    for config in receiver.get("pagerduty_configs", ()):
        del config["routing_key_file"]
        config |= {"routing_key": "invented", "url": url}
    for config in receiver.get("slack_configs", ()):
        del config["api_url_file"]
        config["api_url"] = url
    return "webhook_configs" not in receiver


def _routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield route
    for inner in route.get("routes", ()):
        yield from _routes(inner)
