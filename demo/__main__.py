"""Exporter, simulated calls, Prometheus with the shipped rules, Alertmanager, in one terminal.

``--replicas`` starts several exporters on one PostgreSQL, behind nginx; any of them may be killed.

Everything listens on the loopback address only, keeps its data in a temporary folder, and ends with Ctrl-C or with the
terminal. Alerts that reach their receiver are printed here.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from aiohttp import web

from demo import replicas
from demo.processes import answering, end, find, first_line, keep, run, tell
from exporter import assets

_HANGS: Final = "graph?g0.expr=sum%20by%20(assistant_id)%20(voice_hangs_total)&g0.tab=0&g0.range_input=15m"


class Ports(NamedTuple):
    """Where everything listens, on the loopback address."""

    exporter: int = 10060
    prometheus: int = 9090
    alertmanager: int = 9093
    receiver: int = 10061


def _check(ports: Ports, replicated: Sequence[int]) -> None:
    """Find out before anything starts.

    Raises:
        RuntimeError: a port is taken.
    """
    listening = {**ports._asdict(), **{f"replica-{number}": port for number, port in enumerate(replicated, 1)}}
    for name, port in listening.items():
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            raise RuntimeError(
                f"port {port} is taken: stop what uses it first, the demo starts its own {name}"
            ) from None


def _write(folder: Path, ports: Ports) -> None:
    """The shipped files, with short intervals and every receiver in this process."""
    thresholds = folder / "thresholds.yml"
    thresholds.write_text("scrape_interval: 5s\nevaluation_interval: 5s\n")
    assets.render(folder, thresholds, say=lambda _line: None, force=True)
    rules = folder / "rules"
    alertmanager = yaml.safe_load((rules / "alertmanager.yml").read_text())
    alertmanager["receivers"] = [
        {
            "name": receiver["name"],
            "webhook_configs": [{"url": f"http://127.0.0.1:{ports.receiver}/{receiver['name']}"}],
        }
        for receiver in alertmanager["receivers"]
    ]
    (rules / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager))
    prometheus = yaml.safe_load((rules / "prometheus.yml").read_text())
    prometheus["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{ports.exporter}"]
    prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{ports.alertmanager}"]
    (rules / "prometheus.yml").write_text(yaml.safe_dump(prometheus))


async def _notified(request: web.Request) -> web.Response:
    """Print what Alertmanager sends to a receiver."""
    told: dict[str, Any] = await request.json()
    for alert in told["alerts"]:
        labels = alert["labels"]
        if labels["alertname"] != "VoiceWatchdog":
            what = alert["annotations"].get("description", alert["annotations"].get("summary", ""))
            receiver = request.match_info["receiver"]
            tell(f"[{alert['status']}] {labels['alertname']} ({labels.get('severity')}) -> {receiver}: {what}")
    return web.Response()


@contextlib.asynccontextmanager
async def _receiver(port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/{receiver}", _notified)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _exporter(folder: Path, ports: Ports) -> list[str]:
    address, storage = f"--web.listen-address=127.0.0.1:{ports.exporter}", f"--storage.path={folder}/data"
    return [sys.executable, "-m", "exporter", "serve", address, storage]


def _servers(folder: Path, ports: Ports) -> dict[str, list[str]]:
    """The commands of what stands around the exporter, by name."""
    return {
        "prometheus": [
            find("prometheus"),
            f"--config.file={folder / 'rules' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{ports.prometheus}",
            "--enable-feature=exemplar-storage",
            # What it sends before it has found Alertmanager is lost, and would come again only after a minute.
            "--rules.alert.resend-delay=5s",
        ],
        "alertmanager": [
            find("prometheus-alertmanager", "alertmanager"),
            f"--config.file={folder / 'rules' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{ports.alertmanager}",
            "--cluster.listen-address=",
        ],
    }


def _senders(ports: Ports) -> dict[str, list[str]]:
    simulate = [sys.executable, "-m", "exporter", "simulate", f"--url=http://127.0.0.1:{ports.exporter}"]
    return {
        "calls": [*simulate, "--calls-per-minute=40", "--time-scale=4"],
        "trouble": [*simulate, "--calls-per-minute=6", "--scenario=hang-storm", "--seed=2", "--time-scale=4"],
    }


async def _show(ports: Ports) -> None:
    """Print where everything is."""
    exporter, prometheus = f"http://127.0.0.1:{ports.exporter}", f"http://127.0.0.1:{ports.prometheus}"
    tell(f"exporter  {await answering(f'{exporter}/')}")
    tell(f"metrics   {await answering(f'{exporter}/metrics')}")
    tell(f"alerts    {await answering(f'{prometheus}/classic/alerts', f'{prometheus}/alerts')}")
    tell(f"hangs     {await answering(f'{prometheus}/classic/{_HANGS}', f'{prometheus}/{_HANGS}')}")
    tell(f"routing   amtool --alertmanager.url=http://127.0.0.1:{ports.alertmanager} alert")
    tell("Alerts appear below within a minute. Ctrl-C stops all.\n")


async def demo(ports: Ports, replicated: Sequence[int]) -> None:
    """Start everything, say where it is, and wait for the end.

    Args:
        ports: where everything listens; with replicas the exporter's port is that of the proxy before them.
        replicated: the ports of the replicas; without one there is a single exporter.

    Raises:
        RuntimeError: a port is taken, or a program is missing.
        ExceptionGroup: of RuntimeError; a program ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _check(ports, replicated)
    with tempfile.TemporaryDirectory(prefix="voice-exporter-demo-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _write(folder, ports)
        servers, kept = _servers(folder, ports), dict[str, list[str]]()
        if replicated:
            servers["nginx"] = replicas.proxy(folder, replicated, ports.exporter)
            storage = stack.enter_context(replicas.database()).database()
            kept = replicas.commands(storage, replicated, ports.exporter)
            replicas.add_scrapes(folder / "rules" / "prometheus.yml", replicated)
        else:
            servers["exporter"] = _exporter(folder, ports)
        async with _receiver(ports.receiver), asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(keep(name, command, folder)) for name, command in kept.items()]
            serving += [tasks.create_task(run(name, command, folder)) for name, command in servers.items()]
            sending: list[asyncio.Task[None]] = []

            async def send() -> None:
                await answering(f"http://127.0.0.1:{ports.exporter}/-/ready")
                sending.extend(tasks.create_task(run(*each, folder)) for each in _senders(ports).items())
                await _show(ports)

            starting = tasks.create_task(send())
            await stop.wait()
            await end([starting])
            await end(sending)
            await end(serving)
        for sender in _senders(ports) if sending else ():
            tell(f"{sender}: {first_line(sender, folder)}")


def main() -> None:
    """Run the demo; what keeps it from running is said in a line or with the program's own last lines."""
    parser = argparse.ArgumentParser("make demo", description="A live system on the loopback address.")
    for name, port in Ports()._asdict().items():
        parser.add_argument(f"--{name}", metavar="PORT", type=int, default=port)
    parser.add_argument(
        "--replicas", metavar="PORT", type=int, nargs=3, default=(), help="three exporters on one PostgreSQL"
    )
    arguments = vars(parser.parse_args())
    replicated = arguments.pop("replicas")
    failures: tuple[Exception, ...] = ()
    try:
        asyncio.run(demo(Ports(**arguments), replicated))
    except* RuntimeError as failed:
        failures = failed.exceptions
    if failures:
        sys.exit("\n".join(map(str, failures)))


if __name__ == "__main__":
    main()
