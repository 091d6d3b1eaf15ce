"""A day of invented traffic as the series that Prometheus would have scraped, for rules on a virtual clock.

Calls come by chance, at so many an hour; each has a few turns, and each of them may fail or be slow by chance. What
comes out are cumulative values, a sample a minute, in promtool's notation.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

MINUTES: Final = 60
TURNS: Final = 6
ASSISTANTS: Final = 3
PROVIDERS: Final = ("openai", "anthropic")

RESPONSE_BOUNDS: Final = (2.0, 3.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What goes wrong, as shares of what could.

    Attributes:
        hung: of the calls.
        llm: of the LLM's requests.
        stt: of the transcriptions.
        slow: of the replies, slower than 3 seconds.
        very_slow: of the replies, slower than 5 seconds.
        cached: of the spoken messages, from the cache.
        confidence: mean of the transcriptions.
        cost: of a call, in dollars.
        dropped: chunks of audio, for each minute of it.
    """

    hung: float
    llm: float
    stt: float
    slow: float
    very_slow: float = 0.0
    cached: float
    confidence: float
    cost: float
    dropped: float


@dataclass(slots=True)
class Traffic:
    """Counters of one job, minute by minute.

    Attributes:
        job: its name.
        per_hour: calls, of all assistants together.
        seed: of what comes by chance.
        families: metrics to have; all of them where it is empty.
        minutes: that have gone by.
        last_events: when the last event came, minute by minute.
    """

    job: str
    per_hour: float
    seed: int
    families: tuple[str, ...] = ()
    _values: defaultdict[str, list[float]] = field(init=False)
    _now: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)
    minutes: int = field(default=0, init=False)
    last_events: list[float] = field(default_factory=list, init=False)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self._values = defaultdict(list)
        self._random = random.Random(f"{self.job} {self.seed}")

    def run(self, minutes: int, rates: Rates) -> None:
        """Let so many minutes go by."""
        for _ in range(minutes):
            before = self.last_events[-1] if self.last_events else 0.0
            busy = [self._minute(index, rates) for index in range(ASSISTANTS)]
            self.last_events.append(60.0 * self.minutes if any(busy) else before)
            self.minutes += 1
            for name, value in self._now.items():
                values = self._values[name]
                values.extend([0.0] * (self.minutes - 1 - len(values)))
                values.append(value)

    def series(self) -> Iterator[tuple[str, list[float]]]:
        """The series and their values, a value a minute."""
        return ((name, values) for name, values in self._values.items() if name.startswith(self.families or ("",)))

    def _minute(self, index: int, rates: Rates) -> bool:
        who = f'platform="interactly",assistant_id="a{index}"'
        provider = f'{who},provider="{PROVIDERS[index % len(PROVIDERS)]}"'
        model, ears = f'{provider},model="m"', f'{who},provider="deepgram"'
        calls = poisson(self._random, self.per_hour / MINUTES / ASSISTANTS)
        turns = calls * TURNS
        hung, llm, stt = (self._of(*pair) for pair in ((calls, rates.hung), (turns, rates.llm), (turns, rates.stt)))
        very_slow = self._of(turns, rates.very_slow)
        slow = very_slow + self._of(turns - very_slow, rates.slow)
        cached = self._of(turns, rates.cached)
        failed = 'error_code="timeout",retryable="true",severity="medium"'
        self._count("voice_calls_started", who, calls)
        self._count("voice_hung_calls", who, hung)
        self._count("voice_hangs", model, hung)
        self._count("voice_service_requests", f'{who},component="llm",{model.removeprefix(who)[1:]}', turns)
        self._count("voice_service_requests", f'{who},component="stt",{ears.removeprefix(who)[1:]},model="m"', turns)
        self._count("voice_errors", f'{provider},component="llm",error_type="llm_error",{failed}', llm)
        self._count("voice_errors", f'{ears},component="stt",error_type="stt_error",{failed}', stt)
        self._replies("voice_response_seconds", who, turns, slow, very_slow)
        self._replies("voice_llm_response_seconds", model, turns, slow, very_slow)
        self._add(f'voice_tts_generation_seconds_count{{{who},provider="aura",cached="true"}}', cached)
        self._add(f'voice_tts_generation_seconds_count{{{who},provider="aura",cached="false"}}', turns - cached)
        self._add(f"voice_stt_confidence_ratio_count{{{ears}}}", turns)
        self._add(f"voice_stt_confidence_ratio_sum{{{ears}}}", turns * rates.confidence)
        self._add(f"voice_cost_per_call_dollars_count{{{who}}}", calls)
        self._add(f"voice_cost_per_call_dollars_sum{{{who}}}", calls * rates.cost)
        self._count("voice_audio_received_seconds", who, calls * 120)
        self._count("voice_audio_dropped_chunks", who, poisson(self._random, calls * 2 * rates.dropped))
        return calls > 0

    def _count(self, family: str, labels: str, amount: float) -> None:
        self._add(f"{family}_total{{{labels}}}", amount)
        self._now[f"{family}_created{{{labels}}}"] = -90000

    def _replies(self, name: str, labels: str, turns: int, slow: int, very_slow: int) -> None:
        self._add(f"{name}_count{{{labels}}}", turns)
        self._add(f'{name}_bucket{{{labels},le="+Inf"}}', turns)
        for bound, above in zip(RESPONSE_BOUNDS, (slow, slow, very_slow), strict=True):
            self._add(f'{name}_bucket{{{labels},le="{bound}"}}', turns - above)

    def _add(self, name: str, amount: float) -> None:
        self._now[name] += amount

    def _of(self, many: int, share: float) -> int:
        return binomial(self._random, many, share)


