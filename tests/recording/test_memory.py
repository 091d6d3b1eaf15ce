"""What calls take in memory, while they come in and after a restart, and what happens where there is too little."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.calls import state_codec
from exporter.calls.state import COUNTED, CallState, Seen
from exporter.events import UserTurn, identity
from exporter.store.base import Batch
from exporter.store.database import Database
from tests.conftest import StartExporter

MESSAGES = 40


def state(number: int) -> CallState:
    """An open call, each of whose messages has an id of its own, and each reply a user message that it answers."""
    keys = [identity("message", number, message) for message in range(MESSAGES)]
    seen = Seen({key: COUNTED | message for message, key in enumerate(keys)})
    user = UserTurn(keys[-1], 1_700_000_000_000 + number, None, 5)
    return CallState(
        "interactly", f"assistant-{number % 50}", "openai", "gpt-4o", seen=seen, opened=True, started=True, user=user
    )


def fill(directory: Path, calls: int) -> None:
    """Keep so many of them."""
    keep(directory, {identity("call", n): state_codec.encode(state(n)) for n in range(calls)})


def keep(directory: Path, records: dict[int, bytes]) -> None:
    """Keep calls."""
    database = Database(directory)
    database.load()
    database.commit(Batch([], [], [], {**records}, {}))
    database.close()


def status_of(process: int, field: str) -> int:
    """A size of a process in kB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


LOAD = """
import sys
from pathlib import Path
from exporter.config import Config
from exporter.metrics.label_limits import LabelLimits
from exporter.recording.calls_in_memory import CallsInMemory
from exporter.recording.recorder import Recorder
from exporter.store.sqlite import SqliteStore
from tests.recording.test_memory import state, status_of
import os
kind, directory = sys.argv[1], Path(sys.argv[2])
recorder = Recorder(Config(), SqliteStore(directory))
memory = CallsInMemory(Config(), LabelLimits({}, 1_000, 1.0))
before = status_of(os.getpid(), "VmRSS")
if kind == "load":
    recorder.load()
else:
    for number in range(10_000):
        memory.put(number << 40, state(number))
print(status_of(os.getpid(), "VmRSS") - before)
os._exit(0)
"""


def taken(kind: str, directory: Path) -> int:
    """Kilobytes that the calls of a store take in a process of their own."""
    command = [sys.executable, "-c", LOAD, kind, str(directory)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_an_open_call_takes_no_more_after_a_restart(tmp_path: Path) -> None:
    """Below 4 kB with 40 messages of ids that nobody shares, loaded or not."""
    fill(tmp_path / "data", 10_000)
    loaded, running = taken("load", tmp_path / "data"), taken("run", tmp_path / "none")
    assert loaded < 10_000 * 4
    assert running < 10_000 * 4
    # SQLite's own pages are not the calls'.
    assert loaded < running * 1.25 + 10_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads sizes of processes from /proc")
def test_too_little_memory_for_the_store(tmp_path: Path, start_exporter: StartExporter) -> None:
    """A process that may not have what its store needs says so in one line and ends with 1; the store stays."""
    empty = start_exporter("--storage.path", str(tmp_path / "empty"), modules=("exporter",))
    limit = status_of(empty.process.pid, "VmPeak") + 4_000
    empty.stop()
    long = state_codec.encode(CallState("vapi", "a", seen=Seen(dict.fromkeys(range(10_000), COUNTED)), opened=True))
    keep(tmp_path / "data", dict.fromkeys(range(1_000), long))
    before = sorted(path.name for path in (tmp_path / "data").iterdir())
    serve = f"ulimit -v {limit}; exec {sys.executable} -m exporter serve --storage.path={tmp_path / 'data'}"
    command = ["bash", "-c", f"{serve} --web.listen-address=127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "not enough memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before
