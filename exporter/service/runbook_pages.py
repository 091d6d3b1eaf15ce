"""The alerts' runbooks as pages, so that a link in an alert leads somewhere wherever the exporter runs."""

import asyncio
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Final

from aiohttp import web

from exporter.service import html
from exporter.service.markdown import to_html

PATH: Final = "/runbooks/"

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h2 { margin-top: 2rem; }
pre { overflow-x: auto; padding: .7rem; border-left: 3px solid GrayText; }
code { font-size: .9em; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid GrayText; }
"""
_HEADERS: Final = html.headers(_STYLE)
_NUMBERS: Final = (
    "Numbers and queries are those of the default thresholds. Where yours differ, those in the alert's text hold."
)


async def index(_request: web.Request) -> web.Response:
    """The list of all runbooks."""
    texts = await asyncio.to_thread(_texts)
    rows = "".join(f'<li><a href="{name}">{name}</a>: {escape(_summary(texts[name]))}</li>' for name in sorted(texts))
    return _page("Runbooks", f'<p><a href="../">voice-exporter</a></p><h1>Runbooks</h1><ul>{rows}</ul>')


async def runbook(request: web.Request) -> web.Response:
    """One alert's runbook; ``NAME.md`` is the same page, for boards and pages that link files.

    Raises:
        HTTPNotFound: there is no such alert.
    """
    name = request.match_info["name"].removesuffix(".md")
    text = (await asyncio.to_thread(_texts)).get(name)
    if text is None:
        raise web.HTTPNotFound
    return _page(name, f'<p><a href="./">All runbooks</a>. {_NUMBERS}</p>{_body(text)}')


@cache
def _texts() -> Mapping[str, str]:
    """Every runbook by its alert's name, with the thresholds of the package."""
    from exporter.assets import groups, load  # noqa: PLC0415 - a sixth of the time that a start takes
    from exporter.assets.runbooks import runbooks  # noqa: PLC0415 - as above

    thresholds = load()
    return runbooks(groups(thresholds), thresholds, linked=False)


def _body(text: str) -> str:
    """The runbook, with the alert's own queries folded: who was paged reads first what it means and what to do."""
    rule, heading, rest = to_html(text).partition("<h2>")
    rule = rule.replace("<pre>", "<details><summary>query</summary><pre>").replace("</pre>", "</pre></details>")
    return rule + heading + rest


def _summary(text: str) -> str:
    return text.split("\n\n")[1].replace("\n", " ")


def _page(title: str, body: str) -> web.Response:
    return web.Response(text=html.document(title, _STYLE, body), headers=_HEADERS)
