"""Who may reach a webhook that asks for no secret."""

from collections.abc import Mapping

from exporter.config import PlatformConfig
from exporter.errors import OpenAccessError


def has_secret(platforms: Mapping[str, PlatformConfig]) -> bool:
    """Whether any platform has a webhook secret."""
    return any(platform.has_secret for platform in platforms.values())


def closed(platforms: Mapping[str, PlatformConfig], *, public: bool) -> frozenset[str]:
    """Platforms whose webhooks reject all requests: they have no secret, another has one or the address is public.

    A reverse proxy on this machine makes a loopback address public; who has configured one secret means to be guarded.

    Raises:
        OpenAccessError: untrusted clients reach the address, and that would be all of them.
    """
    undecided = frozenset(
        name for name, platform in platforms.items() if not platform.has_secret and not platform.explicit
    )
    if not public and not has_secret(platforms):
        return frozenset()
    if undecided == frozenset(platforms):
        raise OpenAccessError(
            "no webhook has a secret and untrusted clients reach the listen address: set webhooks.<platform>.secrets or"
            " VOICE_EXPORTER_WEBHOOK_SECRET, or auth: {type: none} to accept unauthenticated requests"
        )
    return undecided
