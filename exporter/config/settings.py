"""What can be configured, as values: `exporter.config.load` makes them of a file. Durations are seconds."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.platforms import PLATFORMS

AuthType = Literal["none", "header", "bearer", "hmac", "standard"]
Algorithm = Literal["sha256", "sha512", "sha1"]
Encoding = Literal["hex", "base64"]
TimestampUnit = Literal["auto", "s", "ms"]
Ack = Literal["application", "exporter"]

SECRET_HEADERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {name: platform.secret_headers for name, platform in PLATFORMS.items()}
)
"""The headers that carry a platform's secret by default, by platform."""


def utc() -> ZoneInfo:
    """The time zone UTC, on machines without time zone data too."""
    try:
        return ZoneInfo("UTC")
    except ZoneInfoNotFoundError:
        # One type of local time, no transitions: https://www.rfc-editor.org/rfc/rfc8536#section-3
        data = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
        return ZoneInfo.from_file(BytesIO(data), key="UTC")


@dataclass(frozen=True, slots=True)
class Auth:
    """How a platform's requests prove who sent them. The defaults of signatures are those of Vapi's credentials.

    Attributes:
        type: none accepts all requests; header and bearer carry a secret; hmac and standard sign with it.
        headers: lower case; each may carry the secret of type header, or the token of type bearer.
        algorithm: of hmac; standard is always sha256.
        signature_header: where hmac's signature is.
        timestamp_header: where hmac's timestamp is.
        id_header: where hmac's ``{svix-id}`` is.
        payload_format: what hmac signs; holds ``{body}``, and any of timestamp, method, url, svix-id.
        encoding: how hmac's signature is printed.
        prefix: stands before hmac's signature, such as ``sha256=``.
        secret_is_base64: whether hmac's key is the decoded secret; that of standard always is.
        tolerance: seconds that a signed timestamp may differ from now, either way; 0 leaves it unchecked.
        timestamp_unit: of the timestamp; auto tells milliseconds by their size.
        explicit: whether the operator chose this, rather than said nothing.
    """

    type: AuthType = "header"
    headers: tuple[str, ...] = ()
    algorithm: Algorithm = "sha256"
    signature_header: str = "x-signature"
    timestamp_header: str = "x-timestamp"
    id_header: str = "svix-id"
    payload_format: str = "{timestamp}.{body}"
    encoding: Encoding = "hex"
    prefix: str = ""
    secret_is_base64: bool = False
    tolerance: float = 300.0
    timestamp_unit: TimestampUnit = "auto"
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A further application that gets a copy of the requests; its answers are not looked at.

    Attributes:
        url: where it listens.
        events: the platform's names of the events that it gets; empty for all.
    """

    url: str
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relay:
    """The application behind the exporter.

    Attributes:
        url: where the application listens.
        timeout: until its answer is complete.
        ack: whose answer the platform gets: the application's, or the exporter's once the event is durable.
        targets: further applications.
        forward_secret: whether the platform's secret goes on to the application.
    """

    url: str
    timeout: float = 18.0
    ack: Ack = "application"
    targets: tuple[Target, ...] = ()
    forward_secret: bool = False


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform's webhook. Its repr shows no secret.

    Attributes:
        secrets: any one of them is good; none where none is configured.
        auth: how they are used.
        relay: the application behind the exporter, if there is one.
    """

    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    auth: Auth = field(default_factory=Auth)
    relay: Relay | None = None


def _platforms() -> Mapping[str, Platform]:
    return MappingProxyType({name: Platform(auth=Auth(headers=names)) for name, names in SECRET_HEADERS.items()})


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The webhooks of all platforms.

    Attributes:
        platforms: by name, always all of them.
        max_body_bytes: largest body, before and after decompression.
        read_timeout: until a request's body is complete.
    """

    platforms: Mapping[str, Platform] = field(default_factory=_platforms)
    max_body_bytes: int = 8 * 1024 * 1024
    read_timeout: float = 10.0


MAX_VALUES: Final[Mapping[str, int]] = MappingProxyType(
    {"assistant_id": 500, "provider": 50, "model": 50, "error_code": 100, "tool": 50}
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Limits of label values.

    Attributes:
        assistant_id: whether assistants are told apart; False folds all of them together.
        max_values: distinct values by label.
        max_series: label sets in all.
        ttl: an unused value goes with its series after this long.
    """

    assistant_id: bool = True
    max_values: Mapping[str, int] = field(default_factory=lambda: MAX_VALUES)
    max_series: int = 20_000
    ttl: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Calls:
    """What is remembered of calls.

    Attributes:
        idle_timeout: a call silent for this long expires.
        max_retries: the retryable error of a type in one call that counts as retries exhausted.
        retention: how long an ended call is remembered.
        max_tracked: calls remembered at once.
    """

    idle_timeout: float = 2 * 3600.0
    max_retries: int = 3
    retention: float = 24 * 3600.0
    max_tracked: int = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use up.

    Attributes:
        max_connections: open at once.
        max_in_flight: webhook requests being answered at once.
        rate_limit: webhook requests per second and source address; None for any number.
    """

    max_connections: int = 1000
    max_in_flight: int = 1000
    rate_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        webhooks: who may post what.
        labels: limits of label values.
        calls: what is remembered of calls.
        timezone: of the metrics by hour.
        buckets: configured bounds by metric name without ``voice_``; the others have those of the catalogue.
        limits: what clients may use up.
    """

    webhooks: Webhooks = field(default_factory=Webhooks)
    labels: Labels = field(default_factory=Labels)
    calls: Calls = field(default_factory=Calls)
    timezone: ZoneInfo = field(default_factory=utc)
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
