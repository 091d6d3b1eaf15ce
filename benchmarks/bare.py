"""The yardstick: an aiohttp handler on uvloop that reads the body, answers 200 and does nothing else."""

import sys

import uvloop
from aiohttp import web


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def _ready(_request: web.Request) -> web.Response:
    return web.Response()


def main() -> None:
    """Serve on the port that is named on the command line."""
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/webhook/interactly", _take)
    app.router.add_post("/api/v2/alerts", _take)
    app.router.add_get("/-/ready", _ready)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
