"""Kills the exporter again and again under concurrent traffic and holds its metrics against a ledger.

The client's ledger knows which events were answered 200. After every restart each acknowledged event must be in the
counters, and no event twice: totals lie between those of the acknowledged events and those of all that were sent.
Unanswered events are sent again; in the end totals must be those of one clean delivery.

``python -m tests.crash`` runs it for longer than the tests do.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.traffic import MONDAY
from tests.calls.tally import Tally
from tests.crash.driver import POINTS

COUNTED = (
    "voice_calls_started_total",
    "voice_calls_ended_total",
    "voice_call_status_updates_total",
    "voice_messages_total",
    "voice_hangs_total",
    "voice_hung_calls_total",
    "voice_errors_total",
    "voice_error_escalations_total",
    "voice_llm_tokens_total",
    "voice_tts_characters_total",
)
"""Counters of whole numbers that no order of events changes."""
WORKERS = 8


class Sent(NamedTuple):
    """An event as it is sent."""

    platform: str
    body: dict[str, Any]


class Ledger:
    """What was sent and what was acknowledged, with the totals that follow."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._acknowledged: list[Sent] = []
        self._attempted: dict[int, Sent] = {}

    def call(self) -> list[Sent]:
        """The events of one more call, in the order in which they are sent."""
        traffic = Traffic(platforms=("interactly",))
        scenario = SCENARIOS[self._rng.choice(sorted(SCENARIOS))]
        made = generate_call(self._rng, MONDAY, scenario, traffic=traffic)
        return [Sent(delivery.platform, delivery.body) for delivery in made]

    def attempt(self, sent: Sent) -> None:
        """Note that the event is on its way."""
        self._attempted[id(sent.body)] = sent

    def acknowledge(self, sent: Sent) -> None:
        """Note that it was answered 200."""
        self._acknowledged.append(sent)

    def unanswered(self) -> list[Sent]:
        """Events that were sent and never answered 200."""
        done = {id(sent.body) for sent in self._acknowledged}
        return [sent for key, sent in self._attempted.items() if key not in done]

    def totals(self, *, attempted: bool) -> Counter[str]:
        """What one clean delivery of the acknowledged, or of all attempted events adds up to."""
        tally = Tally()
        for sent in self._acknowledged + (self.unanswered() if attempted else []):
            tally.deliver(sent.body, platform=sent.platform)
        return Counter({name: int(tally.total(name)) for name in COUNTED})

    def __len__(self) -> int:
        return len(self._acknowledged)


class Exporter:
    """An exporter that dies at a point, or when it is killed."""

    def __init__(self, folder: Path, point: str, number: int, environment: dict[str, str] | None = None) -> None:
        self._log = folder / "exporter.log"
        flags = ["--web.listen-address=127.0.0.1:0", f"--storage.path={folder / 'data'}"]
        command = [sys.executable, "-m", "tests.crash.driver", point, str(number), "serve", *flags]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)

    def ready(self) -> str | None:
        """Its URL once it listens; None if it died before."""
        while self.process.poll() is None:
            log = self._log.read_text()
            if "msg=ready" in log and (found := re.search(r"msg=listening address=(\S+)", log)):
                return f"http://{found[1]}"
            time.sleep(0.01)
        assert self.process.returncode == -9, self._log.read_text()
        return None

    def kill(self) -> None:
        """Kill it, whatever it does."""
        self.process.kill()
        self.process.wait()


async def deliver(url: str, calls: list[list[Sent]], ledger: Ledger) -> None:
    """Send calls concurrently, the events of each in their order, until done or until nobody answers."""
    pending = iter(calls)

    async def worker(session: aiohttp.ClientSession) -> None:
        for call in pending:
            for sent in call:
                ledger.attempt(sent)
                async with session.post(f"{url}/webhook/{sent.platform}", json=sent.body) as answer:
                    if answer.status == 200:
                        ledger.acknowledge(sent)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        await asyncio.gather(*(worker(session) for _ in range(WORKERS)), return_exceptions=True)


async def totals(url: str) -> Counter[str]:
    """The counters as a scrape shows them."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        samples = [sample for family in families for sample in family.samples]
    found: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    for sample in samples:
        if sample.name in found:
            found[sample.name] += int(sample.value)
    return found


async def cycle(folder: Path, rng: Random, ledger: Ledger) -> str:
    """Start, check against the ledger, send until it dies; where it died."""
    point = rng.choice((*POINTS, "never", "never"))
    exporter = Exporter(folder, point, rng.randint(1, 1 if point == "cleanup" else 40))
    try:
        url = await asyncio.to_thread(exporter.ready)
        if url is None:
            return point
        try:
            await check(url, ledger)
        except aiohttp.ClientError:
            # On a busy machine it may be dead by now.
            assert await asyncio.to_thread(exporter.process.wait, 20) == -9
            return point
        calls = [[sent] for sent in ledger.unanswered()] + [ledger.call() for _ in range(10)]
        sending = asyncio.ensure_future(deliver(url, calls, ledger))
        await asyncio.wait([sending], timeout=rng.uniform(0, 0.4) if point == "never" else 10)
        exporter.kill()
        await sending
    finally:
        exporter.kill()
    return point if point != "never" else "any moment"


async def check(url: str, ledger: Ledger) -> None:
    """Every acknowledged event is in the counters, and nothing is in them more often than it was sent."""
    found, least, most = await totals(url), ledger.totals(attempted=False), ledger.totals(attempted=True)
    wrong = [name for name in COUNTED if not least[name] <= found[name] <= most[name]]
    assert not wrong, f"acknowledged <= found <= sent does not hold: {wrong}, {least}, {found}, {most}"


async def finish(folder: Path, ledger: Ledger) -> None:
    """Send again what was never answered; totals must then be those of one clean delivery."""
    exporter = Exporter(folder, "never", 1)
    try:
        url = await asyncio.to_thread(exporter.ready)
        assert url
        await check(url, ledger)
        await deliver(url, [[sent] for sent in ledger.unanswered()], ledger)
        assert not ledger.unanswered()
        assert await totals(url) == ledger.totals(attempted=False)
    finally:
        exporter.kill()


async def run(folder: Path, cycles: int, seed: int) -> tuple[Counter[str], int]:
    """So many cycles on one store; deaths by place and the number of acknowledged events."""
    rng = Random(seed)
    ledger = Ledger(rng)
    deaths = Counter([await cycle(folder, rng, ledger) for _ in range(cycles)])
    await finish(folder, ledger)
    return deaths, len(ledger)
