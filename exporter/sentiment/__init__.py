"""Sentiment: what judges the text of a message, one's own or the one of the extra ``voice-exporter[sentiment]``."""

from exporter.sentiment.analyser import DEFAULT, Analyser, load

__all__ = ["DEFAULT", "Analyser", "load"]
