"""Storage that fails under a running exporter, over real HTTP."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.calls.tally import payload
from tests.conftest import Running, StartExporter
from tests.support.waiting import until


def ask(url: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, body, timeout=20) as answer:  # noqa: S310 - our own URL
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def hang(exporter: Running, number: int) -> int:
    """Post a hang of a call of its own: the status of the answer."""
    body = payload("hang")
    body["message"]["call"]["id"] = f"WC-{number}"
    return ask(f"{exporter.url}/webhook/interactly", json.dumps(body).encode())[0]


def refusals(exporter: Running, wanted: int) -> tuple[int, list[int]]:
    """Post hangs until so many were refused: how many were kept, and the numbers of those refused."""
    kept, refused = 0, list[int]()
    for number in range(1, 200):
        if len(refused) == wanted:
            break
        if hang(exporter, number) == 200:
            kept += 1
        else:
            refused.append(number)
    return kept, refused


def check_outage(exporter: Running, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Before, during and after the outage every answer tells the truth, and the counters agree with the answers."""
    assert hang(exporter, 0) == 200
    begin()
    kept, refused = refusals(exporter, 3)
    assert len(refused) == 3
    status, reason = ask(f"{exporter.url}/-/ready")
    assert (status, reason[:9]) == (503, "storage: ")
    status, metrics = ask(f"{exporter.url}/metrics")
    assert status == 200
    assert "voice_exporter_storage_errors_total 0\n" not in metrics
    assert 'event="hang",outcome="unavailable"} 3\n' in metrics
    assert total(metrics) == 1 + kept
    end()
    until("it is ready again", lambda: ask(f"{exporter.url}/-/ready")[0] == 200)
    assert [hang(exporter, number) for number in refused] == [200] * 3
    assert total(ask(f"{exporter.url}/metrics")[1]) == 1 + kept + 3


def total(metrics: str) -> int:
    """Hangs in a scrape."""
    return sum(int(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith("voice_hangs_total{"))


def test_full_disk(start_exporter: StartExporter, small_disk: Path) -> None:
    """On a full disk events are refused, and the exporter recovers by itself when there is room again."""
    exporter = start_exporter("--storage.path", str(small_disk / "data"))
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    check_outage(exporter, fill, filler.unlink)
    assert exporter.stop() == 0


def test_locked_database(start_exporter: StartExporter, tmp_path: Path) -> None:
    """While another process holds the database, events are refused, and kept again afterwards."""
    exporter = start_exporter("--storage.path", str(tmp_path / "store"))
    other = sqlite3.connect(tmp_path / "store" / "voice-exporter.db", isolation_level=None)
    assert hang(exporter, 0) == 200
    other.execute("BEGIN IMMEDIATE")
    assert hang(exporter, 1) == 503
    assert ask(f"{exporter.url}/-/ready")[0] == 503
    other.execute("ROLLBACK")
    other.close()
    until("it is ready again", lambda: ask(f"{exporter.url}/-/ready")[0] == 200)
    assert hang(exporter, 1) == 200
    assert total(ask(f"{exporter.url}/metrics")[1]) == 2


def test_second_exporter_refuses_to_start(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Two exporters on one storage path: the second ends with one clear line."""
    start_exporter("--storage.path", str(tmp_path / "store"))
    second = start_exporter("--storage.path", str(tmp_path / "store"), ready=False)
    assert second.wait() == 1
    errors = [line for line in second.log.splitlines() if line.startswith("voice-exporter:")]
    assert len(errors) == 1
    assert "--storage.path" in errors[0]
