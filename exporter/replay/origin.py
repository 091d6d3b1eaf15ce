"""Which platform a recorded body came from: a recording does not say, but the fields differ."""

from exporter.platforms import PLATFORMS


def platform_of(body: bytes) -> str:
    """Name of the platform; the first one's where none knows the body for its own."""
    found = (platform.name for platform in PLATFORMS.values() if platform.recognises(body))
    return next(found, next(iter(PLATFORMS)))
