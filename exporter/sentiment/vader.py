"""The default analyser: VADER, a lexicon and rules for English, of the package nltk-vader-sentiment.

Its data is in the package, so nothing is downloaded, and it has no dependencies. It takes some 100 microseconds for a
sentence. Of a text in another language it knows only words that English has, too.
"""

from importlib import import_module
from typing import Any, Final

_SCORES: Final[Any] = import_module("vader").SentimentIntensityAnalyzer().polarity_scores
"""Imported by its name: the type checker runs where the extra is not installed, too."""
_NEUTRAL: Final = 0.05
"""Scores between this and its negative are neutral, as VADER's authors say."""


def analyse(text: str) -> tuple[str, float]:
    """Judge a text; VADER's compound score tells both the sentiment and how sure it is."""
    compound: float = _SCORES(text)["compound"]
    if abs(compound) < _NEUTRAL:
        return "neutral", 1 - abs(compound)
    return "negative" if compound < 0 else "positive", min(1.0, abs(compound))
