"""Conversation updates: every message's measurement groups, once each, whatever was lost or repeated."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from exporter.calls.hangs import recover
from exporter.calls.sentiment import judge
from exporter.calls.state import ANSWERED, COUNTED, FIRST, GROUP_BIT, JUDGED, REJECTED_SHIFT, Seen
from exporter.calls.step import Step
from exporter.calls.tools import tool
from exporter.events import UNKNOWN, Audio, Conversation, Group, Llm, Message, Nanounits, Stt, Tts, UserTurn
from exporter.metrics import catalogue as m
from exporter.metrics.labels import model_labels, request_labels, speech_labels
from exporter.metrics.metric import NANO

_MS = NANO // 1000


def conversation(step: Step, fact: Conversation) -> None:
    """Count what the conversation has new."""
    if not fact.messages or step.is_full("messages"):
        return
    messages = sorted(fact.messages, key=lambda message: message.time_ms or 0)
    step.state.seen = step.state.seen.fork()
    step.state.tools = dict(step.state.tools)
    users: dict[int, UserTurn | Message] = {turn.key: turn for turn in fact.earlier}
    users |= {message.key: message for message in messages if message.role == "user"}
    replies = [message.time_ms for message in messages if _fresh_reply(step, message)]
    for message in messages:
        _message(step, message, users)
    recover(step, [time for time in replies if time is not None])


def _fresh_reply(step: Step, message: Message) -> bool:
    return message.role == "assistant" and not step.state.seen.get(message.key, 0) & COUNTED


def _message(step: Step, message: Message, users: Mapping[int, UserTurn | Message]) -> None:
    seen = step.state.seen
    mask = seen.get(message.key, 0)
    if not mask & COUNTED:
        mask |= COUNTED
        step.state.messages += 1
        step.add(m.MESSAGES, message.role)
    if message.role == "user":
        step.state.user = UserTurn(message.key, message.time_ms, message.elapsed_ms, message.eou)
    elif message.role == "assistant" and not mask & FIRST and message.turn is not None:
        mask |= _first_part(seen, message.turn)
    for use in message.tools:
        tool(step, use, message.time_ms)
    mask = _measurements(step, message, mask)
    if mask & FIRST and not mask & GROUP_BIT["response"]:
        mask |= _response(step, message, users)
    if message.sentiment and not mask & JUDGED:
        mask |= JUDGED
        judge(step, message.sentiment, message.key)
    seen[message.key] = _rejections(step, message, mask)


def _measurements(step: Step, message: Message, mask: int) -> int:
    later_part = message.turn is not None and not mask & FIRST
    for group, count in _GROUPS.items():
        measured = getattr(message, group)
        if measured is not None and not mask & GROUP_BIT[group]:
            mask |= GROUP_BIT[group]
            if not (later_part and group == "llm") and step.claim_live(group):
                count(step, measured)
    return mask


def _rejections(step: Step, message: Message, mask: int) -> int:
    counted = mask >> REJECTED_SHIFT
    for group, rejected in message.rejected:
        if not counted & GROUP_BIT[group]:
            step.add_to(m.REJECTED_VALUES, (step.state.platform, rejected.field, rejected.reason))
            mask |= GROUP_BIT[group] << REJECTED_SHIFT
    return mask


def _first_part(seen: Seen, turn: int) -> int:
    if seen.get(turn, 0) & ANSWERED:
        return 0
    seen[turn] = seen.get(turn, 0) | ANSWERED
    return FIRST


def _response(step: Step, message: Message, users: Mapping[int, UserTurn | Message]) -> int:
    """Count what the caller waited: 3.913 s in the documented conversation."""
    user = _user_of(step, message, users)
    waited = _waited_ms(user, message) if user else None
    if waited is None:
        return 0
    if waited < 0:
        step.add_to(m.REJECTED_VALUES, (step.state.platform, "response", "negative"))
    elif step.claim_live("response"):
        step.reply(waited * _MS)
    return GROUP_BIT["response"]


def _user_of(step: Step, message: Message, users: Mapping[int, UserTurn | Message]) -> UserTurn | Message | None:
    if message.turn is None:
        return None
    if step.state.user and step.state.user.key == message.turn:
        return step.state.user
    return users.get(message.turn)


def _waited_ms(user: UserTurn | Message, reply: Message) -> int | None:
    if user.elapsed_ms is not None and reply.elapsed_ms is not None:
        return reply.elapsed_ms - user.elapsed_ms
    if user.time_ms is not None and reply.time_ms is not None and user.eou is not None:
        return reply.time_ms - user.time_ms + user.eou // _MS
    return None


def _stt(step: Step, stt: Stt) -> None:
    provider = step.provider("stt")
    step.add(m.SERVICE_REQUESTS, *request_labels(component="stt", provider=provider, model=UNKNOWN))
    if stt.confidence is not None:
        step.add(m.STT_CONFIDENCE, provider, amount=stt.confidence)
    if stt.latency is not None:
        step.add(m.STT_LATENCY, provider, amount=stt.latency)
    if stt.audio is not None:
        step.add(m.STT_AUDIO, provider, amount=stt.audio)


def _confidence(step: Step, confidence: Nanounits) -> None:
    step.add(m.STT_CONFIDENCE, step.provider("stt"), amount=confidence)


def _llm(step: Step, llm: Llm) -> None:
    provider, model = step.provider("llm"), step.model()
    labels = model_labels(provider=provider, model=model)
    step.add(m.SERVICE_REQUESTS, *request_labels(component="llm", provider=provider, model=model))
    if llm.response is not None:
        step.add(m.LLM_RESPONSE, *labels, amount=llm.response)
    if llm.queue is not None:
        step.add(m.LLM_QUEUE, *labels, amount=llm.queue)


def _tts(step: Step, tts: Tts) -> None:
    provider = step.provider("tts")
    if not tts.cached:
        step.add(m.SERVICE_REQUESTS, *request_labels(component="tts", provider=provider, model=UNKNOWN))
    if tts.generation is not None:
        cached = "true" if tts.cached else "false"
        step.add(m.TTS_GENERATION, *speech_labels(provider=provider, cached=cached), amount=tts.generation)
    if tts.queue is not None:
        step.add(m.TTS_QUEUE, provider, amount=tts.queue)
    if tts.audio is not None:
        step.add(m.TTS_AUDIO, provider, amount=tts.audio)


def _eou(step: Step, eou: Nanounits) -> None:
    step.add(m.TURN_DETECTION, amount=eou)


def _player(step: Step, wait: Nanounits) -> None:
    step.add(m.PLAYER_WAIT, amount=wait)


def _audio(step: Step, audio: Audio) -> None:
    if audio.delay is not None:
        step.add(m.AUDIO_DELAY, amount=audio.delay)
    if audio.delayed:
        step.add(m.AUDIO_DELAYED, amount=audio.delayed)
    if received := step.level("audio_received", audio.received or 0):
        step.add(m.AUDIO_RECEIVED, amount=received)
    if lost := step.level("audio_lost", audio.lost or 0):
        step.add(m.AUDIO_LOST, amount=lost)


def _skipped(step: Step, skipped: int) -> None:
    if skipped:
        step.add(m.MESSAGES_SKIPPED, amount=skipped)
        step.add(m.INTERRUPTIONS, "assistant")


_GROUPS: Final[dict[Group, Callable[[Step, Any], None]]] = {
    "response": Step.reply,
    "stt": _stt,
    "llm": _llm,
    "tts": _tts,
    "eou": _eou,
    "player": _player,
    "audio": _audio,
    "skipped": _skipped,
    "confidence": _confidence,
}
