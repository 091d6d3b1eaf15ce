"""The landing page: one self-contained document, made of numbers and names from closed lists."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import zip_longest
from typing import Final

from exporter import __version__
from exporter.recording.recent_activity import RecentActivity
from exporter.service import html

SPANS: Final = (1, 5, 15)
"""Minutes that the counts cover, one column each."""

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: break-word; }
nav a { display: inline-block; padding: .3rem 1.2rem .3rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 50%; }
caption { text-align: left; font-weight: bold; padding-top: 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid GrayText; }
th.n { text-align: right; }
.bad { font-weight: bold; color: light-dark(#b00020, #ff8a80); }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) {
  body { font-size: 13px; } th, td { padding-right: .7rem; }
  .cards thead { display: none; }
  .cards, .cards tbody, .cards tr, .cards td { display: block; }
  .cards tr { border-bottom: 1px solid GrayText; padding: .3rem 0; }
  .cards td { border: 0; padding: .1rem 0 .1rem 8rem; position: relative; overflow-wrap: anywhere; }
  .cards td::before { content: attr(data-name); position: absolute; left: 0; opacity: .75; }
}
"""

HEADERS: Final = html.headers(_STYLE)
_WEBHOOK: Final = ("platform", "last event", "URL to paste", "authentication")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One platform's webhook.

    Attributes:
        platform: its name.
        url: what to paste into the platform's settings.
        wants: what a request has to show, in words.
        relayed: whether an application behind the relay answers.
        last: Unix time of the last event of each kind.
    """

    platform: str
    url: str
    wants: str
    relayed: bool = False
    last: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page shows.

    Attributes:
        not_ready: why no event can be kept; None where all is well.
        storage: where events are kept, in words.
        webhooks: of each platform.
        links: what to link to, by path, with its name.
        labels: each limited label with its distinct values and how many it may have.
        activity: the last minutes.
        analyser: what judges the text of user messages; empty where nothing does.
    """

    not_ready: str | None
    storage: str
    webhooks: Sequence[Webhook]
    links: Mapping[str, str]
    labels: Iterable[tuple[str, int, int]]
    activity: RecentActivity
    analyser: str = ""


def render(page: Page, now: float | None = None) -> str:
    """The document, as of Unix time ``now``."""
    now = time.time() if now is None else now
    state = "ready" if page.not_ready is None else f'<span class="bad">not ready: {escape(page.not_ready)}</span>'
    links = "".join(f'<a href="{escape(path)}">{escape(name)}</a> ' for path, name in page.links.items())
    body = (
        f"<h1>voice-exporter</h1><p>Version {escape(__version__)}, {state}. Storage: {escape(page.storage)}.</p>"
        f"{_sentiment(page.analyser)}<nav>{links}</nav>"
        + _table("Webhooks", _WEBHOOK, _webhooks(page, now), cards=True)
        + _table("Last event of each kind", ("platform", "event", "time (UTC)", ""), _last(page, now))
        + _table("Events by minutes", ("platform", "event", "outcome", *map(str, SPANS)), _events(page.activity, now))
        + _table("Last rejected requests", ("time (UTC)", "platform", "status", "reason"), _rejections(page.activity))
        + _table("Label values", ("label", "in use", "limit"), page.labels)
    )
    return html.document("voice-exporter", _STYLE, body)


def _sentiment(analyser: str) -> str:
    if not analyser:
        return ""
    return f"<p>Sentiment is on: {escape(analyser)} judges the text of user messages, which is then dropped.</p>"


def _webhooks(page: Page, now: float) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for webhook in page.webhooks:
        wants = webhook.wants + (", and the relay's application answers" if webhook.relayed else "")
        last = _ago(now - max(webhook.last.values())) if webhook.last else "none yet"
        rows.append((webhook.platform, last, webhook.url, wants))
    return rows


def _last(page: Page, now: float) -> list[tuple[object, ...]]:
    rows = [(at, webhook.platform, event) for webhook in page.webhooks for event, at in webhook.last.items()]
    return [(platform, event, _utc(at), _ago(now - at)) for at, platform, event in sorted(rows, reverse=True)]


def _ago(seconds: float) -> str:
    """A span of time in its largest whole unit."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} seconds ago"


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _events(activity: RecentActivity, now: float) -> list[tuple[object, ...]]:
    spans = [activity.totals(now, minutes) for minutes in SPANS]
    return [(*key, *(span[key] for span in spans)) for key in sorted(spans[-1])]


def _rejections(activity: RecentActivity) -> list[tuple[object, ...]]:
    return [(_utc(at), platform, status, reason) for at, platform, status, reason in reversed(activity.rejections)]


def _table(caption: str, names: Iterable[str], rows: Iterable[tuple[object, ...]], *, cards: bool = False) -> str:
    """A table; as cards each of its rows stands by itself on a narrow screen, with the names beside the values."""
    names, rows = list(names), list(rows)
    numbers = [isinstance(value, int) for value in rows[0]] if rows else []
    marks = [' class="n"' if number else "" for number in numbers]
    head = "".join(
        f'<th scope="col"{mark}>{escape(name)}</th>' for name, mark in zip_longest(names, marks, fillvalue="")
    )
    beside = names if cards else [""] * len(names)
    body = "".join(f"<tr>{''.join(map(_cell, row, beside))}</tr>" for row in rows)
    body = body or "<tr><td>none</td></tr>"
    kind = ' class="cards"' if cards else ""
    table = (
        f"<table{kind}><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    return f'<div class="wide">{table}</div>'


def _cell(value: object, name: str) -> str:
    number = ' class="n"' if isinstance(value, int) else ""
    beside = f' data-name="{escape(name)}"' if name else ""
    return f"<td{number}{beside}>{escape(str(value))}</td>"
