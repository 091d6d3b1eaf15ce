"""Platforms: bytes of a webhook body to events, and nothing else."""

from collections.abc import Mapping
from typing import Final, Protocol

from exporter.events import Event
from exporter.platforms import interactly, vapi


class Platform(Protocol):
    """A module that knows one platform's webhook bodies."""

    @property
    def EVENTS(self) -> frozenset[str]:  # noqa: N802 - a constant of the module
        """Names of the platform's events, the possible values of `Event.kind` besides ``other``."""

    @property
    def COUNTED(self) -> frozenset[str]:  # noqa: N802 - a constant of the module
        """Those of `EVENTS` that something is counted of."""

    def parse(self, body: bytes) -> Event:
        """What the body says; an event without facts is a well-formed one that nothing is counted of.

        Raises:
            InvalidEvent: the body is not JSON, not an object, no known envelope, or nothing in it can be counted.
        """


PLATFORMS: Final[Mapping[str, Platform]] = {"interactly": interactly, "vapi": vapi}
"""Platforms by the last part of their webhook's path."""
