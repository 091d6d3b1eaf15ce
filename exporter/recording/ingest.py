"""What becomes of webhook requests: events are counted, refusals too, and the landing page shows both."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from exporter.errors import InvalidEvent, Refused, StorageError
from exporter.events import Event
from exporter.logs import cause, log
from exporter.platforms import PLATFORMS
from exporter.platforms.history_cache import HistoryCache
from exporter.recording.batch import Outcome, awaited
from exporter.recording.recent_activity import RecentActivity, Rejection
from exporter.recording.recorder import Recorder

Answer: TypeAlias = Callable[[Refused | None], None]
"""Takes why an event is not counted, or None once it is durable."""

_log = logging.getLogger(__name__)


class _Arrived(NamedTuple):
    platform: str
    body: bytes
    received: float
    answer: Answer


def defect(platform: str, error: Exception) -> Refused:
    """Log a mistake of ours; what its request is answered with."""
    log(_log, logging.ERROR, "webhook failed", platform=platform, error=cause(error))
    return Refused(503, "unavailable", "internal error")


class Ingest:
    """Keeps the books of all webhooks.

    Args:
        recorder: keeps the events.
        activity: what the landing page shows.
    """

    def __init__(self, recorder: Recorder, activity: RecentActivity) -> None:
        self._recorder = recorder
        self._activity = activity
        self._inbox: list[_Arrived] = []
        self._histories = HistoryCache()
        self.metrics = recorder.metrics
        for name in PLATFORMS:
            self.metrics.begin_webhooks(name)

    def understand(self, platform: str, body: bytes) -> Event:
        """What a body says.

        Raises:
            Refused: it is no event of the platform.
        """
        try:
            return PLATFORMS[platform].parse(body, self._histories)
        except InvalidEvent as error:
            raise Refused(400, "invalid", str(error)) from None

    def countable(self, platform: str, body: bytes) -> Event:
        """What a body says that only has to be counted.

        Raises:
            Refused: it is no event of the platform, or one that needs an answer.
        """
        event = self.understand(platform, body)
        if event.needs_answer:
            raise Refused(501, "unanswerable", f"{event.kind} needs an answer and no relay is configured", event.kind)
        return event

    async def count(self, event: Event, received: float) -> None:
        """Count an event that came at Unix time ``received``; on return it is durable.

        Raises:
            Refused: it can't be kept now, and nothing of it was counted.
        """
        await awaited(partial(self.submit, event, received))

    def take(self, platform: str, body: bytes, answer: Answer) -> None:
        """Count what a body says that comes now, and call ``answer`` once it is durable, or with why it is not counted.

        Bodies that arrive together are understood one after another: between the system calls that fetch them, the
        same work takes twice as long (docs/performance.md).
        """
        if not self._inbox:
            asyncio.get_running_loop().call_soon(self._understand)
        self._inbox.append(_Arrived(platform, body, time.time(), answer))

    def _understand(self) -> None:
        arrived, self._inbox = self._inbox, []
        for each in arrived:
            try:
                self._understand_one(each)
            except Exception as error:  # noqa: BLE001 - one answer must not cost the others
                log(_log, logging.ERROR, "answer failed", platform=each.platform, error=cause(error))

    def _understand_one(self, arrived: _Arrived) -> None:
        try:
            event = self.countable(arrived.platform, arrived.body)
        except Refused as refusal:
            arrived.answer(refusal)
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may go unanswered
            arrived.answer(defect(arrived.platform, error))
        else:
            self.submit(event, arrived.received, arrived.answer)

    def submit(self, event: Event, received: float, answer: Answer) -> None:
        """Count an event that came at Unix time ``received``, and call ``answer`` once it is durable.

        Where it can't be kept now, nothing of it was counted and the answer is why.
        """
        self._recorder.submit(event, partial(self._settle, event, received, answer))

    def _settle(self, event: Event, received: float, answer: Answer, outcome: Outcome | StorageError) -> None:
        if isinstance(outcome, Exception):
            answer(Refused(503, "unavailable", "cannot keep the event now", event.kind, retry_after=5))
        else:
            self._counted(event, received, outcome)
            answer(None)

    def _counted(self, event: Event, received: float, outcome: Outcome) -> None:
        self._histories.remember(event)
        self._activity.count((event.platform, event.kind, outcome), received)
        self.metrics.came(event.platform, event.kind, received, event.time_ms)

    def miss(self, platform: str, refusal: Refused) -> None:
        """Count a request whose event is not counted."""
        self.metrics.refused(platform, refusal.event, refusal.outcome)
        self._activity.count((platform, refusal.event, refusal.outcome), time.time())

    def reject(self, platform: str, status: int, message: str) -> None:
        """Show a request that was answered with an error."""
        self._activity.rejections.append(Rejection(time.time(), platform, status, message))
