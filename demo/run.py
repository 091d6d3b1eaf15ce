"""``make demo``: exporter, simulated calls, Prometheus with the shipped rules, Alertmanager, in one terminal.

Everything listens on the loopback address only, keeps its data in a temporary folder, and ends with Ctrl-C. Alerts that
reach their receiver are printed here.
"""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web

from exporter import assets

EXPORTER: Final = 10060
PROMETHEUS: Final = 9090
ALERTMANAGER: Final = 9093
_RECEIVER: Final = 10061
_PAGES: Final = {
    "exporter": f"http://localhost:{EXPORTER}/",
    "metrics": f"http://localhost:{EXPORTER}/metrics",
    "alerts": f"http://localhost:{PROMETHEUS}/alerts",
    "hangs": f"http://localhost:{PROMETHEUS}/graph?g0.expr=sum%20by%20(assistant_id)%20(voice_hangs_total)&g0.tab=0&g0.range_input=15m",
    "routing": f"http://localhost:{ALERTMANAGER}/",
}


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _write(folder: Path) -> None:
    """The shipped files, with short intervals and every receiver in this process."""
    thresholds = folder / "thresholds.yml"
    thresholds.write_text("scrape_interval: 5s\n")
    assets.render(folder, thresholds, say=lambda _line: None)
    rules = folder / "rules"
    alertmanager = yaml.safe_load((rules / "alertmanager.yml").read_text())
    alertmanager["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"http://127.0.0.1:{_RECEIVER}/{receiver['name']}"}]}
        for receiver in alertmanager["receivers"]
    ]
    (rules / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager))


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
async def _receiver() -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/{receiver}", _notified)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", _RECEIVER).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _commands(folder: Path) -> dict[str, list[str]]:
    exporter = [sys.executable, "-m", "exporter"]
    simulate = [*exporter, "simulate", f"--url=http://127.0.0.1:{EXPORTER}"]
    alertmanager = shutil.which("prometheus-alertmanager") or "alertmanager"
    return {
        "exporter": [
            *exporter,
            "serve",
            f"--web.listen-address=127.0.0.1:{EXPORTER}",
            "--storage.path",
            f"{folder}/data",
        ],
        "prometheus": [
            "prometheus",
            f"--config.file={folder / 'rules' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{PROMETHEUS}",
            "--enable-feature=exemplar-storage",
        ],
        "alertmanager": [
            alertmanager,
            f"--config.file={folder / 'rules' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{ALERTMANAGER}",
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


async def _until_ready(folder: Path) -> None:
    log = folder / "exporter.log"
    while "msg=ready" not in log.read_text():  # noqa: ASYNC110 - another process, which has no event to wait for
        await asyncio.sleep(0.1)


async def demo() -> None:
    """Start everything, say where it is, and wait for Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="voice-exporter-demo-") as name:
        folder = Path(name)
        _write(folder)
        commands = _commands(folder)
        async with _receiver(), asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_run(name, commands.pop(name), folder))
                for name in ("exporter", "prometheus", "alertmanager")
            ]
            await asyncio.sleep(0)
            (folder / "exporter.log").touch()
            await _until_ready(folder)
            running += [tasks.create_task(_run(name, command, folder)) for name, command in commands.items()]
            for page, url in _PAGES.items():
                _tell(f"{page:<10}{url}")
            _tell("Alerts appear below within a minute. Ctrl-C stops all.\n")
            await stop.wait()
            for task in running:
                task.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(demo())
    except* RuntimeError as failed:
        sys.exit("\n".join(str(error) for error in failed.exceptions))
