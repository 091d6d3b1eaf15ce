"""Where the relay keeps its queue, how much it holds, how long it waits, how often it tries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What of the relay is not in the configuration.

    Attributes:
        directory: of the queue's file; None keeps the queue in memory.
        queued_events: acknowledged events that may wait.
        queued_bytes: of all their bodies.
        attempts: to deliver an event of the queue; with the pauses between them about two hours.
        longest_pause: seconds between two attempts; the first pause is 1, each next one twice as long.
        slots: requests at once to one application from the queue.
        storage_pause: seconds until storage that failed is tried again.
        durable_seconds: how long an event may take to become durable. Then the queue is passed by, or the
            application's answer goes out.
        copies: requests on their way to one further target; the next is dropped and counted.
        copied_bytes: of all bodies on their way as copies.
        stop_seconds: for what is in flight in the background at a stop.
    """

    directory: Path | None = None
    queued_events: int = 10_000
    queued_bytes: int = 256 * 1024 * 1024
    attempts: int = 20
    longest_pause: float = 600.0
    slots: int = 16
    storage_pause: float = 5.0
    durable_seconds: float = 1.0
    copies: int = 64
    copied_bytes: int = 64 * 1024 * 1024
    stop_seconds: float = 5.0


DEFAULT_OPTIONS: Final = RelayOptions()
