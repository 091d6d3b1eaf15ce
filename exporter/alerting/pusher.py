"""Pushes alerts to one Alertmanager, as it expects of its clients: at once, again while they are true, and their end.

What is to be said follows from the board each time, so an Alertmanager that is away costs no queue: when it is back it
is told what is true then, and of everything that it has not heard of yet.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

import aiohttp
from msgspec.json import encode

from exporter.alerting.alert import HOLD_SECONDS
from exporter.alerting.board import Board, Key, PushedAlert
from exporter.logs import log
from exporter.recording.self_metrics import SelfMetrics

RESEND_SECONDS: Final = 60.0
VALID_SECONDS: Final = 4 * RESEND_SECONDS
"""An alert that is not sent again for so long is over, should the exporter die."""
TAKE_OVER_SECONDS: Final = 10.0
"""So long the process that counted has to tell; then one of those that heard of it does, should that be dead."""
_LONGEST_PAUSE: Final = 15.0
_BATCH: Final = 16
"""Alerts in one request: so few that putting it together is no pause that a webhook would notice."""
_REQUEST_SECONDS: Final = 10.0
_GATHER_SECONDS: Final = 0.2
"""How long a push waits for the alerts of the same moment."""
_SUFFIX: Final = "/api/v2/alerts"
_JSON: Final = {"Content-Type": "application/json"}

_Say: TypeAlias = Literal["firing", "resolved"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    """What an Alertmanager knows of an alert."""

    starts: float
    first: float
    last: float
    changes: int
    resolved: bool


class Pusher:
    """Tells one Alertmanager.

    Args:
        url: of the Alertmanager.
        session: sends the requests, with their authorization.
        board: knows the alerts.
        metrics: count them.
        leads: whether this process tells again, and tells what another one counted.
    """

    def __init__(
        self,
        url: str,
        session: Callable[[], aiohttp.ClientSession],
        board: Board,
        metrics: SelfMetrics,
        leads: Callable[[], bool],
    ) -> None:
        self._url = url.rstrip("/") + _SUFFIX
        self._session = session
        self._board = board
        self._metrics = metrics
        self._leads = leads
        self._told: dict[Key, _Told] = {}
        self._wake = asyncio.Event()
        self._failing = False

    def wake(self) -> None:
        """Look at the board: it changed."""
        self._wake.set()

    async def run(self) -> None:
        """Push until cancelled."""
        pause = 1.0
        while True:
            self._wake.clear()
            if await self._push():
                pause = 1.0
                await self._wait(self._next(time.time()))
                await asyncio.sleep(_GATHER_SECONDS)
            else:
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _push(self) -> bool:
        """Say what is to be said now; whether the Alertmanager took it."""
        now = time.time()
        alerts = self._board.alerts(now)
        self._metrics.alerts_active(self._board.active(now))
        self._told = {key: told for key, told in self._told.items() if key in alerts}
        due = [(key, alert, say) for key, alert in alerts.items() if (say := self._due(key, alert, now))]
        for some in (due[begin : begin + _BATCH] for begin in range(0, len(due), _BATCH)):
            if not await self._post([self._body(alert, say, now) for _, alert, say in some]):
                return False
            for key, alert, say in some:
                self._note(key, alert, say, now)
        return True

    def _repeats(self, alert: PushedAlert) -> bool:
        return self._leads() and self._board.is_known(alert)

    def _is_own(self, alert: PushedAlert, now: float) -> bool:
        """Whether it is up to this process to tell."""
        return alert.heard is None or (now >= alert.heard + TAKE_OVER_SECONDS and self._repeats(alert))

    def _due(self, key: Key, alert: PushedAlert, now: float) -> _Say | None:
        if not self._is_own(alert, now):
            return None
        told = self._told.get(key)
        if told is None or told.starts != alert.starts:
            return "resolved" if alert.heard is not None and alert.is_over(now) else "firing"
        if told.resolved:
            return None
        if alert.is_over(now) and now >= told.first + HOLD_SECONDS:
            return "resolved"
        changed = told.changes != alert.changes and not alert.is_over(now)
        return "firing" if changed or (now >= told.last + RESEND_SECONDS and self._repeats(alert)) else None

    def _next(self, now: float) -> float:
        """Seconds until something is to be said though nothing changes."""
        moments = [now + RESEND_SECONDS]
        for key, alert in self._board.alerts(now).items():
            told = self._told.get(key)
            if not self._is_own(alert, now):
                if alert.heard is not None and self._repeats(alert):
                    moments.append(alert.heard + TAKE_OVER_SECONDS)
            elif told and not told.resolved:
                if self._repeats(alert):
                    moments.append(told.last + RESEND_SECONDS)
                if alert.ends is not None:
                    moments.append(max(alert.ends, told.first + HOLD_SECONDS))
        return max(0.0, min(moments) - now)

    def _note(self, key: Key, alert: PushedAlert, say: _Say, now: float) -> None:
        told = self._told.get(key)
        first = told.first if told and told.starts == alert.starts else now
        self._told[key] = _Told(alert.starts, first, now, alert.changes, resolved=say == "resolved")

    def _body(self, alert: PushedAlert, say: _Say, now: float) -> dict[str, object]:
        ends = now + VALID_SECONDS
        if say == "resolved":
            ends = min(now, alert.ends or now)
        return {
            "labels": alert.labels,
            "annotations": self._board.annotations(alert, now),
            "startsAt": _rfc3339(min(alert.starts, ends)),
            "endsAt": _rfc3339(ends),
            "generatorURL": self._board.links.exporter,
        }

    async def _post(self, bodies: Sequence[dict[str, object]]) -> bool:
        reason = None
        try:
            async with (
                asyncio.timeout(_REQUEST_SECONDS),
                self._session().post(self._url, data=encode(bodies), headers=_JSON, allow_redirects=False) as answer,
            ):
                if answer.status != HTTPStatus.OK:
                    reason = f"answered {answer.status}"
        except TimeoutError:
            reason = f"no answer within {_REQUEST_SECONDS:g} s"
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        self._metrics.alerts_pushed("failed" if reason else "sent", len(bodies))
        if reason and not self._failing:
            log(_log, logging.WARNING, "alerts can't be pushed", alertmanager=self._url, reason=reason)
        elif self._failing and not reason:
            log(_log, logging.INFO, "alerts are pushed again", alertmanager=self._url)
        self._failing = bool(reason)
        return not reason


def _rfc3339(time_: float) -> str:
    return datetime.fromtimestamp(time_, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
