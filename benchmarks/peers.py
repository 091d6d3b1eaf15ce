"""The same events by other means: Telegraf, one push each to a Pushgateway, log lines read by mtail."""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bodies, servers
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, connect
from benchmarks.servers import Server

_PROGRAM = """
counter voice_hangs_total by assistant_id, provider, model
/"type":"hang".*"assistantId":"(?P<assistant_id>[^"]+)".*/ + /"assistantProvider":"(?P<provider>[^"]+)",/ +
/"assistantModel":"(?P<model>[^"]+)"/ {
  voice_hangs_total[$assistant_id][$provider][$model]++
}
"""
_TELEGRAF = """
[agent]
  omit_hostname = true
  quiet = true
[[inputs.http_listener_v2]]
  service_address = "tcp://127.0.0.1:{port}"
  paths = ["/webhook/interactly"]
  data_format = "json_v2"
  read_timeout = "1h"
  [[inputs.http_listener_v2.json_v2]]
    measurement_name = "voice"
    [[inputs.http_listener_v2.json_v2.tag]]
      path = "message.type"
    [[inputs.http_listener_v2.json_v2.tag]]
      path = "message.call.assistantId"
    [[inputs.http_listener_v2.json_v2.field]]
      path = "message.timestamp"
      type = "int"
[[outputs.prometheus_client]]
  listen = "127.0.0.1:{output}"
"""
_PUSHED = (
    '# TYPE voice_hangs counter\nvoice_hangs{assistant_id="65f0a1c2d3e4f5a6b7c8d9%02x",provider="gemini"} 1\n'
    '# TYPE voice_messages counter\nvoice_messages{assistant_id="65f0a1c2d3e4f5a6b7c8d9%02x"} 2\n'
)


@contextmanager
def telegraf(folder: Path) -> Iterator[Server]:
    """Telegraf, which takes three fields of the same bodies, counts nothing and keeps nothing on a disk."""
    port, output = servers.free_port(), servers.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "telegraf.conf"
    file.write_text(_TELEGRAF.format(port=port, output=output))
    with servers.running(["--config", str(file)], output, "telegraf", "/metrics") as server:
        yield Server(port, server.pid, server.started)


async def pushgateway(events: int = 4000) -> Figure:
    """Processor time of a Pushgateway for an event; it keeps the last value only, so it can't count them."""
    port = servers.free_port()
    options = [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with servers.running(options, port, "prometheus-pushgateway") as server:
        load = await connect(port)
        queues = [[_push(place, number) for number in range(events // CONNECTIONS)] for place in range(CONNECTIONS)]
        before = server.cpu_seconds()
        run = await load.run(queues)
        used = (server.cpu_seconds() - before) / len(run.latencies)
        load.close()
    beside = f"{len(run.latencies) / run.seconds:.0f} events/s; in memory only, counts nothing"
    return Figure("Pushgateway, a push for each event", used * 1e6, "µs", beside=beside)


def _push(place: int, number: int) -> bytes:
    body = (_PUSHED % (place, place)).encode()
    head = f"POST /metrics/job/voice/instance/{number % 100} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def mtail(folder: Path, events: int = 20_000) -> Iterator[Figure]:
    """Processor time of mtail for an event; it has no memory of calls, so a repeated one counts again."""
    folder.mkdir(parents=True)
    (folder / "hangs.mtail").write_text(_PROGRAM)
    templates = [hang for _, hang in bodies.hangs()]
    lines = [templates[number % len(templates)].of(bodies.new_call()) + b"\n" for number in range(events)]
    empty, full = _read(folder, []), _read(folder, lines)
    used = (full - empty) / events
    yield Figure("mtail, a log line for each event", used * 1e6, "µs", beside="in memory only, one counter of ours")


def _read(folder: Path, lines: list[bytes]) -> float:
    log = folder / "events.log"
    log.write_bytes(b"".join(lines))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        "taskset",
        "-c",
        str(servers.SERVER_CORE),
        "mtail",
        "--one_shot",
        "--progs",
        str(folder),
        "--logs",
        str(log),
    ]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fsync(folder: Path, rounds: int = 200) -> Figure:
    """How long the disk takes to keep a block."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with (folder / "block").open("wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    taken.sort()
    return Figure(
        "the disk keeps 4 kB (fdatasync)", taken[rounds // 2] * 1e3, "ms", beside=f"p99 {taken[-2] * 1e3:.1f} ms"
    )
