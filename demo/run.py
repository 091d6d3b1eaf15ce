"""``make demo``: exporter, simulated calls, Prometheus with the shipped rules, Alertmanager, in one terminal.

Everything listens on the loopback address only, keeps its data in a temporary folder, and ends with Ctrl-C or with the
terminal. Alerts that reach their receiver are printed here.
"""

import argparse
import asyncio
import contextlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import yaml
from aiohttp import web

from exporter import assets

_HANGS: Final = "graph?g0.expr=sum%20by%20(assistant_id)%20(voice_hangs_total)&g0.tab=0&g0.range_input=15m"


class Ports(NamedTuple):
    """Where everything listens, on the loopback address."""

    exporter: int = 10060
    prometheus: int = 9090
    alertmanager: int = 9093
    receiver: int = 10061


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _check(ports: Ports) -> None:
    """Find out before anything starts.

    Raises:
        RuntimeError: a port is taken.
    """
    for name, port in ports._asdict().items():
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
            _tell(f"[{alert['status']}] {labels['alertname']} ({labels.get('severity')}) -> {receiver}: {what}")
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


def _commands(folder: Path, ports: Ports) -> dict[str, list[str]]:
    exporter = [sys.executable, "-m", "exporter"]
    simulate = [*exporter, "simulate", f"--url=http://127.0.0.1:{ports.exporter}"]
    alertmanager = shutil.which("prometheus-alertmanager") or "alertmanager"
    return {
        "exporter": [
            *exporter,
            "serve",
            f"--web.listen-address=127.0.0.1:{ports.exporter}",
            "--storage.path",
            f"{folder}/data",
        ],
        "prometheus": [
            "prometheus",
            f"--config.file={folder / 'rules' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{ports.prometheus}",
            "--enable-feature=exemplar-storage",
            # What it sends before it has found Alertmanager is lost, and would come again only after a minute.
            "--rules.alert.resend-delay=5s",
        ],
        "alertmanager": [
            alertmanager,
            f"--config.file={folder / 'rules' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{ports.alertmanager}",
            "--cluster.listen-address=",
        ],
        "calls": [*simulate, "--calls-per-minute=40", "--time-scale=4"],
        "trouble": [*simulate, "--calls-per-minute=6", "--scenario=hang-storm", "--seed=2", "--time-scale=4"],
    }


async def _run(name: str, command: list[str], folder: Path) -> None:
    """Run a program until it ends or the demo does."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        code = await process.wait()
        raise RuntimeError(f"{name} ended with {code}:\n{(folder / f'{name}.log').read_text()[-2000:]}")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _answering(*urls: str) -> str:
    """The first of the pages that is there, once one is: Debian's Prometheus has only the old ones, on other paths."""
    async with aiohttp.ClientSession() as session:
        while True:
            for url in urls:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return url
            await asyncio.sleep(0.1)


async def _show(ports: Ports) -> None:
    """Print where everything is."""
    exporter, prometheus = f"http://localhost:{ports.exporter}", f"http://localhost:{ports.prometheus}"
    _tell(f"exporter  {await _answering(f'{exporter}/')}")
    _tell(f"metrics   {await _answering(f'{exporter}/metrics')}")
    _tell(f"alerts    {await _answering(f'{prometheus}/classic/alerts', f'{prometheus}/alerts')}")
    _tell(f"hangs     {await _answering(f'{prometheus}/classic/{_HANGS}', f'{prometheus}/{_HANGS}')}")
    _tell(f"routing   amtool --alertmanager.url=http://localhost:{ports.alertmanager} alert")
    _tell("Alerts appear below within a minute. Ctrl-C stops all.\n")


async def demo(ports: Ports) -> None:
    """Start everything, say where it is, and wait for the end.

    Raises:
        RuntimeError: a port is taken.
        ExceptionGroup: of RuntimeError; a program ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _check(ports)
    with tempfile.TemporaryDirectory(prefix="voice-exporter-demo-") as name:
        folder = Path(name)
        _write(folder, ports)
        commands = _commands(folder, ports)
        async with _receiver(ports.receiver), asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_run(name, commands.pop(name), folder))
                for name in ("exporter", "prometheus", "alertmanager")
            ]
            await _answering(f"http://localhost:{ports.exporter}/-/ready")
            running += [tasks.create_task(_run(name, command, folder)) for name, command in commands.items()]
            running.append(tasks.create_task(_show(ports)))
            await stop.wait()
            for task in running:
                task.cancel()


def main() -> None:
    """Run the demo; what keeps it from running is said in a line or with the program's own last lines."""
    parser = argparse.ArgumentParser("make demo", description="A live system on the loopback address.")
    for name, port in Ports()._asdict().items():
        parser.add_argument(f"--{name}", metavar="PORT", type=int, default=port)
    failures: tuple[Exception, ...] = ()
    try:
        asyncio.run(demo(Ports(**vars(parser.parse_args()))))
    except* RuntimeError as failed:
        failures = failed.exceptions
    if failures:
        sys.exit("\n".join(map(str, failures)))


if __name__ == "__main__":
    main()
