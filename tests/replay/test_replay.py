"""``voice-exporter replay``: the past through the code that counts the present."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.errors import InvalidEvent
from exporter.platforms.interactly import INTERACTLY
from exporter.replay.origin import platform_of
from exporter.simulate import bodies
from tests.calls.tally import payload
from tests.support.servers import Prometheus

CALL = ["status-update-queued", "hang", "conversation-update", "status-update-finished", "end-of-call-report"]


def replay(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "exporter", "replay", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def lines(names: list[str]) -> str:
    """Fixtures as JSON lines."""
    return "".join(json.dumps(payload(name)) + "\n" for name in names)


def test_metrics_of_a_recording() -> None:
    """Recorded bodies give the metrics that live ones give, in the events' own time, duplicates once."""
    done = replay("-", text=lines(CALL + CALL))
    assert done.returncode == 0
    assert 'voice_hangs_total{platform="interactly",assistant_id="64ab00000000000000000001",' in done.stdout
    assert 'outcome="recovered"} 1\n' in done.stdout
    assert "voice_response_seconds_sum" in done.stdout
    created = [line for line in done.stdout.splitlines() if line.startswith("voice_calls_started_created")]
    assert created[0].endswith(" 1772702480.032")
    assert done.stderr == "10 bodies: 5 counted, 5 duplicate, 0 ignored, 0 invalid\n"


def test_bad_bodies_are_named_and_skipped(tmp_path: Path) -> None:
    """Each bad body is named by file and line without its content, and the others count."""
    path = tmp_path / "recorded.jsonl"
    path.write_text("Ada's private words\n" + lines(CALL[:1]) + '{"message": {}}\n')
    done = replay(str(path))
    assert done.returncode == 1
    assert 'voice_calls_started_total{platform="interactly",' in done.stdout
    assert "voice-exporter: 2 damaged lines\n" in done.stderr
    assert f"voice-exporter: {path}:1: the body is not JSON\n" in done.stderr
    assert f"voice-exporter: {path}:3: message.type is missing" in done.stderr
    assert "Ada" not in done.stderr + done.stdout
    assert done.stderr.endswith("3 bodies: 1 counted, 0 duplicate, 0 ignored, 2 invalid\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["/nowhere/at-all.json"], 1, "/nowhere/at-all.json: No such file or directory"),
        ([], 2, "FILE"),
        (["--step", "soon", "-"], 2, "--step"),
        (["--config.file", "/nowhere.yml", "-"], 2, "/nowhere.yml"),
        (["-"], 1, "0 bodies"),
    ],
)
def test_errors_are_one_line(arguments: list[str], code: int, words: str) -> None:
    """What is wrong is one line on standard error, and the exit code tells whose fault it is."""
    done = replay(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_body_is_read_as_the_webhook_reads_it(tmp_path: Path) -> None:
    """One byte of Latin-1 makes a body no JSON there, so it does here."""
    path = tmp_path / "recorded.jsonl"
    hang = payload("hang")
    hang["message"]["assistant"]["name"] = "Zo\u00eb"
    damaged = json.dumps(hang, ensure_ascii=False).encode("latin-1")
    with pytest.raises(InvalidEvent, match=r"^the body is not JSON$"):
        INTERACTLY.parse(damaged)
    path.write_bytes(damaged + b"\n" + lines(CALL[:1]).encode())
    done = replay(str(path))
    assert done.returncode == 1
    assert f"voice-exporter: {path}:1: the body is not JSON\n" in done.stderr
    assert "voice-exporter: 1 damaged line\n" in done.stderr
    assert done.stderr.endswith("2 bodies: 1 counted, 0 duplicate, 0 ignored, 1 invalid\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("flags", [[], ["--openmetrics"]])
def test_full_disk_is_one_line(tmp_path: Path, flags: list[str]) -> None:
    """Where the metrics can't be written the command says so, once, and fails."""
    path = tmp_path / "recorded.jsonl"
    path.write_text(lines(CALL))
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "exporter", "replay", *flags, str(path)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "voice-exporter: standard output: No space left on device\n")


def test_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    """As any other command, it ends by SIGPIPE once nobody reads on."""
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"\n".join(body for _, body in bodies(7, 20, "normal")))
    command = [sys.executable, "-m", "exporter", "replay", "--openmetrics", "--step=1s", "--platform=vapi", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_platforms_are_told_apart() -> None:
    """Bodies of both platforms are told apart by their fields."""
    wrong = [platform for platform, body in bodies(5, 40, "normal") if platform_of(body) != platform]
    assert wrong == []


def test_backfill_into_prometheus(tmp_path: Path) -> None:
    """The real promtool takes the samples, and a real Prometheus answers from the past with the first increment."""
    recorded, samples = tmp_path / "recorded.jsonl", tmp_path / "samples.om"
    recorded.write_text(lines(CALL))
    done = replay("--openmetrics", "--step", "15s", str(recorded))
    samples.write_text(done.stdout)
    data = tmp_path / "prometheus" / "tsdb"
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with Prometheus(tmp_path / "prometheus", {}) as prometheus:
        after = 1772702535
        assert prometheus.value("sum(voice_hangs_total)", after) == 1
        assert prometheus.value("sum(increase(voice_hangs_total[5m])) > 0", after)
        assert prometheus.value("sum(voice_calls_active)", 1772702510) == 1
        assert prometheus.value("sum(voice_calls_active)", after) == 0
        assert prometheus.value("voice_response_seconds_sum", after) == 3.913
