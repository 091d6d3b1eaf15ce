"""Random draws with the statistics of real calls.

Turns are geometric, latencies log-normal with a long tail, confidence beta distributed, and a twentieth of the replies
meets a barge-in.
"""

from math import log
from random import Random
from typing import Final

MEAN_TURNS: Final = 6.0
MOST_TURNS: Final = 30
LLM_SIGMA: Final = 0.42
"""Spread of the log-normal LLM latency: with it 99 of 100 responses come within 3 s, so p95 keeps its distance."""
TTS_SIGMA: Final = 0.35
CACHED_SHARE: Final = 0.62
SPLIT_SHARE: Final = 0.3
BARGE_IN_SHARE: Final = 0.05
RAMBLE_SHARE: Final = 0.08
TOOL_SHARE: Final = 0.25
USER_MS_PER_CHAR: Final = 62
BOT_MS_PER_CHAR: Final = 55


class Dice:
    """Draws for one call. People talk ``time_scale`` times faster than they do; services take the time they take."""

    def __init__(self, rng: Random, time_scale: float) -> None:
        self.rng = rng
        self._time_scale = time_scale

    def chance(self, share: float) -> bool:
        """True in a share of the cases, 0 to 1."""
        return self.rng.random() < share

    def turns(self) -> int:
        """Number of turns of a call."""
        return min(1 + int(log(1 - self.rng.random()) / log(1 - 1 / MEAN_TURNS)), MOST_TURNS)

    def latency(self, median_ms: int, sigma: float, most_ms: int) -> int:
        """Latency of a service in milliseconds."""
        return min(max(int(self.rng.lognormvariate(log(median_ms), sigma)), 20), most_ms)

    def llm(self, median_ms: int, most_ms: int) -> int:
        """Latency of an LLM in milliseconds."""
        return self.latency(median_ms, LLM_SIGMA, most_ms)

    def tts(self, median_ms: int, *, cached: bool) -> int:
        """Latency of speech generation in milliseconds."""
        return self.rng.randint(4, 9) if cached else self.latency(median_ms, TTS_SIGMA, 1500)

    def spoken(self, text: str, ms_per_char: int) -> int:
        """How long it takes to say the text, in milliseconds."""
        return max(int(len(text) * ms_per_char * self.rng.uniform(0.85, 1.15) / self._time_scale), 200)

    def pause(self, mean_ms: int) -> int:
        """How long a person waits before speaking, in milliseconds."""
        return max(int(mean_ms * self.rng.uniform(0.5, 1.6) / self._time_scale), 50)

    def jitter(self, most_ms: int) -> int:
        """A few milliseconds."""
        return self.rng.randint(0, most_ms)
