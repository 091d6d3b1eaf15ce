"""The landing page: one self-contained document, made of numbers and names from closed lists."""

import base64
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Final

from exporter import __version__
from exporter.recording.recent_activity import RecentActivity

SPANS: Final = (1, 5, 15)
"""Minutes that the counts cover, one column each."""

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; min-width: 50%; }
caption { text-align: left; font-weight: bold; padding-top: 1.5rem; }
th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid GrayText; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
"""

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "Referrer-Policy": "no-referrer",
}
"""Headers of the answer: nothing but the page's own style may be loaded or run."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the page shows.

    Attributes:
        not_ready: why no event can be kept; None where all is well.
        links: paths to link to.
        labels: each limited label with its distinct values and how many it may have.
        activity: the last minutes.
    """

    not_ready: str | None
    links: Sequence[str]
    labels: Iterable[tuple[str, int, int]]
    activity: RecentActivity


def render(page: Page, now: float | None = None) -> str:
    """The document, as of Unix time ``now``."""
    now = time.time() if now is None else now
    state = "ready" if page.not_ready is None else f"not ready: {page.not_ready}"
    links = "".join(f'<li><a href="{escape(path)}">{escape(path)}</a></li>' for path in page.links)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>voice-exporter</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>voice-exporter</h1><p>Version {escape(__version__)}, {escape(state)}.</p><ul>{links}</ul>"
        + _table("Events by minutes", ("platform", "event", "outcome", *map(str, SPANS)), _events(page.activity, now))
        + _table("Last rejected requests", ("time (UTC)", "platform", "status", "reason"), _rejections(page.activity))
        + _table("Label values", ("label", "in use", "limit"), page.labels)
        + "</body></html>\n"
    )


def _events(activity: RecentActivity, now: float) -> list[tuple[object, ...]]:
    spans = [activity.totals(now, minutes) for minutes in SPANS]
    return [(*key, *(span[key] for span in spans)) for key in sorted(spans[-1])]


def _rejections(activity: RecentActivity) -> list[tuple[object, ...]]:
    return [
        (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}", platform, status, reason)
        for at, platform, status, reason in reversed(activity.rejections)
    ]


def _table(caption: str, names: Iterable[str], rows: Iterable[tuple[object, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    body = body or "<tr><td>none</td></tr>"
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f'<td class="n">{value}</td>' if isinstance(value, int) else f"<td>{escape(str(value))}</td>"
