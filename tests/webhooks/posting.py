"""Posts to webhooks, and what came of them."""

from pathlib import Path

import aiohttp

from exporter.config import Auth, Config, Limits, PlatformConfig, WebhooksConfig
from exporter.errors import StorageError
from exporter.store.base import Batch
from exporter.store.memory import MemoryStore
from tests.support.service import Service

FIXTURES = Path(__file__).parents[1] / "fixtures" / "interactly"
HANG = (FIXTURES / "hang.json").read_bytes()
PATH = "/webhook/interactly"
SECRET = "open sesame"
UNKNOWN = {"message": {"type": "sneeze", "timestamp": 1_700_000_000_000}}


def config(auth: Auth | None = None, **limits: float) -> Config:
    """A configuration whose Interactly webhook has a secret."""
    base = Config().webhooks
    platform = PlatformConfig(secrets=(SECRET.encode(),), auth=(auth,) if auth else base.platforms["interactly"].auth)
    names = ("max_body_bytes", "read_timeout")
    webhooks = {name: value for name, value in limits.items() if name in names}
    rest = {name: value for name, value in limits.items() if name not in names}
    return Config(
        webhooks=WebhooksConfig({**base.platforms, "interactly": platform}, **webhooks),  # type: ignore[arg-type]  # numbers of the right kind
        limits=Limits(**rest),  # type: ignore[arg-type]  # numbers of the right kind
    )


async def post(url: str, body: bytes, path: str = PATH, method: str = "POST", **headers: str) -> tuple[int, object]:
    """Send a body: status and decoded answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.request(method, url + path, data=body, headers=named) as got:
        return got.status, await got.json() if method != "HEAD" else None


def rejected(service: Service) -> tuple[str, int, str]:
    """The latest rejection that the landing page shows."""
    latest = service.activity.rejections[-1]
    return latest.platform, latest.status, latest.reason


class Failing(MemoryStore):
    """Keeps nothing more."""

    async def commit(self, _batch: Batch) -> None:
        """Refuse.

        Raises:
            StorageError: always.
        """
        raise StorageError("no space left on device")
