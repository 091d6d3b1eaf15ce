"""The applications behind the listeners: which path does what."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeAlias

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from exporter.events import UNKNOWN
from exporter.http.connection import CONNECTION, SERVER, answered_once, track
from exporter.recording.recent_activity import RecentActivity, Rejection
from exporter.relay import Relayed
from exporter.service import incidents_page, runbook_pages
from exporter.service.pages import Pages
from exporter.webhooks.fast_path import SUPPORTED, FastConnection
from exporter.webhooks.handler import PREFIX, Webhooks, error_response

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MESSAGES: Final = {404: "unknown path or platform", 405: "method not allowed"}


def is_webhook(request: web.Request) -> bool:
    """Whether the request goes to a webhook, known or not."""
    return request.path.startswith(PREFIX)


def webhook_app(webhooks: Webhooks, activity: RecentActivity) -> web.Application:
    """Serves only the webhook paths."""
    app = _application(activity)
    for path in webhooks.paths:
        app.router.add_post(path, webhooks.handle)
        app.router.add_route("*", path + "{rest:/.*}", webhooks.handle_beneath)
    if SUPPORTED:
        app[CONNECTION] = lambda server: FastConnection(server, webhooks)
    return app


def web_app(pages: Pages, webhooks: Webhooks | None, activity: RecentActivity) -> web.Application:
    """Serves everything, or everything but the webhooks where they have a listener of their own."""
    app = webhook_app(webhooks, activity) if webhooks else _application(activity)
    app.router.add_get("/", _page(pages.landing))
    app.router.add_get("/-/healthy", pages.healthy)
    app.router.add_get("/-/ready", pages.ready)
    app.router.add_post("/-/reload", pages.reload)
    app.router.add_get(incidents_page.PATH, _page(pages.incidents))
    app.router.add_get(pages.telemetry_path, pages.metrics)
    if pages.recorder.shared:
        app.router.add_get(f"{pages.telemetry_path}/replica", pages.replica_metrics)
    app.router.add_get(runbook_pages.PATH, _page(runbook_pages.index))
    app.router.add_get(f"{runbook_pages.PATH}{{name}}", _page(runbook_pages.runbook))
    return app


def _page(handler: _Handler) -> _Handler:
    """A page for people: it costs as much as ten webhooks."""

    async def page(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        answered_once(request, response)
        return response

    return page


def _application(activity: RecentActivity) -> web.Application:
    app = web.Application(middlewares=[_routing_errors(activity), track])
    app.on_response_prepare.append(_name_no_versions)
    return app


async def _name_no_versions(_request: web.Request, response: web.StreamResponse) -> None:
    if not isinstance(response, Relayed):
        response.headers[hdrs.SERVER] = SERVER


def _routing_errors(activity: RecentActivity) -> Middleware:
    """Gives the errors of routing their form, and takes only paths that are written the one way."""

    @web.middleware
    async def routing_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await (handler if _is_plain(request) else _nowhere)(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            message = _MESSAGES[error.status]
            allowed = error.headers.get(hdrs.ALLOW)
            if request.method == hdrs.METH_POST:
                activity.rejections.append(Rejection(time.time(), UNKNOWN, error.status, message))
            return error_response(error.status, message, {"Allow": allowed} if allowed else None)

    return routing_errors


def _is_plain(request: web.Request) -> bool:
    """Whether the path is written the one way: an encoded letter could pass by a rule of the proxy in front."""
    target = request.raw_path.partition("?")[0]
    if not target.startswith("/"):
        # A whole URL, as proxies are sent it and every server takes it (RFC 9112, 3.2.2).
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target == request.path


async def _nowhere(_request: web.Request) -> NoReturn:
    raise web.HTTPNotFound
