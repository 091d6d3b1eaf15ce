"""What the process counts of itself: from 0 on with each start, at once, and also while storage fails."""

import time
from collections.abc import Callable
from typing import get_args

from exporter.errors import AlertPush, Refusal, RelayFailure, SentimentOutcome
from exporter.events import UNKNOWN
from exporter.metrics import catalogue as m
from exporter.metrics.metric import NANO, Labels, Metric
from exporter.metrics.series_table import SeriesTable

_MS = NANO // 1000


class SelfMetrics:
    """The only writer of the process's own series. A counter exists at 0 first: then increase() sees the first one.

    Args:
        table: where the series are.
        clock: Unix time in seconds.

    Attributes:
        share: where several processes share a store, takes what they count together.
    """

    def __init__(self, table: SeriesTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self.share: Callable[[Metric, Labels, int], None] = self._add

    def reachable_at(self, url: str) -> None:
        """Links to the exporter lead to that URL."""
        self._table.set(m.EXTERNAL_URL, (url.rstrip("/"),), 1, self._clock())

    def begin_webhooks(self, platform: str) -> None:
        """A platform may post: nothing of it is refused yet."""
        for outcome in get_args(Refusal):
            self._add(m.WEBHOOKS, (platform, UNKNOWN, outcome), 0)

    def refused(self, platform: str, event: str, outcome: Refusal) -> None:
        """A webhook request was not counted."""
        self._add(m.WEBHOOKS, (platform, event, outcome), 1)

    def answered(self, platform: str, began: float) -> None:
        """A webhook request is answered which began at that time of ``time.perf_counter``."""
        self._add(m.WEBHOOK_SECONDS, (platform,), _since(began))

    def delayed(self, platform: str, received: float, time_ms: int | None) -> None:
        """An event received at Unix time ``received`` is kept; ``time_ms`` is its own time, where it has one."""
        if time_ms is not None and (delay := int(received * 1000) - time_ms) >= 0:
            self._table.add(m.EVENT_DELAY, (platform,), delay * _MS, received)

    def begin_storage(self, *, shared: bool = False) -> None:
        """Nothing failed yet, nor, where the store is shared, was another process in the way."""
        self._add(m.STORAGE_ERRORS, (), 0)
        if shared:
            self._add(m.STORAGE_CONFLICTS, (), 0)

    def committed(self, began: float) -> None:
        """A batch is kept; its commit began at that time of ``time.perf_counter``."""
        self._add(m.STORAGE_COMMIT, (), _since(began))

    def storage_failed(self) -> None:
        """A batch was not kept."""
        self._add(m.STORAGE_ERRORS, (), 1)

    def conflicted(self) -> None:
        """A batch was begun again, because another process was in its way."""
        self._add(m.STORAGE_CONFLICTS, (), 1)

    def quarantined(self, databases: int) -> None:
        """So many further databases were set aside, none perhaps."""
        self._add(m.STORAGE_SET_ASIDE, (), databases)

    def clock_steps(self, steps: int) -> None:
        """The wall clock was set so many times more, not at all perhaps."""
        self._add(m.CLOCK_STEPS, (), steps)

    def begin_relay(self, platform: str) -> None:
        """A platform has a relay, of which nothing failed yet."""
        for reason in get_args(RelayFailure):
            self._add(m.RELAY_ERRORS, (platform, reason), 0)

    def relayed(self, platform: str, status: int, began: float) -> None:
        """An application answered with a status, or the exporter in its place, to what was sent at ``began``."""
        self._add(m.RELAY_SECONDS, (platform, str(status) if status < 600 else "other"), _since(began))

    def relay_failed(self, platform: str, reason: RelayFailure) -> None:
        """A request was not passed on."""
        self._add(m.RELAY_ERRORS, (platform, reason), 1)

    def relay_waiting(self, platform: str, events: int) -> None:
        """So many events wait for an application."""
        self._table.set(m.RELAY_WAITING, (platform,), events, self._clock())

    def begin_alerting(self) -> None:
        """Alerts are pushed from now on; none was yet."""
        for outcome in get_args(AlertPush):
            self.share(m.ALERT_PUSHES, (outcome,), 0)
        self.alerts_active(0)

    def alerts_pushed(self, outcome: AlertPush, alerts: int = 1) -> None:
        """So many alerts went to an Alertmanager, or did not."""
        self.share(m.ALERT_PUSHES, (outcome,), alerts)

    def alerts_active(self, alerts: int) -> None:
        """So many alerts are true."""
        self._table.set(m.ALERTS_ACTIVE, (), alerts, self._clock())

    def begin_sentiment(self) -> None:
        """Messages are judged from now on; none was yet."""
        for outcome in get_args(SentimentOutcome):
            self._add(m.SENTIMENT_ANALYSES, (outcome,), 0)

    def sentiment(self, outcome: SentimentOutcome, messages: int) -> None:
        """So many user messages were judged, or not."""
        self._add(m.SENTIMENT_ANALYSES, (outcome,), messages)

    def reloaded(self, *, successfully: bool) -> None:
        """The configuration was read again."""
        now = self._clock()
        self._table.set(m.RELOAD_SUCCESSFUL, (), int(successfully), now)
        if successfully:
            self._table.set(m.RELOAD_TIME, (), int(now * NANO), now)

    def _add(self, metric: Metric, labels: Labels, amount: int) -> None:
        self._table.add(metric, labels, amount, self._clock())


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * NANO)
