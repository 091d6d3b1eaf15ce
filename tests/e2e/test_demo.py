"""The demo, with the real servers, on ports of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
NAMES = ("exporter", "prometheus", "alertmanager", "receiver")


def start(ports: dict[str, int], output: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start the demo; what it prints goes to a file."""
    flags = [f"--{name}={port}" for name, port in ports.items()]
    with output.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "demo", *flags, *more], cwd=ROOT, stdout=file, stderr=file)


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    """Free ports by name; nobody listens there any more afterwards."""
    found = {name: free_port() for name in NAMES}
    yield found
    for port in found.values():
        socket.create_server(("127.0.0.1", port)).close()


def test_the_demo_shows_a_live_system(ports: dict[str, int], tmp_path: Path) -> None:
    """Its links answer, an alert arrives, and it leaves nothing behind when its terminal is closed."""
    output = tmp_path / "output"
    process = start(ports, output)
    try:
        until("it is up", lambda: "Ctrl-C stops all" in output.read_text())
        links = re.findall(r"http://127\.0\.0\.1:\d+/\S*", output.read_text())
        assert len(links) == 4
        # A bare container has no address for that name.
        assert "localhost" not in output.read_text()
        for link in links:
            with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310 - our own URL
                assert answer.status == 200
        (routing,) = re.findall(r"routing +(.+)", output.read_text())
        until("the watchdog is there", lambda: "VoiceWatchdog" in shell(routing), 120)
        until("a hang is told", lambda: "[firing] VoiceAssistantHang" in output.read_text(), 120)
    finally:
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0, output.read_text()


def test_a_replica_of_the_demo_may_be_killed(ports: dict[str, int], tmp_path: Path) -> None:
    """The others go on, it comes back, and no event of the simulated calls was refused or unanswered."""
    output = tmp_path / "output"
    process = start(ports, output, "--replicas", *(str(free_port()) for _ in range(3)))
    try:
        until("it is up", lambda: "Ctrl-C stops all" in output.read_text(), 60)
        (killed,) = re.findall(r"replica-2 runs, for kill -9 (\d+)", output.read_text())
        os.kill(int(killed), signal.SIGKILL)
        until("it is missed", lambda: "replica-2 was killed" in output.read_text())
        until("it comes back", lambda: len(re.findall("replica-2 runs", output.read_text())) == 2)
        prometheus = f"http://127.0.0.1:{ports['prometheus']}/api/v1/targets"
        with urllib.request.urlopen(prometheus, timeout=10) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        assert Counter(target["labels"]["job"] for target in targets) == {
            "voice-exporter": 1,
            "voice-exporter-replicas": 3,
        }
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, output.read_text()
    sent = re.findall(r"^(?:calls|trouble): (.+)", output.read_text(), re.MULTILINE)
    assert len(sent) == 2
    for line in sent:
        assert re.fullmatch(r"\d+ events? sent, \d+ calls? ended(; answered 200: \d+)?", line), line


def test_what_is_missing_is_one_line(ports: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1, before anything starts, with the program's name and the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start(ports, tmp_path / "output").wait(30) == 1
    missing = "prometheus is missing: on Debian make installs it, elsewhere put it on the PATH\n"
    assert (tmp_path / "output").read_text() == missing


def test_a_port_that_is_taken_is_one_line(ports: dict[str, int], tmp_path: Path) -> None:
    """Exit 1, before anything starts, with the port and whose it would be."""
    with socket.create_server(("127.0.0.1", ports["prometheus"])):
        assert start(ports, tmp_path / "output").wait(30) == 1
    taken = f"port {ports['prometheus']} is taken: stop what uses it first, the demo starts its own prometheus\n"
    assert (tmp_path / "output").read_text() == taken


def shell(command: str) -> str:
    """What a command prints."""
    return subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
