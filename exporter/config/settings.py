"""What can be configured, as values. `exporter.config.load` makes them of a file; durations are seconds.

A field whose type has a kind is a key of the file, and what the reference says of it stands beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from exporter.config import kinds
from exporter.config.alertmanager import Alertmanager
from exporter.config.auth import Auth, Flag, Paths, Secrets
from exporter.config.sentiment import Sentiment
from exporter.http.forwarded import Network
from exporter.platforms import PLATFORMS
from exporter.yamlfile.fields import Doc, keys, section
from exporter.yamlfile.kinds import RATE, choice, duration, integer, listed

Ack = Literal["application", "exporter"]

SECRET_HEADERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {name: platform.secret_headers for name, platform in PLATFORMS.items()}
)
"""The headers that carry a platform's secret by default, by platform."""

_Count = Annotated[int, integer()]
_Seconds = Annotated[float, duration()]
_Url = Annotated[str, kinds.URL]


@dataclass(frozen=True, slots=True)
class Target:
    """A further application that gets a copy of the requests; its answers are not looked at."""

    url: Annotated[_Url, Doc("Where it listens.", "http://127.0.0.1:8081/hook")]
    events: Annotated[
        tuple[str, ...],
        listed(kinds.EVENT, "events"),
        Doc("The platform's names of the events that it gets.", "[end-of-call-report]", "all"),
    ] = ()


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """The application behind the exporter."""

    url: Annotated[_Url, Doc("The application behind the exporter.", "http://127.0.0.1:8080/hook", "no relay")]
    timeout: Annotated[_Seconds, Doc("Until the application's answer is complete.", "5s")] = 18.0
    ack: Annotated[
        Ack,
        choice("application", "exporter"),
        Doc(
            "Whose answer the platform gets: the application's, or the exporter's as soon as the event is durable.",
            "exporter",
        ),
    ] = "application"
    targets: Annotated[
        tuple[Target, ...],
        listed(section(Target, {"url": "say where the application listens"}), "targets"),
        Doc(
            "Further applications, each with a `url` and optionally the `events` it gets; their answers are not used.",
            "[{url: http://127.0.0.1:8081/hook, events: [end-of-call-report]}]",
        ),
    ] = ()
    forward_secret: Annotated[Flag, Doc("Whether the platform's secret goes on to the application.", "true")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformConfig:
    """One platform's webhook. Its repr shows no secret.

    Attributes:
        secrets: those of the file and of the files that it names, and that of the environment.
        auth: any one way in is enough.
    """

    secrets: Annotated[
        Secrets,
        Doc(
            "Any one of them authenticates a request, so that they can be exchanged without a gap.",
            '["s3cr3t-of-autumn", "s3cr3t-of-winter"]',
        ),
    ] = field(default=(), repr=False)
    secret_files: Annotated[
        Paths,
        Doc(
            "Files that hold one secret each, beside `secrets`; relative paths start at the configuration's directory.",
            "[/run/secrets/interactly]",
        ),
    ] = ()
    auth: Annotated[
        tuple[Auth, ...],
        kinds.auth(tuple(keys(Auth))),
        Doc(
            "How requests are authenticated. A type alone is short for `auth.type`; in a list any one entry is enough."
            " `none` accepts unauthenticated requests, without it a public address needs a secret.",
            "none",
            "header",
        ),
    ] = (Auth(),)
    header: Annotated[
        str | None, kinds.HEADER, Doc("Short for `auth.header`.", "x-webhook-secret", "see `auth.header`")
    ] = None
    relay: RelayConfig | None = None

    @property
    def credentials(self) -> tuple[tuple[Auth, tuple[bytes, ...]], ...]:
        """The ways in, each with the secrets that it takes."""
        return tuple((auth, auth.secrets or self.secrets) for auth in self.auth)

    @property
    def has_secret(self) -> bool:
        """Whether some way in takes a secret."""
        return any(secrets for _, secrets in self.credentials)

    @property
    def explicit(self) -> bool:
        """Whether the operator chose how requests are authenticated."""
        return any(auth.explicit for auth in self.auth)


def _platforms() -> Mapping[str, PlatformConfig]:
    return MappingProxyType({name: PlatformConfig(auth=(Auth.usual(name),)) for name in PLATFORMS})


@dataclass(frozen=True, slots=True)
class WebhooksConfig:
    """The webhooks of all platforms.

    Attributes:
        platforms: by name, always all of them.
    """

    platforms: Mapping[str, PlatformConfig] = field(default_factory=_platforms)
    max_body_bytes: Annotated[_Count, Doc("Largest body in bytes, before and after decompression.", "1048576")] = (
        8 * 1024 * 1024
    )
    read_timeout: Annotated[_Seconds, Doc("Until the body of a request is complete.", "5s")] = 10.0


MAX_VALUES: Final[Mapping[str, int]] = MappingProxyType(
    {"assistant_id": 500, "provider": 50, "model": 50, "error_code": 100, "tool": 50}
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Limits of label values."""

    assistant_id: Annotated[
        Flag,
        Doc("Whether assistants are distinguished; false collapses them into one.", "false", restart_only=True),
    ] = True
    max_values: Annotated[
        Mapping[str, int],
        kinds.MAX_VALUES,
        Doc("Distinct values by label; further ones are counted under `other`.", "{tool: 200}", restart_only=True),
    ] = field(default_factory=lambda: MAX_VALUES)
    max_series: Annotated[
        _Count, Doc("Label sets in all; a new one beyond them is counted under `other`.", "50000", restart_only=True)
    ] = 20_000
    ttl: Annotated[
        _Seconds,
        Doc("A value unused this long, with no open call, is evicted with its series.", "7d", restart_only=True),
    ] = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Calls:
    """What is remembered of calls."""

    idle_timeout: Annotated[_Seconds, Doc("A call silent for this long expires.", "1h")] = 2 * 3600.0
    max_retries: Annotated[
        _Count, Doc("The retryable error of a type in one call that counts as `retries_exhausted`.", "5")
    ] = 3
    retention: Annotated[_Seconds, Doc("How long an ended call is remembered, to recognise late duplicates.", "2d")] = (
        24 * 3600.0
    )
    max_tracked: Annotated[
        _Count,
        Doc(
            "Calls remembered at once; ended ones are forgotten first, then open ones expire, longest silent first.",
            "20000",
        ),
    ] = 100_000


@dataclass(frozen=True, slots=True)
class Incidents:
    """Hangs, errors and escalations one by one."""

    retention: Annotated[
        _Seconds, Doc("How long one is listed on `/incidents`, which has the last 500 of them.", "30d")
    ] = 7 * 86_400.0
    log: Annotated[Flag, Doc("Whether each hang and error is logged with its call id.", "false")] = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use up."""

    max_connections: Annotated[_Count, Doc("Connections open at once.", "200")] = 1000
    max_in_flight: Annotated[_Count, Doc("Webhook requests in flight at once.", "200")] = 1000
    rate_limit: Annotated[float | None, RATE, Doc("Webhook requests a second from one address.", "20")] = None
    trusted_proxies: Annotated[
        tuple[Network, ...],
        listed(kinds.NETWORK, "networks"),
        Doc("Proxies whose `X-Forwarded-For` or `Forwarded` names the client of `rate_limit`.", "[127.0.0.1]", "none"),
    ] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        buckets: bounds by metric name without ``voice_``; the others have those of the catalogue.
    """

    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    labels: Labels = field(default_factory=Labels)
    calls: Calls = field(default_factory=Calls)
    timezone: Annotated[ZoneInfo, kinds.TIMEZONE, Doc("Time zone of the metrics by hour.", "Europe/Berlin")] = field(
        default_factory=kinds.utc
    )
    buckets: Annotated[
        Mapping[str, tuple[float, ...]],
        kinds.BUCKETS,
        Doc(
            "Bounds of histograms by metric name without `voice_`. Bounds that the alerts' thresholds use must be"
            " there: 3 in `response_seconds`, 3 and 5 in `llm_response_seconds`, 0.8 in"
            " `message_negative_confidence_ratio`.",
            "{llm_response_seconds: [0.5, 1, 3, 5]}",
            "those of the metrics reference",
            restart_only=True,
        ),
    ] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    incidents: Incidents = field(default_factory=Incidents)
    alertmanager: Alertmanager = field(default_factory=Alertmanager)
    sentiment: Sentiment = field(default_factory=Sentiment)
