"""One whole call, drawn from a random generator: who, where to, what happened, how it ended."""

from random import Random
from typing import Final
from uuid import UUID

from msgspec import Struct

from exporter.simulate import cast
from exporter.simulate.conversation import Talk, Talker, TalkLimits
from exporter.simulate.dice import Dice
from exporter.simulate.model import PLATFORMS, UNREACHED, Assistant, Call, PlatformName, Reason
from exporter.simulate.scenarios import Scenario, ServiceFault

_UNREACHED_SHARE: Final = 0.15  # of outbound calls
_SPREAD: Final = 0x9E3779B97F4A7C15  # odd and large, so that neighbouring starts differ in most bits


class Traffic(Struct, frozen=True):
    """What is asked of the traffic.

    Attributes:
        calls_per_minute: the rate at the start; it then follows the time of day.
        platforms: whose calls to make.
        time_scale: people talk so many times faster; latencies of the services stay what they are, so that events
            can be sent at the very time they state.
        turns: exactly so many turns in a call instead of a random number.
        deadline_ms: calls come to their end soon after this Unix time, each with one turn at least.
    """

    calls_per_minute: float = 60.0
    platforms: tuple[PlatformName, ...] = PLATFORMS
    time_scale: float = 1.0
    turns: int | None = None
    deadline_ms: int | None = None


def draw(rng: Random, scenario: Scenario, start_ms: int, elapsed_ms: int, traffic: Traffic) -> Call:
    """A call created at ``start_ms`` (Unix time), ``elapsed_ms`` after the traffic began."""
    assistant = cast.pick_assistant(rng, traffic.platforms)
    fault = scenario.fault(rng, assistant, elapsed_ms)
    rolls = Dice(rng, traffic.time_scale)
    person, call_id = cast.pick_person(rng), _call_id(rng, assistant, start_ms)
    ring = rolls.pause(4000) if assistant.channel == "phone" else 400 + rolls.jitter(200)
    media = start_ms + ring + 200 + rolls.jitter(150)
    unreached = _unreached(rng, assistant, fault, traffic)
    talk = None
    if unreached is None:
        until = float("inf") if traffic.deadline_ms is None else traffic.deadline_ms - media
        talk = Talker(rolls, assistant, scenario, fault).talk(TalkLimits(until, traffic.turns))
    provider_failed = talk is not None and talk.provider_failed
    return Call(
        assistant=assistant,
        person=person,
        id=call_id,
        created_ms=start_ms,
        media_ms=media,
        welcome=talk.welcome if talk else None,
        turns=talk.turns if talk else (),
        end=talk.end if talk else rolls.pause(8_000),
        reason=unreached or (talk.reason if talk else "failed"),
        evaluation=_evaluation(rng, assistant, talk),
        error=fault.error if fault else None,
        ended_reason=_ended_reason(rng, assistant, fault) if provider_failed else "",
        noisy=rng.random() < scenario.noisy,
    )


def _call_id(rng: Random, assistant: Assistant, start_ms: int) -> str:
    """As the platform writes one.

    The start is part of it: were a second run's ids those of the first, its calls would pass for late duplicates.
    """
    bits = rng.getrandbits(128) ^ (start_ms * _SPREAD)
    match assistant.platform:
        case "interactly":
            return f"CA{bits:032x}" if assistant.channel == "phone" else f"WC-{UUID(int=bits, version=4)}"
        case "retell":
            return f"call_{bits:032x}"
        case "elevenlabs":
            return f"conv_{bits:032x}"
        case _:
            return str(UUID(int=bits, version=4))


def _unreached(rng: Random, assistant: Assistant, fault: ServiceFault | None, traffic: Traffic) -> Reason | None:
    """Why nobody talked, where nobody did; never in a call that is meant to meet a fault or to have turns."""
    if assistant.direction == "inbound" or fault or traffic.turns or rng.random() > _UNREACHED_SHARE:
        return None
    return rng.choice(sorted(UNREACHED) if assistant.platform != "interactly" else ("busy", "no-answer"))


def _ended_reason(rng: Random, assistant: Assistant, fault: ServiceFault | None) -> str:
    if assistant.platform != "vapi" or fault is None:
        return ""
    return rng.choice(fault.ended_reasons).format(provider=assistant.llm_provider)


def _evaluation(rng: Random, assistant: Assistant, talk: Talk | None) -> str:
    """The success evaluation in the assistant's rubric; a talk that broke off is no success."""
    if talk is None:
        return ""
    good = talk.reason in {"assistant", "customer", "forwarded"} and rng.random() < 0.85
    if assistant.rubric == "PassFail":
        return "true" if good else "false"
    if assistant.rubric == "NumericScale":
        return str(rng.randint(7, 10) if good else rng.randint(1, 6))
    return rng.choice(("Excellent", "Good", "Good") if good else ("Fair", "Poor"))
