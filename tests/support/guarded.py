"""A guarded application and its clients, for tests of who may read."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import bcrypt
from aiohttp import web

from exporter.http.access import AccessControl, WebConfig

USERS = {"ada": bcrypt.hashpw(b"one", bcrypt.gensalt(4))}


async def page(_request: web.Request) -> web.Response:
    """What is guarded."""
    return web.Response(text="page")


async def framed(_request: web.Request) -> web.Response:
    """A page that sets a header itself."""
    return web.Response(text="page", headers={"X-Frame-Options": "sameorigin"})


@asynccontextmanager
async def serve(config: WebConfig, guard: AccessControl | None = None) -> AsyncIterator[str]:
    """A guarded application on a free port; yields its URL."""
    app = web.Application()
    app.router.add_get("/metrics", page)
    app.router.add_get("/framed", framed)
    app.router.add_post("/webhook/vapi", page)
    (guard or guarding(config)).install(app)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=config.ssl_context())
        await site.start()
        yield f"{'https' if config.tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def guarding(config: WebConfig) -> AccessControl:
    """A guard that knows webhooks by their path."""
    return AccessControl(config, lambda request: request.path.startswith("/webhook/"))


async def ask(
    url: str, context: ssl.SSLContext | None = None, *, user: str = "", method: str = "GET"
) -> aiohttp.ClientResponse:
    """One request over a connection of its own."""
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, ssl=context or True, headers=headers) as response,
    ):
        await response.read()
        return response
