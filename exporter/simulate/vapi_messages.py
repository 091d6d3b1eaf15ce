"""Vapi's conversation of one call, in the shapes of its schemas.

Times are Unix milliseconds, durations milliseconds as on the wire, offsets from the start and words' times seconds.
"""

from random import Random

from msgspec import Struct

from exporter.simulate import cast
from exporter.simulate.model import Body, Call, Reply, SpokenPart, Turn, UsedTool


class VapiMessage(Struct, frozen=True):
    """A message, when it was complete (Unix milliseconds), and the same as OpenAI would write it."""

    at: int
    message: Body
    formatted: Body


def history(call: Call, rng: Random) -> list[VapiMessage]:
    """All messages of the call in order, the system prompt first."""
    if call.welcome is None:
        return []
    text, media = cast.prompt(call.assistant), call.media_ms
    system = {"role": "system", "message": text, "time": media, "secondsFromStart": 0}
    said = [VapiMessage(media, system, {"role": "system", "content": text}), _bot(call, (call.welcome,))]
    for turn in call.turns:
        said.append(_user(call, turn, rng))
        if turn.reply:
            said.extend(_reply(call, turn.reply))
    return said


def _reply(call: Call, reply: Reply) -> list[VapiMessage]:
    """The answer as one message, or with the tool's call and result in its middle."""
    if reply.tool is None:
        return [_bot(call, reply.parts)]
    first, *rest = reply.parts
    return [_bot(call, (first,)), *_tool(call, reply.tool), _bot(call, tuple(rest))]


def _bot(call: Call, parts: tuple[SpokenPart, ...]) -> VapiMessage:
    text = " ".join(part.text for part in parts)
    start, end = parts[0].start, parts[-1].end
    message = {
        "role": "bot",
        "message": text,
        "time": call.media_ms + start,
        "endTime": call.media_ms + end,
        "secondsFromStart": start / 1000,
        "duration": end - start,
        "source": "",
    }
    return VapiMessage(call.media_ms + end, message, {"role": "assistant", "content": text})


def _user(call: Call, turn: Turn, rng: Random) -> VapiMessage:
    message = {
        "role": "user",
        "message": turn.text,
        "time": call.media_ms + turn.start,
        "endTime": call.media_ms + turn.end,
        "secondsFromStart": turn.start / 1000,
        "duration": turn.end - turn.start,
        "isFiltered": False,
        "detectedThreats": [],
        "metadata": {"wordLevelConfidence": _words(turn, rng)},
    }
    return VapiMessage(call.media_ms + turn.heard, message, {"role": "user", "content": turn.text})


def _words(turn: Turn, rng: Random) -> list[Body]:
    """Words with confidences whose mean is the turn's: they stray from it in pairs."""
    words = turn.text.split()
    length = (turn.end - turn.start) / 1000 / len(words)
    room = min(0.1, turn.confidence, 1 - turn.confidence)
    strays = [stray for _ in words[::2] for stray in _pair(rng.uniform(0, room))]
    if len(words) % 2:
        strays[len(words) - 1] = 0.0
    start = turn.start / 1000
    return [
        {
            "word": word.strip(".,?").lower(),
            "start": round(start + number * length, 3),
            "end": round(start + (number + 1) * length, 3),
            "confidence": turn.confidence + strays[number],
            "punctuated_word": word,
        }
        for number, word in enumerate(words)
    ]


def _pair(stray: float) -> tuple[float, float]:
    return stray, -stray


def _tool(call: Call, used: UsedTool) -> tuple[VapiMessage, VapiMessage]:
    called = {"id": used.id, "type": "function", "function": {"name": used.name, "arguments": '{"day":"Tuesday"}'}}
    asked = {
        "role": "tool_calls",
        "toolCalls": [called],
        "message": "",
        "time": call.media_ms + used.called,
        "secondsFromStart": used.called / 1000,
    }
    answered = {
        "role": "tool_call_result",
        "toolCallId": used.id,
        "name": used.name,
        "result": '{"available":true}',
        "time": call.media_ms + used.returned,
        "secondsFromStart": used.returned / 1000,
    }
    asked_openai = {"role": "assistant", "content": None, "tool_calls": [called]}
    answered_openai = {"role": "tool", "content": '{"available":true}', "tool_call_id": used.id}
    return (
        VapiMessage(call.media_ms + used.called, asked, asked_openai),
        VapiMessage(call.media_ms + used.returned, answered, answered_openai),
    )
