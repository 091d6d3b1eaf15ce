"""Judges the texts of user messages before their event is recorded: in a thread, in bounded time, at no event's cost.

The thread decodes the texts out of the body, hands each to the analyser and drops it; only sentiments and numbers leave
it. Where the analyser fails, is too slow or has too much to do, the event is recorded without them.
"""

import asyncio
import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, get_args

from msgspec.structs import replace

from exporter.config.sentiment import Sentiment as Settings
from exporter.errors import SentimentOutcome
from exporter.events import Conversation, Event, Fact, Feeling, ReportedMessages, ReportedSentiments, Sentiment
from exporter.logs import cause, log
from exporter.metrics.metric import NANO
from exporter.platforms import PLATFORMS
from exporter.recording.self_metrics import SelfMetrics
from exporter.sentiment import Analyser, load

MAX_TEXT: Final = 1000
"""Characters of a message that are judged; the rest is left out."""
MAX_WAITING: Final = 64
"""Events that wait for the analyser; a further one is recorded without."""
_FEELINGS: Final[dict[str, Feeling]] = {name: name for name in get_args(Feeling)}

Then: TypeAlias = Callable[[Event], None]
"""Takes an event with the sentiments that are known of it."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """An event whose messages are judged.

    Attributes:
        bodies: where its messages are looked for, one after another until all are found.
        keys: of its user messages.
        whole: how many user messages it has that have no key.
        deadline: when its time is over, by ``time.monotonic``.
        then: called once; None afterwards.
    """

    event: Event
    bodies: tuple[bytes, ...]
    keys: frozenset[int]
    whole: int
    deadline: float
    then: Then | None
    found: set[int] = field(default_factory=set)
    by_key: dict[int, Sentiment] = field(default_factory=dict)
    unkeyed: list[Sentiment] = field(default_factory=list)
    outcomes: Counter[SentimentOutcome] = field(default_factory=Counter)

    def judge(self, analyser: Analyser) -> None:
        """Judge its messages, as far as there is time."""
        said = PLATFORMS[self.event.platform].said
        for body in self.bodies:
            for key, text in said(body) if said else ():
                if self._is_asked(key) and text.strip():
                    self._judge_one(analyser, key, text[:MAX_TEXT])
            if self.found >= self.keys:
                break

    def _is_asked(self, key: int | None) -> bool:
        if key is None:
            return self.whole > 0
        if key not in self.keys or key in self.found:
            return False
        self.found.add(key)
        return True

    def _judge_one(self, analyser: Analyser, key: int | None, text: str) -> None:
        if time.monotonic() >= self.deadline:
            self.outcomes["timeout"] += 1
            return
        try:
            sentiment = _sentiment(*analyser(text))
        except BaseException as error:  # noqa: BLE001 - whatever an analyser does must cost neither event nor thread
            self.outcomes["failed"] += 1
            log(_log, logging.DEBUG, "a message was not judged", error=cause(error))
            return
        self.outcomes["judged"] += 1
        if key is None:
            self.unkeyed.append(sentiment)
        else:
            self.by_key[key] = sentiment

    def judged(self) -> Event:
        """The event with what is known."""
        facts = tuple(_with(fact, self.by_key) for fact in self.event.facts)
        more = (ReportedSentiments(tuple(self.unkeyed)),) if self.unkeyed else ()
        return replace(self.event, facts=(*facts, *more))


class SentimentAnalysis:
    """Judges user messages, while it is enabled.

    Args:
        metrics: counts the messages by what became of their sentiment.

    Attributes:
        analyser: name of the analyser; empty while nothing is judged.
    """

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self._worker: _Worker | None = None
        self._settings = Settings()
        self.analyser = ""

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Find the analyser that settings ask for; the result takes them.

        Raises:
            ValueError: there is no such analyser.
        """
        if settings == self._settings:
            return lambda: None
        worker = _Worker(load(settings.analyser)) if settings.enabled else None

        def take() -> None:
            before, self._worker, self._settings = self._worker, worker, settings
            self.analyser = settings.analyser if worker else ""
            if before:
                before.stop()
            if worker:
                worker.start()
                self._metrics.begin_sentiment()

        return take

    def judge(self, event: Event, bodies: tuple[bytes, ...], then: Then) -> None:
        """Call ``then`` with the event, now or once its user messages are judged or the time for that is over.

        Args:
            event: whose user messages are judged.
            bodies: where they are looked for: what is new in the event's body, and all of it.
            then: takes the event.
        """
        keys, whole = _user_messages(event) if self._worker and bodies else (frozenset(), 0)
        if not self._worker or not (keys or whole):
            then(event)
        elif self._worker.waiting >= MAX_WAITING:
            self._metrics.sentiment("skipped", len(keys) + whole)
            then(event)
        else:
            seconds = self._settings.timeout
            job = _Job(event, bodies, keys, whole, time.monotonic() + seconds, then)
            loop = asyncio.get_running_loop()
            timer = loop.call_later(seconds, self._give_up, job)
            self._worker.take(job, loop, lambda: self._finish(job, timer))

    def _finish(self, job: _Job, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        then, job.then = job.then, None
        if then:
            for outcome, messages in job.outcomes.items():
                self._metrics.sentiment(outcome, messages)
            then(job.judged())

    def _give_up(self, job: _Job) -> None:
        then, job.then = job.then, None
        if then:
            # It may be long until the analyser comes to this; the bodies are not kept for that.
            job.bodies = ()
            self._metrics.sentiment("timeout", len(job.keys) + job.whole)
            then(job.event)


class _Worker:
    """The thread; a daemon, so that an analyser that never comes back keeps no process alive.

    Attributes:
        waiting: jobs that are not done.
    """

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._jobs: queue.SimpleQueue[tuple[_Job, asyncio.AbstractEventLoop, Callable[[], None]] | None] = (
            queue.SimpleQueue()
        )
        self.waiting = 0

    def start(self) -> None:
        """Begin to judge."""
        threading.Thread(target=self._run, name="sentiment", daemon=True).start()

    def stop(self) -> None:
        """Judge what waits, and no more."""
        self._jobs.put(None)

    def take(self, job: _Job, loop: asyncio.AbstractEventLoop, done: Callable[[], None]) -> None:
        """Judge a job; ``done`` is called in the loop."""
        self.waiting += 1

        def settle() -> None:
            self.waiting -= 1
            done()

        self._jobs.put((job, loop, settle))

    def _run(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, loop, settle = taken
            try:
                job.judge(self._analyser)
            except Exception as error:  # noqa: BLE001 - a body that can't be read with its texts, or a bug
                job.outcomes["failed"] += len(job.keys) + job.whole
                log(_log, logging.DEBUG, "messages were not judged", error=cause(error))
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:
                # The loop is closed: the process ends.
                return


def _user_messages(event: Event) -> tuple[frozenset[int], int]:
    """Keys of the user messages that an event brings, and how many it has without a key."""
    keys: set[int] = set()
    whole = 0
    for fact in event.facts:
        if isinstance(fact, Conversation):
            keys.update(message.key for message in fact.messages if message.role == "user")
        elif isinstance(fact, ReportedMessages):
            whole += dict(fact.counts).get("user", 0)
    return frozenset(keys), whole


def _with(fact: Fact, by_key: dict[int, Sentiment]) -> Fact:
    if not isinstance(fact, Conversation) or not by_key:
        return fact
    messages = tuple(
        replace(message, sentiment=by_key[message.key]) if message.key in by_key else message
        for message in fact.messages
    )
    return replace(fact, messages=messages)


def _sentiment(feeling: str, confidence: float) -> Sentiment:
    if not math.isfinite(confidence) or not 0 <= confidence <= 1:
        raise ValueError("the confidence is no number from 0 to 1")
    return Sentiment(_FEELINGS[feeling], round(confidence * NANO))
