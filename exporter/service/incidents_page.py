"""The last hangs, errors and escalations, newest first: a page for who is paged, and the same as JSON for tools."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Final, get_args
from urllib.parse import urlencode

from exporter.calls.incident import Incident, Kind
from exporter.events import UNKNOWN
from exporter.service import html
from exporter.yamlfile.durations import format_duration

PATH: Final = "/incidents"
FILTERS: Final = ("kind", "platform", "assistant", "call")
"""Keys of the query; each keeps the incidents that have this value."""

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
:root { --line: #8886; --red: #c5221f; --amber: #a85b00; }
@media (prefers-color-scheme: dark) {
  :root { background: #111417; color: #d6d9dc; --red: #ff8a80; --amber: #ffb74d; }
  a { color: #8ab4f8; } a:visited { color: #c58af9; }
}
body { max-width: 80rem; margin: 1.5rem auto; padding: 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0; }
nav b { font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; }
td small { display: block; opacity: .75; }
.critical { color: var(--red); font-weight: 600; }
.high { color: var(--amber); }
@media (max-width: 48rem) {
  thead { display: none; }
  table, tbody, tr, td { display: block; }
  tr { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .8rem; margin-bottom: .8rem; }
  td { border: 0; padding: .15rem 0 .15rem 7.5rem; min-height: 1.45em; position: relative; }
  td:empty { display: none; }
  td::before { content: attr(data-name); position: absolute; left: 0; opacity: .75; }
}
"""
HEADERS: Final = {**html.headers(_STYLE), "Vary": "Accept"}

NameOf = Callable[[str, str], str]
"""The name of a platform's assistant; empty where none is known."""


def wants_json(accept: str) -> bool:
    """Whether a client would rather have JSON than HTML, as its Accept header says; one that says nothing gets HTML."""
    qualities = {"application/json": 0.0, "text/html": 0.0}
    for each in accept.lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        if name in qualities:
            given = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            qualities[name] = float(given) if given.replace(".", "", 1).isdecimal() else 0.0
    return qualities["application/json"] > qualities["text/html"]


def selected(incidents: Iterable[Incident], query: Mapping[str, str]) -> list[Incident]:
    """Those that a query asks for."""
    wanted = {name: query[name] for name in FILTERS if query.get(name)}
    return [each for each in incidents if all(_filters(each)[name] == value for name, value in wanted.items())]


def to_json(incidents: Iterable[Incident], name: NameOf) -> bytes:
    """The incidents as one JSON document."""
    rows = [
        {
            "time": _rfc3339(each.received if each.time_ms is None else each.time_ms / 1000),
            "received": _rfc3339(each.received),
            "kind": each.kind,
            "severity": each.severity,
            "platform": each.platform,
            "assistant_id": each.assistant,
            "assistant_name": name(each.platform, each.assistant) or None,
            "call_id": each.call_id or None,
            "component": each.component,
            "provider": each.provider,
            "model": each.model,
            "error_type": None if each.kind == "sentiment" else each.what or None,
            "sentiment": each.what if each.kind == "sentiment" else None,
            "error_code": each.code or None,
            "cause": each.cause or None,
            "messages": each.messages,
            "outcome": each.outcome or None,
            "recovery_seconds": None if each.recovery_ms is None else each.recovery_ms / 1000,
        }
        for each in incidents
    ]
    return json.dumps({"incidents": rows}).encode() + b"\n"


def render(incidents: Iterable[Incident], query: Mapping[str, str], name: NameOf, now: float | None = None) -> str:
    """The document, as of Unix time ``now``."""
    now = time.time() if now is None else now
    rows = "".join(_row(each, name(each.platform, each.assistant), now) for each in incidents)
    head = "".join(f'<th scope="col">{each}</th>' for each in _COLUMNS)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    body = f'<p><a href="./">voice-exporter</a></p><h1>Incidents</h1>{_navigation(query)}'
    return html.document(
        "Incidents - voice-exporter", _STYLE, body + (table if rows else "<p>None that are known.</p>")
    )


_COLUMNS: Final = ("Time (UTC)", "What", "Assistant", "Call", "Provider", "Outcome")


def _navigation(query: Mapping[str, str]) -> str:
    """Links to each kind, and what else is filtered by."""
    kept = {name: query[name] for name in FILTERS[1:] if query.get(name)}
    links = [_link("All", kept, current=not query.get("kind"))]
    links += (
        _link(f"{kind}s".capitalize(), {**kept, "kind": kind}, current=query.get("kind") == kind)
        for kind in get_args(Kind)
    )
    shown = "".join(f"<li>{name}: <b>{escape(value)}</b></li>" for name, value in kept.items())
    only = f'<ul>{shown}</ul><p><a href="incidents">Show all</a></p>' if shown else ""
    return f"<nav>{''.join(links)}</nav>{only}"


def _link(text: str, query: Mapping[str, str], *, current: bool) -> str:
    href = f"incidents?{urlencode(query)}" if query else "incidents"
    return f"<b>{text}</b>" if current else f'<a href="{escape(href)}">{text}</a>'


def _row(incident: Incident, name: str, now: float) -> str:
    moment = incident.received if incident.time_ms is None else incident.time_ms / 1000
    when = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"
    ago = f"received {format_duration(float(int(max(0.0, now - incident.received))))} ago"
    assistant = {"platform": incident.platform, "assistant": incident.assistant}
    who = f'<a href="incidents?{escape(urlencode(assistant))}">{escape(name or incident.assistant)}</a>'
    found = {"platform": incident.platform, "call": incident.call_id}
    call = f'<a href="incidents?{escape(urlencode(found))}">{escape(incident.call_id)}</a>'
    what = f'<span class="{incident.severity}">{escape(_what(incident))}</span>'
    cells = (
        f"{when}<small>{ago}</small>",
        f"{what}<small>{escape(_details(incident))}</small>",
        f"{who}<small>{escape(incident.assistant)}, {escape(incident.platform)}</small>",
        call if incident.call_id else UNKNOWN,
        f"{escape(incident.provider)}<small>{escape(incident.model)}</small>",
        escape(_outcome(incident)),
    )
    marked = (f'<td data-name="{column}">{cell}</td>' for column, cell in zip(_COLUMNS, cells, strict=True))
    return f"<tr>{''.join(marked)}</tr>"


def _what(incident: Incident) -> str:
    return ": ".join(filter(None, (incident.kind, incident.what)))


def _details(incident: Incident) -> str:
    if incident.kind == "hang":
        return "" if incident.messages is None else f"after {incident.messages} messages"
    return ", ".join(filter(None, (incident.code, incident.component, incident.cause.replace("_", " "))))


def _outcome(incident: Incident) -> str:
    if incident.kind != "hang":
        return ""
    after = "" if incident.recovery_ms is None else f" after {incident.recovery_ms / 1000:.1f} s"
    return f"{incident.outcome or 'open'}{after}"


def _filters(incident: Incident) -> dict[str, str]:
    return {
        "kind": incident.kind,
        "platform": incident.platform,
        "assistant": incident.assistant,
        "call": incident.call_id,
    }


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
