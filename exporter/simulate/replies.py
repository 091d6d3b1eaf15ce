"""The replies of an assistant: their texts, their parts, when each is generated and played, and barge-ins."""

from typing import Final

from msgspec.structs import replace

from exporter.simulate import cast, dice
from exporter.simulate.model import HANG_MS, Assistant, Reply, SpokenPart, Turn, UsedTool

LATEST_REPLY_MS: Final = HANG_MS - 100
"""A reply that is not meant to be late comes before this."""


class Replies:
    """Makes the replies of one call."""

    def __init__(self, rolls: dice.Dice, assistant: Assistant) -> None:
        self._dice = rolls
        self._assistant = assistant
        self._player_ms = rolls.rng.randint(180, 240)

    def welcome(self) -> SpokenPart:
        """The opening sentence, which is always cached."""
        return self._part(cast.welcome(self._assistant), 2, self._dice.tts(0, cached=True), cached=True)

    def reply(self, turn: Turn, *, last: bool, input_tokens: int, llm_ms: int = 0, tts_ms: int = 0) -> Reply:
        """The reply to a turn; a latency of 0 is drawn from the assistant's own distribution and never too late."""
        texts, tool = self._texts(last=last)
        first, llm_queue_ms = self._first(texts[0], turn, llm_ms, tts_ms)
        used = self._tool(first) if tool else None
        said = len(texts) if last or used else self._said(texts)
        parts = [first]
        for text in texts[1:said]:
            parts.append(self._follow_on(text, used.returned + 250 if used else parts[-1].end))
        if said < len(texts):
            parts[-1] = self._cut(parts[-1])
        return Reply(
            parts=tuple(parts),
            unspoken=texts[said:],
            llm_queue_ms=llm_queue_ms,
            input_tokens=input_tokens,
            output_tokens=sum(map(len, texts)) // 4,
            tool=used,
        )

    def _first(self, text: str, turn: Turn, llm_ms: int, tts_ms: int) -> tuple[SpokenPart, int]:
        """The part that ends the caller's wait, and how long the LLM was queued for."""
        cached = not tts_ms and self._dice.chance(dice.CACHED_SHARE)
        tts_ms = tts_ms or self._dice.tts(self._assistant.tts_ms, cached=cached)
        llm_queue, tts_queue = self._dice.jitter(4), self._dice.jitter(3)
        room = turn.end + LATEST_REPLY_MS - turn.heard - llm_queue - tts_queue - tts_ms
        llm_ms = llm_ms or self._dice.llm(self._assistant.llm_ms, max(room, 20))
        start = turn.heard + llm_queue + llm_ms + tts_queue + tts_ms
        part = self._part(text, start, tts_ms, cached=cached)
        return replace(part, queue_ms=tts_queue, llm_ms=llm_ms), llm_queue

    def _texts(self, *, last: bool) -> tuple[tuple[str, ...], bool]:
        """Texts of a reply, and whether a tool is called after the first of them."""
        if last:
            return (cast.BOT_GOODBYE,), False
        if self._assistant.tools and self._dice.chance(dice.TOOL_SHARE):
            return (cast.FILLER, self._dice.rng.choice(cast.BOT_LINES)), True
        parts = self._dice.rng.randint(2, 3) if self._dice.chance(dice.SPLIT_SHARE) else 1
        return tuple(self._dice.rng.sample(cast.BOT_LINES, parts)), False

    def _said(self, texts: tuple[str, ...]) -> int:
        """How many texts are spoken. Only a split reply can lose a part, so those take the barge-ins of the others."""
        if len(texts) > 1 and self._dice.chance(dice.BARGE_IN_SHARE / dice.SPLIT_SHARE):
            return self._dice.rng.randint(1, len(texts) - 1)
        return len(texts)

    def _cut(self, part: SpokenPart) -> SpokenPart:
        played = int((part.end - part.play) * self._dice.rng.uniform(0.3, 0.9))
        return replace(part, end=part.play + played, cut=True)

    def _tool(self, part: SpokenPart) -> UsedTool:
        called = part.end + self._dice.jitter(50)
        returned = called + self._dice.latency(650, 0.5, 4000)
        key = f"call_{self._dice.rng.getrandbits(96):024x}"
        return UsedTool(key, self._dice.rng.choice(self._assistant.tools), called, returned)

    def _follow_on(self, text: str, start: int) -> SpokenPart:
        """A later part of a split reply: the LLM has it at hand within 2 to 5 ms."""
        cached = self._dice.chance(dice.CACHED_SHARE)
        tts_ms = self._dice.tts(self._assistant.tts_ms, cached=cached)
        return replace(self._part(text, start, tts_ms, cached=cached), llm_ms=2 + self._dice.jitter(3))

    def _part(self, text: str, start: int, tts_ms: int, *, cached: bool) -> SpokenPart:
        audio = self._dice.spoken(text, dice.BOT_MS_PER_CHAR)
        play = start + self._player_ms
        return SpokenPart(
            text=text, start=start, play=play, end=play + audio, audio_ms=audio, tts_ms=tts_ms, cached=cached
        )
