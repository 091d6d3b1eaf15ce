"""The talk of one call: who says what and when, what is late and what fails."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from exporter.simulate import cast
from exporter.simulate.dice import RAMBLE_SHARE, USER_MS_PER_CHAR, Dice
from exporter.simulate.model import HANG_MS, TOLD_AT_THE_END, Assistant, Reason, SpokenPart, Turn
from exporter.simulate.replies import Replies
from exporter.simulate.scenarios import Scenario, ServiceFault

_PROMPT_TOKENS: Final = 420


class TalkLimits(Struct, frozen=True):
    """How long a talk may be: until shortly after a moment of the call's clock (ms), or exactly so many turns."""

    until: float = float("inf")
    turns: int | None = None


class Talk(Struct, frozen=True):
    """A finished talk; ``provider_failed`` where a service ended it."""

    welcome: SpokenPart
    turns: tuple[Turn, ...]
    end: int
    reason: Reason
    provider_failed: bool


class Talker:
    """Makes one talk."""

    def __init__(self, rolls: Dice, assistant: Assistant, scenario: Scenario, fault: ServiceFault | None) -> None:
        self._dice = rolls
        self._assistant = assistant
        self._scenario = scenario
        self._fault = fault
        self._replies = Replies(rolls, assistant)
        self._turns: list[Turn] = []
        self._clock = 0  # when the last thing was over
        self._next_start: int | None = None  # of the caller's speech, where something decided it
        self._unspoken: tuple[str, ...] = ()
        self._tokens = _PROMPT_TOKENS
        self._reason: Reason | None = None
        self._provider_failed = False

    def talk(self, limits: TalkLimits) -> Talk:
        """The whole talk, from the welcome to the end."""
        welcome = self._replies.welcome()
        self._clock = welcome.end
        planned = limits.turns or self._dice.turns()
        first_hit = self._dice.rng.randrange(min(self._fault.within, planned)) if self._fault else planned
        for number in range(planned):
            self._turn(self._met(number, first_hit), last=number == planned - 1)
            if self._reason or self._clock > limits.until:
                break
        reason = self._reason or self._parting()
        return Talk(welcome, tuple(self._turns), self._clock + self._dice.pause(400), reason, self._provider_failed)

    def _met(self, number: int, first_hit: int) -> ServiceFault | None:
        """The call's fault, if this turn meets it."""
        if self._fault and (number == first_hit or (number > first_hit and self._dice.chance(self._fault.repeat))):
            return self._fault
        return None

    def _turn(self, fault: ServiceFault | None, *, last: bool) -> None:
        unheard = self._unheard(fault) if fault and fault.component == "stt" else ()
        if self._reason:
            return
        turn = self._speech(unheard, last=last)
        if fault is None or fault.component == "stt":
            rambles = not last and self._dice.chance(RAMBLE_SHARE)
            turn = self._unanswered(turn, self._dice.pause(900)) if rambles else self._answered(turn, last=last)
        elif fault.error:
            turn = self._refused(turn, fault, last=last)
        else:
            turn = self._late(turn, fault, last=last)
        self._turns.append(turn)

    def _speech(self, unheard: tuple[int, ...], *, last: bool) -> Turn:
        waiting = bool(self._turns) and bool(self._turns[-1].failures) and not self._turns[-1].reply
        text = self._dice.rng.choice(cast.WAITING_LINES if waiting else cast.USER_LINES)
        text = cast.USER_GOODBYE if last else text
        start = self._start()
        end = start + self._dice.spoken(text, USER_MS_PER_CHAR)
        detection = self._assistant.detection_ms + self._dice.jitter(40) - 20
        cut_off, self._unspoken = self._unspoken, ()
        self._clock = end
        self._tokens += len(text) // 4
        return Turn(
            text=text,
            start=start,
            end=end,
            heard=end + detection + self._dice.jitter(2),
            detection_ms=detection,
            confidence=round(self._dice.rng.betavariate(*self._scenario.confidence), 7),
            stt_lag_ms=int(self._dice.rng.gauss(-230, 160)),
            cut_off=cut_off,
            failures=unheard,
        )

    def _start(self) -> int:
        """When the caller speaks next."""
        decided, self._next_start = self._next_start, None
        return self._clock + self._dice.pause(700) if decided is None else decided

    def _answered(self, turn: Turn, *, last: bool, llm_ms: int = 0, tts_ms: int = 0) -> Turn:
        tokens = self._tokens + self._scenario.context_tokens
        reply = self._replies.reply(turn, last=last, input_tokens=tokens, llm_ms=llm_ms, tts_ms=tts_ms)
        self._tokens += reply.output_tokens
        self._unspoken = reply.unspoken
        final = reply.parts[-1]
        self._clock = final.end
        if final.cut:
            self._next_start = max(final.play, final.end - 200)
        return self._waited(replace(turn, reply=reply), reply.parts[0].start)

    def _unanswered(self, turn: Turn, pause: int) -> Turn:
        """A turn after which the caller goes on."""
        self._clock += pause
        self._next_start = self._clock
        return self._waited(turn, self._clock)

    def _late(self, turn: Turn, fault: ServiceFault, *, last: bool) -> Turn:
        """A reply after more than 5 seconds, or a call that ends before it."""
        wait = HANG_MS + 400 + min(int(self._dice.rng.expovariate(1 / 2500)), 12_000)
        turn = replace(turn, tts_errors=1 + self._dice.jitter(1) if fault.component == "tts" else 0)
        if self._dice.chance(fault.fatal):
            self._provider_failed = bool(fault.ended_reasons)
            self._reason = "abandoned"
            self._clock = turn.end + wait
            return self._waited(turn, self._clock)
        rest = turn.end + wait - turn.heard
        if fault.component == "tts":
            return self._answered(turn, last=last, tts_ms=rest)
        return self._answered(turn, last=last, llm_ms=rest)

    def _refused(self, turn: Turn, fault: ServiceFault, *, last: bool) -> Turn:
        """A turn in which the LLM refuses, some times over, until it answers, the caller asks again or all ends."""
        failures = self._refusals(turn.heard, fault)
        turn = replace(turn, failures=failures)
        self._clock = failures[-1]
        if self._assistant.platform in TOLD_AT_THE_END or self._dice.chance(fault.fatal):
            self._provider_failed = True
            self._reason = "failed"
            self._clock += 600 + self._dice.jitter(1900)
            return self._waited(turn, self._clock)
        if fault.error and fault.error.retryable:
            served = self._clock - turn.heard + self._dice.llm(self._assistant.llm_ms, 1500)
            return self._answered(turn, last=last, llm_ms=served)
        return self._unanswered(turn, self._dice.pause(2200))

    def _refusals(self, since: int, fault: ServiceFault) -> tuple[int, ...]:
        """When the service refuses: the pause before a retry grows by half each time."""
        times, wait = [since + 120 + self._dice.jitter(400)], 400 + self._dice.jitter(300)
        for _ in range(self._dice.rng.randint(*fault.errors) - 1):
            times.append(times[-1] + wait)
            wait += wait // 2
        return tuple(times)

    def _unheard(self, fault: ServiceFault) -> tuple[int, ...]:
        """Speech that could not be transcribed, so that the caller says it again; a Vapi call ends instead."""
        failures = []
        for _ in range(self._dice.rng.randint(*fault.errors)):
            end = self._start() + self._dice.spoken(self._dice.rng.choice(cast.USER_LINES), USER_MS_PER_CHAR)
            failures.append(end + 150 + self._dice.jitter(350))
            self._clock = failures[-1]
            self._next_start = self._clock + self._dice.pause(1500)
        if self._assistant.platform in TOLD_AT_THE_END:
            self._provider_failed = True
            self._reason = "failed"
        return tuple(failures)

    def _waited(self, turn: Turn, until: int) -> Turn:
        """The turn with a hang, if the wait for what came next passed the platform's limit."""
        due = turn.end + HANG_MS + self._dice.jitter(30)
        return replace(turn, hang_at=due) if until > due else turn

    def _parting(self) -> Reason:
        if not self._turns[-1].reply:
            return "customer"
        return self._dice.rng.choices(("assistant", "customer", "silence", "forwarded"), (60, 35, 2, 3))[0]
