"""A set of label values that untrusted clients filled is free again after its time to live, and both can be seen."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from exporter.config import Calls, Config, Labels
from tests.conftest import Serve
from tests.service.test_landing_page import Tables
from tests.support.service import Service, running

TTL = 3600.0
CONFIG = Config(
    labels=Labels(max_values={"assistant_id": 2, "error_code": 1}, ttl=TTL), calls=Calls(idle_timeout=2 * TTL)
)


class Town:
    """A service whose time the test decides."""

    def __init__(self, service: Service, url: str, moments: list[float]) -> None:
        self.service = service
        self.url = url
        self._moments = moments

    @property
    def now(self) -> float:
        """What its clock shows."""
        return self._moments[-1]

    async def error(self, assistant: str, code: str = "timeout", status: str = "finished") -> None:
        """An error of that assistant in a call of its own, and the call's last status."""
        call = {"id": f"{assistant}-{self.now}", "assistantId": assistant, "status": status}
        fault = {"type": "llm_error", "code": code, "retryable": True}
        async with aiohttp.ClientSession() as session:
            for more in ({"type": "error", "timestamp": 1_700_000_000_000, "error": fault}, {"type": "status-update"}):
                body = json.dumps({"message": {"call": call, **more}})
                async with session.post(f"{self.url}/webhook/interactly", data=body) as answer:
                    assert answer.status == 200

    async def wait(self, seconds: float) -> None:
        """Let time pass, and the timer go off."""
        self._moments.append(self.now + seconds)
        await self.service.recorder.tidy()

    async def assistants(self) -> set[str]:
        """The assistants that a scrape shows errors of."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        names = [
            line.partition('assistant_id="')[2].partition('"')[0] for line in lines if "voice_errors_total{" in line
        ]
        return set(names)

    async def shown(self, label: str) -> list[str]:
        """What the landing page shows of a label: values in use, and the limit."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/") as answer:
            [row] = [row for row in Tables(await answer.text()).rows if row[:1] == [label]]
        return row[1:]

    def metrics(self, label: str) -> tuple[float, float]:
        """What the metrics show of a label: values in use, and how many found no place."""
        sample = self.service.sample
        overflows = sample("voice_exporter_label_overflows_total", label=label)
        return sample("voice_exporter_label_values", label=label), overflows


@asynccontextmanager
async def town(serve: Serve) -> AsyncIterator[Town]:
    """A town with two places for assistants and one for error codes."""
    moments = [time.time()]
    async with running(CONFIG, clock=lambda: moments[-1]) as service:
        yield Town(service, await serve(service.app), moments)


async def test_a_full_set_recovers(serve: Serve) -> None:
    """Whoever finds no place is counted as other and as an overflow; after the time to live there is place again."""
    async with town(serve) as here:
        for name in ("eve-1", "eve-2", "ada", "bob"):
            await here.error(name)
        assert await here.assistants() == {"eve-1", "eve-2", "other"}
        values, overflows = here.metrics("assistant_id")
        assert values == 2
        assert overflows > 0
        assert await here.shown("assistant_id") == ["2", "2"]

        await here.wait(TTL - 1)
        await here.error("ada")
        assert await here.assistants() == {"eve-1", "eve-2", "other"}

        await here.wait(62)
        before = here.metrics("assistant_id")
        assert before[0] == 0
        assert await here.shown("assistant_id") == ["0", "2"]
        await here.error("ada")
        assert await here.assistants() == {"ada", "other"}
        assert here.metrics("assistant_id") == (1, before[1])
        assert await here.shown("assistant_id") == ["1", "2"]


async def test_what_is_in_use_stays(serve: Serve) -> None:
    """An assistant with an open call keeps its place, and one that comes again before its time is up."""
    async with town(serve) as here:
        await here.error("open", status="ongoing")
        await here.error("busy")
        for _ in range(3):
            await here.wait(TTL / 2)
            await here.error("busy")
            await here.error("stranger")

        assert await here.assistants() == {"open", "busy", "other"}
        assert here.metrics("assistant_id")[0] == 2


async def test_each_label_recovers_by_itself(serve: Serve) -> None:
    """One code that is still in use keeps none of the others."""
    async with town(serve) as here:
        await here.error("ada", "timeout")
        await here.error("ada", "code-1")
        assert here.metrics("error_code") == (1, 1)
        assert await here.shown("error_code") == ["1", "1"]

        await here.wait(TTL + 1)
        await here.error("ada", "code-2")

        assert here.metrics("error_code") == (1, 1)
        assert here.service.sample("voice_errors_total", error_code="code-2") == 1
        assert here.service.sample("voice_errors_total", error_code="timeout") == 0
