"""What was sent and what was answered, as a line while it goes on and as a summary at the end."""

from collections import Counter
from typing import Final, TextIO

from exporter.simulate.model import Delivery

_ENDS: Final = frozenset({"end-of-call-report", "call_ended", "post_call_transcription", "call_initiation_failure"})
"""Events of which a call has one, at its end."""


class Tally:
    """Counts of one run."""

    def __init__(self) -> None:
        self.sent: Counter[tuple[str, str]] = Counter()
        self.answered: Counter[int] = Counter()
        self.unreachable = 0

    def send(self, delivery: Delivery) -> None:
        """One event goes out."""
        self.sent[delivery.platform, _kind(delivery)] += 1

    @property
    def delivered(self) -> int:
        """Events answered with success."""
        return sum(events for status, events in self.answered.items() if 200 <= status < 300)

    def line(self) -> str:
        """The counts in a line."""
        ended = sum(events for (_, event), events in self.sent.items() if event in _ENDS)
        parts = [f"{_number(self.sent.total(), 'event')} sent, {_number(ended, 'call')} ended", *self._outcomes()]
        return "; ".join(parts)

    def summary(self, out: TextIO) -> None:
        """Write the counts by platform and event."""
        out.write(f"{self.line()}\n")
        rows = (
            f"  {platform:<10} {event:<20} {events:>8}\n" for (platform, event), events in sorted(self.sent.items())
        )
        out.writelines(rows)

    def _outcomes(self) -> list[str]:
        answers = [f"answered {status}: {events}" for status, events in sorted(self.answered.items())]
        return answers + ([f"unreachable: {self.unreachable}"] if self.unreachable else [])


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _kind(delivery: Delivery) -> str:
    body = delivery.body
    if "message" in body and delivery.platform in {"interactly", "vapi"}:
        body = body["message"]
    return str(body.get("type") or body["event"])
