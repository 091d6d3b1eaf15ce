"""Analysers: found by name, and how much the default one hears."""

import sys

import pytest

from exporter.sentiment import DEFAULT, load
from exporter.sentiment.vader import analyse
from tests.sentiment.sentences import FURIOUS, NEGATIVE, NEUTRAL, POSITIVE

FEELINGS = {"negative": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE}
ALL = [(text, feeling) for feeling, said in FEELINGS.items() for text in said]


def test_the_default_analyser_is_the_extra() -> None:
    """Its name leads to it."""
    assert load(DEFAULT) is analyse


def test_accuracy_on_invented_callers() -> None:
    """Of twenty sentences each: it hears most, and takes no ordinary sentence for a complaint. Measured: 54 of 60."""
    heard = [analyse(text)[0] == feeling for text, feeling in ALL]
    assert sum(heard) / len(heard) >= 0.85
    found = [text for text, _feeling in ALL if analyse(text)[0] == "negative"]
    assert len(set(found) & set(NEGATIVE)) >= 15
    assert not set(found) - set(NEGATIVE)


def test_confidence_above_the_documented_threshold_takes_strong_words() -> None:
    """One message of several strong words is above 0.8; an ordinary complaint is not."""
    feeling, confidence = analyse(FURIOUS)
    assert feeling == "negative"
    assert confidence > 0.8
    assert max(analyse(text)[1] for text in NEGATIVE if analyse(text)[0] == "negative") < 0.8


@pytest.mark.parametrize("text", ["x" * 1000, "! " * 500, "\N{GRINNING FACE}" * 1000, "not " * 250, "\x00\ud800 bad"])
def test_any_text_is_judged(text: str) -> None:
    """It gives a feeling and a confidence from 0 to 1 for whatever has a thousand characters."""
    feeling, confidence = analyse(text)
    assert feeling in {"negative", "neutral", "positive"}
    assert 0 <= confidence <= 1


def test_without_the_extra_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default analyser needs a package that is not installed with the exporter."""
    monkeypatch.setitem(sys.modules, "vader", None)
    monkeypatch.delitem(sys.modules, "exporter.sentiment.vader")
    with pytest.raises(ValueError, match=r"pip install 'voice-exporter\[sentiment\]'"):
        load(DEFAULT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tests.sentiment.nowhere:analyse", "there is no module tests.sentiment.nowhere"),
        ("tests.sentiment.sentences:nobody", "names nothing that can be called"),
        ("tests.sentiment.sentences:FURIOUS", "names nothing that can be called"),
        ("tests.sentiment.broken:analyse", "can't be imported: ZeroDivisionError"),
    ],
)
def test_an_analyser_that_is_not_there(name: str, message: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        load(name)
