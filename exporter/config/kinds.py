"""What keys of the configuration may take that no other file needs."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from exporter.config.settings import Target, utc
from exporter.errors import Invalid
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import NANO
from exporter.yamlfile.kinds import kind, listed, number, text
from exporter.yamlfile.schema import Key, Kind, check, unknown
from exporter.yamlfile.tree import Node

HISTOGRAMS: Final = {
    name.removeprefix("voice_"): metric for name, metric in METRICS.items() if metric.kind == "histogram"
}
"""Metrics whose buckets may be set, by the name that the configuration has for them."""

THRESHOLDS: Final[Mapping[str, tuple[float, ...]]] = {"response_seconds": (3.0,), "llm_response_seconds": (3.0, 5.0)}
"""Bounds that the thresholds documented with the hang and error events need, in seconds."""

MAX_BOUNDS: Final = 100

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_EVENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNCARRIED: Final = re.compile(rb"^\s|\s$|[\x00-\x1f\x7f]|^$")


def secret_of(data: bytes) -> bytes:
    """The secret, if a header can carry it.

    Raises:
        ValueError: it is empty, has spaces around it, or holds a control character.
    """
    if _UNCARRIED.search(data):
        raise ValueError
    return data


def _header(value: object) -> str:
    name = text(value)
    if not _HEADER.fullmatch(name):
        raise ValueError
    return name.lower()


def _event(value: object) -> str:
    name = text(value)
    if not _EVENT.fullmatch(name):
        raise ValueError
    return name


def _path(node: Node) -> tuple[Path, Node]:
    if not isinstance(node.value, str) or not node.value:
        raise Invalid(node.fault("expected the path of a file"))
    return Path(node.value), node


def _url(value: object) -> str:
    url = text(value)
    parts = urlsplit(url)
    sound = url.isascii() and url.isprintable() and not set(' "<>\\') & set(url)
    if not sound or parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError
    if "@" in parts.netloc or parts.fragment:
        raise ValueError
    return url


def _target(node: Node) -> Target:
    found = check(node, _TARGET_KEYS)
    if "url" not in found.values and not found.faults:
        found.fault("url", "is missing: say where the application listens")
    if found.faults:
        raise Invalid(*found.faults)
    return Target(**found.values)


def _timezone(node: Node) -> ZoneInfo:
    if node.value == "UTC":
        return utc()
    zones = available_timezones()
    if isinstance(node.value, str) and node.value in zones:
        return ZoneInfo(node.value)
    if not zones:
        raise Invalid(node.fault("this machine has no time zone data: install the package tzdata, or use UTC"))
    close = get_close_matches(node.value, zones, 1) if isinstance(node.value, str) else []
    example = f"did you mean {close[0]}?" if close else "write UTC or a name such as Europe/Berlin"
    raise Invalid(node.fault(f"expected a time zone of the IANA database; {example}"))


def _buckets(node: Node) -> Mapping[str, tuple[float, ...]]:
    if not isinstance(node.value, dict):
        raise Invalid(node.fault("expected metric names, without voice_, with a list of bounds each"))
    faults = [inner.fault(unknown(name, HISTOGRAMS)) for name, inner in node.value.items() if name not in HISTOGRAMS]
    bounds = {}
    for name, inner in node.value.items():
        if name in HISTOGRAMS:
            try:
                bounds[name] = _bounds(name, inner)
            except Invalid as error:
                faults += error.faults
    if faults:
        raise Invalid(*faults)
    return bounds


def _bounds(name: str, node: Node) -> tuple[float, ...]:
    try:
        bounds = tuple(number(item.value) for item in node.value) if isinstance(node.value, list) else ()
    except ValueError:
        bounds = ()
    if not 0 < len(bounds) <= MAX_BOUNDS:
        raise Invalid(node.fault(f"expected a list of 1 to {MAX_BOUNDS} finite numbers, such as [0.5, 1, 3]"))
    steps = [round(bound * NANO) for bound in (0.0, *bounds)]
    if any(step >= following for step, following in pairwise(steps)):
        raise Invalid(node.fault("expected bounds above 0 that ascend, by a billionth or more"))
    if name.endswith("_ratio") and bounds[-1] > 1:
        raise Invalid(node.fault("expected bounds up to 1: a ratio is never more"))
    missing = [f"{bound:g}" for bound in THRESHOLDS.get(name, ()) if bound not in bounds]
    if missing:
        raise Invalid(node.fault(f"leaves out {' and '.join(missing)}, which the alerts' thresholds use: add it"))
    return bounds


SECRET: Final = kind(
    "a secret: text in quotes, not empty, without spaces around it or control characters",
    lambda value: secret_of(text(value).encode()),
)
HEADER: Final = kind("the name of a header", _header)
EVENT: Final = kind("the platform's name of an event", _event)
PATH: Final = Kind("the path of a file", _path)
URL: Final = kind("an http or https URL without user, password or fragment", _url)
TIMEZONE: Final = Kind("a time zone of the IANA database", _timezone)
BUCKETS: Final = Kind("lists of bounds by metric name", _buckets)

_TARGET_KEYS: Final = (
    Key("url", URL, "where it listens", "http://127.0.0.1:8081/hook"),
    Key("events", listed(EVENT, "events"), "what it gets", "[end-of-call-report]"),
)
TARGETS: Final = listed(Kind("url and events", _target), "targets")
