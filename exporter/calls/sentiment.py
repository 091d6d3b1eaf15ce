"""Sentiment: how user messages sound, where the operator has their texts judged."""

from exporter.calls.incident import Incident
from exporter.calls.step import Step
from exporter.events import ReportedSentiments, Sentiment, identity
from exporter.metrics import catalogue as m


def judge(step: Step, sentiment: Sentiment, key: int) -> None:
    """Count the sentiment of the message with that key; a clearly negative one is an incident."""
    _count(step, sentiment)
    _report(step, sentiment, key)


def sentiments(step: Step, fact: ReportedSentiments) -> None:
    """Count the sentiments of a whole conversation, from the first event that has them; one incident at most."""
    if not step.once("sentiments"):
        return
    for each in fact.sentiments:
        _count(step, each)
    negative = [each for each in fact.sentiments if each.feeling == "negative"]
    if negative:
        _report(step, max(negative, key=lambda each: each.confidence), 0)


def _count(step: Step, sentiment: Sentiment) -> None:
    step.add(m.SENTIMENT, sentiment.feeling)
    if sentiment.feeling == "negative":
        step.add(m.NEGATIVE_CONFIDENCE, amount=sentiment.confidence)


def _report(step: Step, sentiment: Sentiment, key: int) -> None:
    if sentiment.feeling == "negative" and sentiment.confidence > step.settings.alert_above:
        call = step.event.call
        number = 0 if call is None else identity("incident", call, "sentiment", key)
        step.report(Incident(number, "sentiment", "high", "", "", "", what="negative"))
