"""Default bounds of the histograms, in the metric's own unit.

They contain each bound of Interactly's own distributions (end-of-call-report, ``metrics.callStats``) and the
thresholds of 3 and 5 seconds (hang and error pages). The others lie where the values are: milliseconds for queues, tens
of milliseconds for cached speech, half a second for turns.
"""

from typing import Final

LLM: Final = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0)
TTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.6, 1.0, 3.0, 5.0, 10.0, 15.0, 30.0)
SPEECH: Final = (0.1, 0.2, 0.3, 0.6, 1.0, 3.0, 5.0, 10.0)
RESPONSE: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0)
DURATION: Final = (10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
COST: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
CONFIDENCE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MESSAGES: Final = tuple(float(bound) for bound in range(4, 100, 5))
WAIT: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
QUEUE: Final = (0.001, 0.0025, 0.005, *WAIT)
TURN: Final = (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
PLAYER: Final = (*WAIT, 10.0, 15.0, 30.0)
RECOVERY: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
TOOL: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0)
SELF: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
DELAY: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
