"""What keys of the configuration may take that no other file needs."""

import re
import struct
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from io import BytesIO
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from exporter.config.signing import compile_template
from exporter.errors import Invalid
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import NANO
from exporter.yamlfile.kinds import TEXT, choice, integer, kind, listed, mapped, number, text
from exporter.yamlfile.schema import Found, Key, Kind, check
from exporter.yamlfile.tree import Node

HISTOGRAMS: Final = {
    name.removeprefix("voice_"): metric for name, metric in METRICS.items() if metric.kind == "histogram"
}
"""Metrics whose buckets may be set, by the name that the configuration has for them."""

THRESHOLDS: Final[Mapping[str, tuple[float, ...]]] = {
    "response_seconds": (3.0,),
    "llm_response_seconds": (3.0, 5.0),
    "message_negative_confidence_ratio": (0.8,),
}
"""Bounds that the documented thresholds need."""

MAX_BOUNDS: Final = 100

LABELS: Final = ("assistant_id", "provider", "model", "error_code", "tool")
"""Labels whose distinct values are limited."""

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_EVENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def utc() -> ZoneInfo:
    """The time zone UTC, on machines without time zone data too."""
    try:
        return ZoneInfo("UTC")
    except ZoneInfoNotFoundError:
        # One type of local time, no transitions: https://www.rfc-editor.org/rfc/rfc8536#section-3
        data = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
        return ZoneInfo.from_file(BytesIO(data), key="UTC")


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


def _path(value: object) -> Path:
    if not text(value):
        raise ValueError
    return Path(text(value))


def _url(value: object) -> str:
    url = text(value)
    parts = urlsplit(url)
    sound = url.isascii() and url.isprintable() and not set(' "<>\\') & set(url)
    if not sound or parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError
    if "@" in parts.netloc or parts.fragment:
        raise ValueError
    return url


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


def _bounds(name: str) -> Kind:
    return Kind("a list of bounds", partial(_read_bounds, name))


def _read_bounds(name: str, node: Node) -> tuple[float, ...]:
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


def _payload_format(node: Node) -> str:
    if not isinstance(node.value, str):
        raise Invalid(node.fault(f"expected {TEXT.expects}"))
    try:
        compile_template(node.value)
    except ValueError as error:
        raise Invalid(node.fault(str(error))) from None
    return node.value


def auth(keys: tuple[Key, ...]) -> Kind:
    """Ways to authenticate: the type of one, the options of one, or a list of these. Gives what each says."""
    expects = f"{AUTH_TYPE.expects}; its options; or a list of these"

    def entry(node: Node) -> Found:
        if not isinstance(node.value, dict):
            return Found({"type": AUTH_TYPE.read(node)}, {"": node})
        found = check(node, keys)
        if found.faults:
            raise Invalid(*found.faults)
        return found

    entries = listed(Kind(expects, entry), "types or options")

    def read(node: Node) -> tuple[Found, ...]:
        if node.value is None:
            return ()
        if node.value == []:
            raise Invalid(node.fault(f"expected {expects}"))
        found: tuple[Found, ...] = entries.read(node) if isinstance(node.value, list) else (entry(node),)
        return found

    return Kind(expects, read, lambda ways: ", ".join(way.type for way in ways), keys)


AUTH_TYPE: Final = choice("none", "header", "bearer", "hmac", "standard", "platform")
HEADER: Final = kind("the name of a header", _header)
EVENT: Final = kind("the platform's name of an event", _event)
PATH: Final = kind("the path of a file", _path)
NETWORK: Final = kind("an address or a network such as 10.0.0.0/8", lambda value: ip_network(text(value)))
URL: Final = kind("an http or https URL without user, password or fragment", _url)
PAYLOAD_FORMAT: Final = Kind(TEXT.expects, _payload_format)
TIMEZONE: Final = Kind("a time zone of the IANA database", _timezone)
BUCKETS: Final = mapped(
    {name: _bounds(name) for name in HISTOGRAMS}, "metric names, without voice_, with a list of bounds each"
)
MAX_VALUES: Final = mapped(
    {label: integer() for label in LABELS},
    f"a whole number for any of {', '.join(LABELS)}",
    lambda values: ", ".join(f"{label} {values[label]}" for label in values),
)