def poisson(chance: random.Random, mean: float) -> int:
    """How many of what comes by chance."""
    if mean > MINUTES:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, many = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        many += 1
    return many


def binomial(chance: random.Random, many: int, share: float) -> int:
    """How many of so many, each by chance."""
    return sum(chance.random() < share for _ in range(many))


def notation(values: Sequence[float | None]) -> str:
    """Values as promtool reads them; None is a scrape that is missing, a not-a-number the end of a series."""
    return " ".join(_run(value, len(list(run))) for value, run in groupby(values))


def _run(value: float | None, times: int) -> str:
    if value is None:
        return f"_x{times}"
    return "stale" if math.isnan(value) else f"{value:.12g}+0x{times - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """An exporter as Prometheus knows it for a while.

    Attributes:
        instance: its name.
        begins: the first minute.
        ends: the minute in which it is gone.
        lost: minutes whose scrapes are lost.
    """

    instance: str
    begins: int
    ends: int
    lost: frozenset[int] = frozenset()

    def scraped(self, values: Sequence[float]) -> list[float | None]:
        """What of a series' values came from it."""
        span = range(self.begins, min(self.ends, len(values)))
        seen = [None if minute in self.lost else values[minute] for minute in span]
        return [*[None] * self.begins, *seen, *([math.nan] if self.ends < len(values) else [])]


def promtool_series(traffic: Traffic, pods: Sequence[Pod]) -> Iterator[Mapping[str, str]]:
    """What a job has, as the input of a promtool test."""
    for name, values in (*traffic.series(), *_about(traffic)):
        for pod in pods:
            labels = f'job="{traffic.job}",instance="{pod.instance}",'
            yield {"series": name.replace("{", f"{{{labels}", 1), "values": notation(pod.scraped(values))}


def _about(traffic: Traffic) -> Iterator[tuple[str, list[float]]]:
    """What an exporter says of itself."""
    minutes = traffic.minutes
    yield 'up{env=""}', [1.0] * minutes
    yield 'voice_exporter_build_info{version="1"}', [1.0] * minutes
    yield 'process_start_time_seconds{env=""}', [0.0] * minutes
    last = 'voice_exporter_last_event_timestamp_seconds{platform="interactly",event="assistant.hang"}'
    yield last, traffic.last_events
