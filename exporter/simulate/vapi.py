"""Vapi's webhooks of one call, in the shapes of its schemas; only types that need no answer."""

from random import Random
from typing import Final

from exporter.simulate.model import UNREACHED, Body, Call, Reason, SpokenPart, Turn, iso
from exporter.simulate.vapi_assistant import ORG, PHONE_NUMBER, around, customer
from exporter.simulate.vapi_messages import history
from exporter.simulate.vapi_report import breakdown, costs, performance

_ENDED: Final[dict[Reason, str]] = {
    "assistant": "assistant-ended-call",
    "customer": "customer-ended-call",
    "abandoned": "customer-ended-call",
    "silence": "silence-timed-out",
    "forwarded": "assistant-forwarded-call",
    "busy": "customer-busy",
    "no-answer": "customer-did-not-answer",
    "voicemail": "voicemail",
}
_DESTINATION: Final = {"type": "number", "number": "+15595550102"}
_REPORT_DELAY_MS: Final = 3500


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
        self._said = history(call, rng)
        self._around = around(call)
        self._fixed = _fixed(call)
        self._answered_ms = call.media_ms - 50
        self._end_ms = call.media_ms + call.end
        self._ended_reason = call.ended_reason or _ENDED[call.reason]

    def begin(self) -> None:
        """The statuses before the first word."""
        self._status(self._call.created_ms + 50, "queued")
        if self._call.assistant.channel == "phone":
            self._status(self._call.created_ms + 350, "ringing")
        if self._call.reason not in UNREACHED:
            self._status(self._answered_ms, "in-progress")

    def talk(self) -> None:
        """The conversation as it grows, and who speaks."""
        for length, said in enumerate(self._said[1:], 2):
            self._write(said.at + 2, "conversation-update", "in-progress", self._conversation(length))
        if self._call.welcome:
            self._spoken(0, (self._call.welcome,))
        for number, turn in enumerate(self._call.turns, 1):
            self._turn(number, turn)

    def _turn(self, number: int, turn: Turn) -> None:
        media = self._call.media_ms
        self._speech(media + turn.start, "user", "started", number)
        self._speech(media + turn.end, "user", "stopped", number)
        self._transcript(media + turn.heard, "user", turn.text)
        if turn.hang_at is not None:
            self._write(media + turn.hang_at, "hang", "in-progress", {})
        if turn.reply is None:
            return
        if turn.reply.tool:
            self._spoken(number, turn.reply.parts[:1])
            self._spoken(number, turn.reply.parts[1:])
        else:
            self._spoken(number, turn.reply.parts)
        if turn.reply.parts[-1].cut:
            turn_id = f"{self._call.id}-{number}"
            self._write(media + turn.reply.parts[-1].end, "user-interrupted", "in-progress", {"turnId": turn_id})

    def _spoken(self, number: int, parts: tuple[SpokenPart, ...]) -> None:
        media = self._call.media_ms
        self._speech(media + parts[0].start, "assistant", "started", number)
        self._speech(media + parts[-1].end, "assistant", "stopped", number)
        self._transcript(media + parts[-1].end, "assistant", " ".join(part.text for part in parts))

    def _speech(self, at: int, role: str, status: str, turn: int) -> None:
        self._write(at, "speech-update", "in-progress", {"status": status, "role": role, "turn": turn})

    def _transcript(self, at: int, role: str, text: str) -> None:
        fields = {"role": role, "transcriptType": "final", "transcript": text, "isFiltered": False}
        self._write(at, "transcript", "in-progress", fields)

    def end(self) -> None:
        """The last statuses and the report."""
        if self._call.reason == "forwarded":
            self._write(self._end_ms, "transfer-update", "forwarding", {"destination": _DESTINATION})
            self._status(self._end_ms + 1, "forwarding", {"destination": _DESTINATION})
        self._status(self._end_ms + 80, "ended", {"endedReason": self._ended_reason})
        self._write(self._end_ms + _REPORT_DELAY_MS, "end-of-call-report", "ended", self._report())

    def _status(self, at: int, status: str, more: Body | None = None) -> None:
        self._write(at, "status-update", status, {"status": status, **(more or {})})

    def _conversation(self, length: int) -> Body:
        """The conversation so far, three times over, as Vapi sends it."""
        messages = [said.message for said in self._said[:length]]
        formatted = [said.formatted for said in self._said[:length]]
        twice = {"messages": messages, "messagesOpenAIFormatted": formatted}
        return {**twice, "artifact": twice}

    def _report(self) -> Body:
        call, missed = self._call, self._call.reason in UNREACHED
        duration = 0 if missed else self._end_ms - self._answered_ms
        entries = costs(call, duration)
        total = breakdown(entries)
        artifact = {**self._conversation(len(self._said))["artifact"], "transcript": self._text()}
        if call.turns:
            artifact["performanceMetrics"] = performance(call, self._rng)
        if call.reason == "forwarded":
            artifact["transfers"] = [{"destination": _DESTINATION, "mode": "blind-transfer", "status": "completed"}]
        summary = f"{call.person.name} called {call.assistant.name}." if call.turns else ""
        evaluated = {"summary": summary, "successEvaluation": call.evaluation} if call.turns else {}
        return {
            "endedReason": self._ended_reason,
            "cost": total["total"],
            "costs": entries,
            "costBreakdown": total,
            **({} if missed else {"startedAt": iso(self._answered_ms)}),
            "endedAt": iso(self._end_ms),
            "durationMs": duration,
            "durationSeconds": duration / 1000,
            "analysis": evaluated,
            "artifact": artifact,
            "summary": summary,
            "transcript": artifact["transcript"],
            "recordingUrl": f"https://recordings.example/{call.id}.wav",
        }

    def _text(self) -> str:
        names = {"user": "User", "bot": "AI"}
        said = (each.message for each in self._said)
        return "\n".join(f"{names[each['role']]}: {each['message']}" for each in said if each["role"] in names)

    def _write(self, at: int, kind: str, status: str, fields: Body) -> None:
        call: Body = {**self._fixed, "status": status, "updatedAt": iso(at)}
        if self._call.reason not in UNREACHED and at >= self._answered_ms:
            call["startedAt"] = iso(self._answered_ms)
        if status == "ended":
            call |= {"endedAt": iso(self._end_ms), "endedReason": self._ended_reason}
        self.written.append((at, {"message": {"timestamp": at, "type": kind, **fields, **self._around, "call": call}}))


def _fixed(call: Call) -> Body:
    """What the event's `call` says all the time."""
    common = {
        "id": call.id,
        "orgId": ORG,
        "createdAt": iso(call.created_ms),
        "assistantId": call.assistant.id,
        "customer": customer(call),
        "monitor": {"controlUrl": f"https://monitor.example/{call.id}/control"},
    }
    if call.assistant.channel == "web":
        return {**common, "type": "webCall", "transport": {"provider": "daily"}}
    return {
        **common,
        "type": f"{call.assistant.direction}PhoneCall",
        "phoneCallProvider": "twilio",
        "phoneCallTransport": "pstn",
        "phoneNumberId": PHONE_NUMBER,
        "transport": {"provider": "twilio"},
    }
