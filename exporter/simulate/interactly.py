"""Interactly's webhooks of one call, in the shapes and the order of its documentation."""

from bisect import bisect_right
from random import Random
from typing import Final

from exporter.simulate.interactly_assistant import brief, full, named, opening, prompted
from exporter.simulate.interactly_messages import history
from exporter.simulate.interactly_report import call_stats, cost
from exporter.simulate.model import UNREACHED, Body, Call, Reason, iso

_TEAM: Final = "65f0a1c2d3e4f5a6b7c8d900"
_ENDED_BY: Final[dict[Reason, str]] = {"assistant": "bot", "customer": "user", "abandoned": "user", "forwarded": "bot"}
_IN_PROGRESS: Final = {"phoneCallStatus": "in-progress", "phoneCallStatusReason": "Call is in progress"}


def events(call: Call, rng: Random) -> list[tuple[int, Body]]:
    """Every event of the call with its own time (Unix milliseconds), in order of time."""
    writer = _Writer(call, rng)
    writer.begin()
    writer.talk()
    writer.end()
    return sorted(writer.written, key=lambda event: event[0])


class _Writer:
    def __init__(self, call: Call, rng: Random) -> None:
        self.written: list[tuple[int, Body]] = []
        self._call = call
        self._rng = rng
        self._assistant = call.assistant
        self._messages = history(call, rng)
        self._times = [message["timestamp"] for message in self._messages]
        self._answered_ms = call.media_ms - 214
        self._end_ms = call.media_ms + call.end

    def begin(self) -> None:
        """The statuses before the first word. Those of a running call are short, as documented."""
        call = self._call
        if self._assistant.channel == "phone":
            silent = {"direction": "", "endAt": None, "phoneCallStatus": "", "phoneCallStatusReason": ""}
            state = {**self._state("initiated", call.created_ms), **silent, "cost": None, "metrics": {}}
            self._write(call.created_ms + 37, "status-update", state, opening(self._assistant))
        state = self._state("queued", call.created_ms)
        self._write(call.created_ms + 300, "status-update", state, full(self._assistant))
        if call.reason not in UNREACHED:
            self._write(call.media_ms - 100, "status-update", {"id": call.id, "status": "ongoing", **_IN_PROGRESS})

    def talk(self) -> None:
        """The conversation as it grows, with its errors and hangs."""
        for at in self._times:
            self._write(at + 2, "conversation-update", self._running(), brief(self._assistant))
        for turn in self._call.turns:
            for failure in turn.failures:
                self._error(self._call.media_ms + failure)
            if turn.hang_at is not None:
                at = self._call.media_ms + turn.hang_at
                self._write(at, "hang", self._running(at), prompted(self._assistant))

    def end(self) -> None:
        """The last statuses and the report."""
        call, missed = self._call, self._call.reason in UNREACHED
        if call.reason == "forwarded":
            self._write(self._end_ms, "status-update", {"id": call.id, "status": "forwarded", **_IN_PROGRESS})
        ended = {
            "status": "finished",
            "phoneCallStatus": call.reason if missed else "completed",
            "phoneCallStatusReason": "" if missed else "Call is completed",
            "callEndTriggerBy": _ENDED_BY.get(call.reason, "system"),
            "assistantCallDuration": 0 if missed else self._end_ms - self._answered_ms + 7,
        }
        self._write(self._end_ms + 1261, "status-update", {"id": call.id, **ended})
        report = {**self._running(), **ended, "endAt": iso(self._end_ms), **self._totals()}
        report["analysis"] = {"summary": "", "successEvaluation": "", "guardrails": "DISABLED"}
        self._write(self._end_ms + 2196, "end-of-call-report", report, named(self._assistant))

    def _totals(self) -> Body:
        """What only the report states; a call that nobody answered has no cost and no metrics."""
        if self._call.reason in UNREACHED:
            return {"cost": None, "metrics": {}}
        return {
            "recording": {"s3Bucket": "example-recordings", "path": f"{_TEAM}/{self._call.id}.mp3"},
            "cost": cost(self._call, self._end_ms - self._answered_ms),
            "metrics": {"callStats": call_stats(self._call, self._rng)},
        }

    def _error(self, at: int) -> None:
        error = self._call.error
        if error is None:
            return
        if error.type == "stt_error":
            short = {"id": self._call.id, "teamId": _TEAM, "assistantId": self._assistant.id, "status": "ongoing"}
            message = self._write(at, "error", short, named(self._assistant))
        else:
            message = self._write(at, "error", self._running(at), prompted(self._assistant))
        message["error"] = {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "provider": self._assistant.stt_vendor if error.type == "stt_error" else self._assistant.llm_provider,
            "retryable": error.retryable,
            "details": error.details,
        }

    def _running(self, at: int | None = None) -> Body:
        """The call while it lasts. Only hangs and errors state how long it has."""
        elapsed = 0 if at is None else at - self._answered_ms
        return {**self._state("ongoing", self._answered_ms), "assistantCallDuration": elapsed}

    def _state(self, status: str, start_ms: int) -> Body:
        call, web = self._call, self._assistant.channel == "web"
        return {
            "id": call.id,
            "teamId": _TEAM,
            "assistantId": self._assistant.id,
            "callType": self._assistant.channel,
            "direction": self._assistant.direction,
            "startAt": iso(start_ms),
            "userNumber": self._customer(),
            "assistantNumber": self._assistant.id if web else "+15595550100",
            "status": status,
            **_IN_PROGRESS,
            "callEndTriggerBy": "",
            "assistantCallDuration": 0,
            "analysis": {"summary": "", "successEvaluation": ""},
            "recording": {"s3Bucket": "", "path": ""},
            "assistantOverrides": {"dynamicVariables": {"caller_name": call.person.name}},
            "metadata": {},
        }

    def _write(self, at: int, kind: str, call: Body, assistant: Body | None = None) -> Body:
        """The event's message, already kept; the short statuses carry nothing but the call."""
        message: Body = {"timestamp": at, "type": kind, "call": call}
        if assistant is not None:
            message["assistant"] = assistant
            if kind != "status-update":
                message["messages"] = self._so_far(at, bare=kind == "end-of-call-report")
            phone = "" if self._assistant.channel == "web" else "twilio"
            message["phone"] = {"provider": {"name": phone}}
            message["customer"] = {"number": self._customer()}
            message["analysis"] = self._analysis() if kind == "end-of-call-report" else {}
        self.written.append((at, {"message": message}))
        return message

    def _so_far(self, at: int, *, bare: bool) -> list[Body]:
        """The conversation until then; the report's is without metrics, as documented."""
        messages = self._messages[: bisect_right(self._times, at)]
        if not bare:
            return messages
        return [{key: message[key] for key in ("messageId", "role", "text", "timestamp")} for message in messages]

    def _customer(self) -> str:
        person = self._call.person
        return f"web-{person.name}" if self._assistant.channel == "web" else person.number

    def _analysis(self) -> Body:
        call = self._call
        return {
            "summary": f"{call.person.name} called {self._assistant.name} about an appointment." if call.turns else "",
            "successEvaluation": call.evaluation,
            "structuredData": {"Name": call.person.name if call.turns else ""},
            "outcome": "Appointment booked" if call.evaluation in {"Excellent", "Good"} else "No appointment booked",
        }
