"""What the relay adds to the application's own answer: ``python -m benchmarks.relay``.

Direct and relayed calls take turns, on one connection, so that both see the same machine.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median, quantiles

from benchmarks import servers
from benchmarks.alone import alone
from benchmarks.figures import Figure
from benchmarks.load import Load, connect, request
from benchmarks.servers import SECRET, Server

_PATH = "/webhook/interactly"
Body = Callable[[int], bytes]


def _needs_answer(number: int) -> bytes:
    call = {"id": f"call-{number}", "type": "inboundPhoneCall"}
    message = {"type": "assistant-request", "timestamp": 1_767_603_600_000 + number, "call": call}
    return json.dumps({"message": message, "padding": "x" * 2000}).encode()


def _informational(number: int) -> bytes:
    call = {"id": f"call-{number}", "assistantId": "front-desk"}
    message = {"type": "hang", "timestamp": 1_767_603_600_000 + number, "call": call}
    return json.dumps({"message": message, "padding": "x" * 2000}).encode()


async def measure(folder: Path, requests: int = 1000, rounds: int = 9) -> list[Figure]:
    """Latency of relayed calls beside direct ones: messages that need an answer, and events that are counted first."""
    found = []
    with servers.module("bare") as application, _front(folder, application) as exporter:
        for name, body in (("needs an answer", _needs_answer), ("counted before answered", _informational)):
            taken = await _take_turns(body, (application.port, exporter.port), requests, rounds)
            found += [_figure(name, percent, taken) for percent in (50, 99)]
    return found


def _front(folder: Path, application: Server) -> AbstractContextManager[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "relay.yml"
    relay = f"{{url: 'http://127.0.0.1:{application.port}{_PATH}'}}"
    config.write_text(f"webhooks: {{vapi: {{auth: none, relay: {relay}}}}}\n")
    return servers.exporter(folder / "exporter", f"--config.file={config}")


async def _take_turns(
    body: Body, ports: tuple[int, int], requests: int, rounds: int
) -> list[tuple[list[float], list[float]]]:
    """Latencies of each round, direct and relayed; the first round warms up."""
    direct, relayed = [await connect(port, 1) for port in ports]
    taken = []
    for number in range(rounds + 1):
        bodies = [body(number * requests + each) for each in range(requests)]
        taken.append((await _latencies(direct, _PATH, bodies), await _latencies(relayed, "/webhook/vapi", bodies)))
    direct.close()
    relayed.close()
    return taken[1:]


async def _latencies(load: Load, path: str, bodies: list[bytes]) -> list[float]:
    return (await load.run([[request(path, body, SECRET) for body in bodies]])).latencies


def _figure(name: str, percent: int, taken: list[tuple[list[float], list[float]]]) -> Figure:
    """The median over the rounds of what the relay adds."""
    both = [[quantiles(latencies, n=100)[percent - 1] * 1e3 for latencies in pair] for pair in taken]
    added = median(relayed - direct for direct, relayed in both)
    ratio = median(relayed / direct for direct, relayed in both)
    direct, relayed = (median(each) for each in zip(*both, strict=True))
    beside = f"{direct:.2f} ms direct, {relayed:.2f} ms relayed, {ratio:.1f}x"
    return Figure(f"relay, {name}: added to p{percent}", added, "ms", beside=beside)


def main() -> None:
    """Measure and print."""
    alone(measure)


if __name__ == "__main__":
    main()
