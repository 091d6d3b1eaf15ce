"""An exporter with a relay in front of an application."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from exporter.config import Auth, Config, Limits, PlatformConfig, RelayConfig
from exporter.errors import RelayFailure
from exporter.relay import RelayOptions
from exporter.store.base import Store
from tests.conftest import Serve
from tests.support.service import Service, running
from tests.support.waiting import reached

SECRET = "open sesame"
KEY = ("X-Vapi-Secret", SECRET)


def config(
    url: str,
    *,
    auth: Auth | None = None,
    limits: Limits | None = None,
    platform: str = "vapi",
    **relay: Any,  # noqa: ANN401 - any setting of a relay
) -> Config:
    """A configuration in which one platform's webhook has a secret and an application behind it."""
    base = Config().webhooks
    relayed = PlatformConfig(
        secrets=(SECRET.encode(),),
        auth=(auth,) if auth else base.platforms[platform].auth,
        relay=RelayConfig(url, **relay),
    )
    return Config(webhooks=replace(base, platforms={**base.platforms, platform: relayed}), limits=limits or Limits())


class Front(NamedTuple):
    """The exporter.

    Attributes:
        url: of its Vapi webhook.
        service: what it consists of.
    """

    url: str
    service: Service


Exporter = Callable[..., Awaitable[Front]]


@pytest.fixture
async def exporter(serve: Serve, tmp_path: Path) -> AsyncIterator[Exporter]:
    """Starts exporters that lose no time between attempts; what they keep is in the test's folder."""
    async with AsyncExitStack() as stack:

        async def start(settings: Config, store: Store | None = None, **limits: float) -> Front:
            settled: dict[str, Any] = {"longest_pause": 0.01, **limits}
            options = RelayOptions(tmp_path / "data", **settled)
            service = await stack.enter_async_context(running(settings, store, relay=options))
            return Front(f"{await serve(service.app)}/webhook/vapi", service)

        yield start


def failures(front: Front) -> dict[str, float]:
    """Failures so far by reason, where there were any."""
    name = "voice_exporter_relay_errors_total"
    found = {reason: front.service.sample(name, platform="vapi", reason=reason) for reason in get_args(RelayFailure)}
    return {reason: count for reason, count in found.items() if count}


def codes(front: Front, code: str) -> float:
    """Requests to the application that ended with a status code."""
    return front.service.sample("voice_exporter_relay_seconds_count", platform="vapi", code=code)


async def counted(front: Front, name: str, value: float, **labels: str) -> None:
    """Wait until a metric has a value: what needs an answer is counted beside it."""
    await reached(f"{name} is {value}", lambda: front.service.sample(name, **labels) == value)
