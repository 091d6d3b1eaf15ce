"""From webhook bodies to recorded events: what is understood, what is counted, and what the operator is shown of it."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from exporter.errors import InvalidEvent, Refused, StorageError
from exporter.events import OTHER, Event
from exporter.logs import cause, log
from exporter.metrics.metric import Labels
from exporter.platforms import PLATFORMS
from exporter.platforms.history_cache import HistoryCache
from exporter.recording.batch import EventOutcome
from exporter.recording.recent_activity import RecentActivity, Rejection
from exporter.recording.recorder import Recorder
from exporter.recording.sentiment_analysis import SentimentAnalysis

Respond: TypeAlias = Callable[[Refused | None], None]
"""Takes why an event is not counted, or None once it is durable."""

_NOTHING_NEW: Final[dict[EventOutcome, str]] = {
    "duplicate": "all of it was counted before",
    "ignored": "events of this type have nothing to count",
}

_log = logging.getLogger(__name__)


class _Arrived(NamedTuple):
    platform: str
    body: bytes
    received: float
    answer: Respond


def as_refusal(platform: str, error: Exception) -> Refused:
    """What a request is answered with that ended in an error; one that nobody expected is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InvalidEvent):
        return Refused(400, "invalid", str(error))
    log(_log, logging.ERROR, "webhook failed", platform=platform, error=cause(error))
    return Refused(503, "unavailable", "internal error")


class Ingest:
    """Records what webhooks bring.

    Args:
        recorder: keeps the events.
        activity: what the landing page shows.

    Attributes:
        metrics: what the process counts of itself.
        sentiment: judges user messages, where that is asked for.
    """

    def __init__(self, recorder: Recorder, activity: RecentActivity) -> None:
        self._recorder = recorder
        self._activity = activity
        recorder.follower.watchers.append(self._show)
        self._arrived: list[_Arrived] = []
        self._histories = HistoryCache()
        self.metrics = recorder.metrics
        self.sentiment = SentimentAnalysis(self.metrics)
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
            raise as_refusal(platform, error) from None

    def record_body(self, platform: str, body: bytes, answer: Respond) -> None:
        """Record what a body says that comes now and only has to be counted; ``answer`` is called once it is durable.

        Bodies that arrive together are understood one after another: between the system calls that fetch them, the
        same work takes twice as long (docs/performance.md).
        """
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._understand)
        self._arrived.append(_Arrived(platform, body, time.time(), answer))

    def record(self, event: Event, received: float, answer: Respond, *, body: bytes | None = None) -> None:
        """Record an event that came at Unix time ``received``; ``answer`` is called once it is durable.

        Where it can't be kept now, nothing of it was counted and the answer is why. With the ``body`` that it is of,
        the sentiment of its messages is judged first, where that is asked for.
        """
        self.sentiment.judge(event, self._texts(body), partial(self._submit, received, answer))

    def _texts(self, body: bytes | None) -> tuple[bytes, ...]:
        """Where texts are to be decoded: what is new of a conversation, which usually is enough, and the whole body."""
        if not body or not self.sentiment.analyser:
            return ()
        cut = self._histories.cut(body)
        return (cut.body, body) if cut else (body,)

    def _submit(self, received: float, answer: Respond, event: Event) -> None:
        self._recorder.submit(event, partial(self._settle, event, received, answer))

    def miss(self, platform: str, refusal: Refused) -> None:
        """Count a request whose event is not counted."""
        self.metrics.refused(platform, refusal.event, refusal.outcome)
        self._activity.count((platform, refusal.event, refusal.outcome), time.time())
        _explain(platform, refusal.event, refusal.outcome, refusal.detail)

    def reject(self, platform: str, status: int, message: str) -> None:
        """Show a request that was answered with an error."""
        self._activity.rejections.append(Rejection(time.time(), platform, status, message))

    def _show(self, labels: Labels, events: int) -> None:
        """Show what another process counted."""
        platform, event, outcome = labels
        self._activity.count((platform, event, outcome), time.time(), events)

    def _understand(self) -> None:
        arrived, self._arrived = self._arrived, []
        for each in arrived:
            try:
                self._understand_one(each)
            except Exception as error:  # noqa: BLE001 - one answer must not cost the others
                log(_log, logging.ERROR, "answer failed", platform=each.platform, error=cause(error))

    def _understand_one(self, arrived: _Arrived) -> None:
        try:
            event = self._countable(arrived.platform, arrived.body)
        except Exception as error:  # noqa: BLE001 - nothing that a client sends may go unanswered
            arrived.answer(as_refusal(arrived.platform, error))
        else:
            self.record(event, arrived.received, arrived.answer, body=arrived.body)

    def _countable(self, platform: str, body: bytes) -> Event:
        event = self.understand(platform, body)
        if event.needs_answer:
            raise Refused(501, "unanswerable", f"{event.kind} needs an answer and no relay is configured", event.kind)
        return event

    def _settle(self, event: Event, received: float, answer: Respond, outcome: EventOutcome | StorageError) -> None:
        if isinstance(outcome, Exception):
            answer(Refused(503, "unavailable", "cannot keep the event now", event.kind, retry_after=5))
        else:
            self._histories.remember(event)
            self._activity.count((event.platform, event.kind, outcome), received)
            self.metrics.delayed(event.platform, received, event.time_ms)
            if outcome in _NOTHING_NEW:
                unknown = outcome == "ignored" and event.kind == OTHER
                _explain(event.platform, event.kind, outcome, "unknown type" if unknown else _NOTHING_NEW[outcome])
            answer(None)


def _explain(platform: str, event: str, outcome: str, reason: str) -> None:
    """Tell an operator who asks for it why an event is not counted."""
    if _log.isEnabledFor(logging.DEBUG):
        log(_log, logging.DEBUG, "not counted", platform=platform, event=event, outcome=outcome, reason=reason)
