"""Kills replicas and their database, cuts their connections, and holds what all of them show against a ledger.

Events go to any of three replicas, some of them to two at once. At every moment each acknowledged event is in the
metrics of whichever replica is asked, no event is in them twice, and scrapes that alternate between replicas never run
backwards. After each disaster all list the same incidents with the same outcomes, as many as the counters say; so do
replicas that start in the end.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from tests.crash.harness import COUNTED, Ledger, Sent
from tests.support.cutting import Cutter, Point
from tests.support.postgres import FAST, Postgres

_WORKERS: Final = 8
_SECONDS: Final = 30.0
_START_SECONDS: Final = 120.0
"""A busy machine takes its time."""
_MANY: Final = 250
"""Incidents up to which none has to make room: those that were numbered and not kept leave gaps."""
_INCIDENTS: Final = {
    "hang": "voice_hangs_total",
    "error": "voice_errors_total",
    "escalation": "voice_error_escalations_total",
}
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)
_ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_", "PG"))}


_DISASTERS: Final = (
    "a replica dies",
    "cut before COMMIT",
    "the database dies",
    "cut after COMMIT",
    "two replicas die",
)
_CUTS: Final[dict[str, list[Point]]] = {
    "cut before COMMIT": ["before COMMIT"] * 3,
    "cut after COMMIT": ["after COMMIT"] * 3,
}


class Replica:
    """One exporter of several; it may be killed and started again.

    Args:
        folder: for its log.
        number: which it is.
        storage: URL of the database.
        port: where it listens on the loopback address; 0 for any.
    """

    def __init__(self, folder: Path, number: int, storage: str, port: int = 0) -> None:
        self._log = folder / f"replica-{number}.log"
        self._storage = storage
        self._port = port
        self.url = ""

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._begin()
        deadline = time.monotonic() + _START_SECONDS
        while not (found := re.search(r"msg=listening address=(\S+)", self._log.read_text())):
            if time.monotonic() > deadline:
                # Says where it is.
                self.process.send_signal(signal.SIGABRT)
                self.process.wait()
            assert self.process.poll() is None, self._log.read_text()
            await asyncio.sleep(0.02)
        self.url = f"http://{found[1]}"

    def _begin(self) -> None:
        address = f"127.0.0.1:{self._port}"
        command = [sys.executable, "-X", "faulthandler", "-m", "exporter", "serve", f"--web.listen-address={address}"]
        with self._log.open("wb") as log:
            environment = {**_ENVIRONMENT, "VOICE_EXPORTER_STORAGE_URL": self._storage}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        """Kill it, whatever it does."""
        self.url = ""
        self.process.kill()
        self.process.wait()


class Drill:
    """Three replicas under traffic, and what befalls them.

    Attributes:
        befell: how often what happened.
        scrapes: how many were compared with the one before.
        noticed: seconds until all replicas said that the database is gone, each time.
        resumed: seconds until all took events again after its return, each time.
        incidents: how many all listed in the end.
    """

    def __init__(self, folder: Path, server: Postgres, cutter: Cutter, seed: int) -> None:
        self._server = server
        self._cutter = cutter
        self._rng = Random(seed)
        self._last = Counter[str]()
        self.ledger = Ledger(Random(seed))
        self.replicas = [Replica(folder, number, cutter.url) for number in range(3)]
        self.befell = Counter[str]()
        self.scrapes = self.incidents = 0
        self.noticed: list[float] = []
        self.resumed: list[float] = []

    async def run(self, rounds: int) -> None:
        """So many disasters; everything must be exact after each and in the end."""
        await asyncio.gather(*(replica.start() for replica in self.replicas))
        try:
            for number in range(rounds):
                await self._round(_DISASTERS[number % len(_DISASTERS)])
            await self._deliver([[sent] for sent in self.ledger.unanswered()])
            assert not self.ledger.unanswered()
            least = self.ledger.totals(attempted=False)
            for replica in self.replicas:
                assert await self._scraped(replica) == least
            listed = await self._listed()
            for replica in self.replicas:
                replica.kill()
                await replica.start()
            assert await self._listed() == listed
        finally:
            for replica in self.replicas:
                replica.kill()

    async def _round(self, disaster: str) -> None:
        calls = [[sent] for sent in self.ledger.unanswered()] + [self.ledger.call() for _ in range(4)]
        async with self._watched():
            sending = asyncio.create_task(self._deliver(calls))
            await asyncio.sleep(self._rng.uniform(0, 0.3))
            await self._befall(disaster)
            await sending
        least, most = self.ledger.totals(attempted=False), self.ledger.totals(attempted=True)
        for replica in self.replicas:
            found = await self._scraped(replica)
            assert found is not None
            wrong = [name for name in COUNTED if not least[name] <= found[name] <= most[name]]
            assert not wrong, f"acknowledged <= found <= sent does not hold: {wrong}, {least}, {found}, {most}"
        await self._listed()

    async def _befall(self, what: str) -> None:
        self.befell[what] += 1
        if what == "the database dies":
            await asyncio.to_thread(self._server.kill)
            self.noticed.append(await self._until_all_are(503))
            await asyncio.to_thread(self._server.start)
            self.resumed.append(await self._until_all_are(200))
        elif what.startswith("cut"):
            self._cutter.arm(*_CUTS[what])
        else:
            dying = self._rng.sample(self.replicas, 2 if "two" in what else 1)
            for replica in dying:
                replica.kill()
            await asyncio.gather(*(replica.start() for replica in dying))

    async def _until_all_are(self, status: int) -> float:
        """Wait until every replica's readiness has that status: seconds."""
        began = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_START_SECONDS)) as session:
            for replica in self.replicas:
                while await _ready(session, replica.url) != status:
                    assert time.monotonic() < began + _START_SECONDS, f"{replica.url} is not {status}"
        return time.monotonic() - began

    async def _deliver(self, calls: list[list[Sent]]) -> None:
        """Send calls concurrently, each event to any replica, some to two."""
        pending = iter(calls)

        async def worker(session: aiohttp.ClientSession) -> None:
            for call in pending:
                for sent in call:
                    self.ledger.attempt(sent)
                    targets = self._rng.sample(self.replicas, self._rng.choice((1, 1, 1, 2)))
                    answers = await asyncio.gather(*(_post(session, each.url, sent) for each in targets))
                    if 200 in answers:
                        self.ledger.acknowledge(sent)

        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
            await asyncio.gather(*(worker(session) for _ in range(_WORKERS)))

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Scrape one replica after the other meanwhile."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        while True:
            for replica in self.replicas:
                # Whoever has no database shows its last known state, says so, and is not ready.
                if replica.url and (found := await self._scraped(replica)) is not None:
                    self.scrapes += 1
                    fallen = {
                        name: (self._last[name], found[name]) for name in COUNTED if found[name] < self._last[name]
                    }
                    assert not fallen, f"counters ran backwards: {fallen}"
                    self._last = found
            await asyncio.sleep(0.02)

    async def _listed(self) -> list[dict[str, object]]:
        """The incidents that each replica lists, which must be the same and those that are counted."""
        found: list[list[dict[str, object]]] = []
        async with aiohttp.ClientSession() as session:
            for replica in self.replicas:
                headers = {"Accept": "application/json"}
                async with session.get(f"{replica.url}/incidents", headers=headers) as answer:
                    found.append((await answer.json())["incidents"])
            async with session.get(f"{self.replicas[0].url}/metrics") as answer:
                samples = _SAMPLE.findall(await answer.text())
        counted = {
            kind: sum(int(float(value)) for name, value in samples if name == counter)
            for kind, counter in _INCIDENTS.items()
        }
        self.incidents = len(found[0])
        for each in found[1:]:
            assert each == found[0]
        if sum(counted.values()) <= _MANY:
            assert Counter(each["kind"] for each in found[0]) == Counter(counted)
            settled = sum(int(float(value)) for name, value in samples if name == "voice_hang_outcomes_total")
            assert sum(each["outcome"] is not None for each in found[0]) == settled
        return found[0]

    async def _scraped(self, replica: Replica) -> Counter[str] | None:
        """What it shows; None where it does not answer, or shows no more than it can know."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{replica.url}/metrics") as answer:
                text = await answer.text()
        except (aiohttp.ClientError, OSError):
            return None
        found: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        for name, value in _SAMPLE.findall(text):
            if name in found:
                found[name] += int(float(value))
        return None if "\nvoice_exporter_state_outdated 1" in text else found


async def _ready(session: aiohttp.ClientSession, url: str) -> int:
    """Status of its readiness, asked some times a second."""
    async with session.get(f"{url}/-/ready") as answer:
        await asyncio.sleep(0.05)
        return answer.status


async def _post(session: aiohttp.ClientSession, url: str, sent: Sent) -> int:
    if not url:
        return 0
    try:
        body = json.dumps(sent.body).encode()
        async with session.post(f"{url}/webhook/{sent.platform}", data=body) as answer:
            return answer.status
    except (aiohttp.ClientError, OSError):
        return 0


async def run(folder: Path, rounds: int, seed: int) -> Drill:
    """So many disasters on one database."""
    with Postgres(FAST) as server:
        async with Cutter(server.database()) as cutter:
            drill = Drill(folder, server, cutter, seed)
            await drill.run(rounds)
            return drill
