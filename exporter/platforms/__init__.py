"""Platforms: bytes of a webhook body to events, and nothing else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.platforms.elevenlabs import ELEVENLABS
from exporter.platforms.interactly import INTERACTLY
from exporter.platforms.own import OWN
from exporter.platforms.platform import Platform
from exporter.platforms.retell import RETELL
from exporter.platforms.vapi import VAPI

PLATFORMS: Final[Mapping[str, Platform]] = MappingProxyType(
    {
        platform.name: platform
        for platform in (
            INTERACTLY,
            VAPI,
            RETELL,
            ELEVENLABS,
            OWN,
        )
    }
)
"""Every platform by name. A recorded body that none recognises is taken for the first one's."""

HANGS_UNKNOWN: Final = tuple(name for name, platform in PLATFORMS.items() if "hang" not in platform.counted)
"""Platforms that have no event for a hang: that none comes says nothing."""
