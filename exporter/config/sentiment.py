"""Whether the text of user messages is judged, and by what."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from exporter.config.auth import Flag
from exporter.sentiment import DEFAULT, load
from exporter.yamlfile.fields import Doc, build
from exporter.yamlfile.kinds import duration, kind, number, text
from exporter.yamlfile.schema import Found

_CALLABLE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def _analyser(value: object) -> str:
    name = text(value)
    if not _CALLABLE.fullmatch(name):
        raise ValueError
    return name


def _confidence(value: object) -> float:
    confidence = number(value)
    if not 0 <= confidence < 1:
        raise ValueError
    return confidence


@dataclass(frozen=True, slots=True)
class Sentiment:
    """What is judged of user messages; while it is off, no text is decoded."""

    enabled: Annotated[
        Flag,
        Doc(
            "Whether the text of user messages is decoded and judged; needs the extra `voice-exporter[sentiment]`, or"
            " an `analyser` of your own. No text is kept or shown.",
            "true",
        ),
    ] = False
    analyser: Annotated[
        str,
        kind("a callable such as package.module:callable", _analyser),
        Doc(
            "What judges a text: it takes a `str` of up to 1000 characters and gives `negative`, `neutral` or"
            " `positive` and its confidence, 0 to 1. The default knows English.",
            "acme.sentiment:analyse",
        ),
    ] = DEFAULT
    timeout: Annotated[
        float, duration(), Doc("How long an event waits for it; then it counts without its sentiment.", "200ms")
    ] = 1.0
    alert_above: Annotated[
        float,
        kind("a number of 0 or more and below 1, such as 0.8", _confidence),
        Doc("Confidence above which a negative message is an incident, with its call id.", "0.9"),
    ] = 0.8


def find_analyser(found: Found) -> None:
    """Note it as a fault where the analyser that is asked for can't be found."""
    settings = build(Sentiment, found.values, "sentiment.")
    if settings.enabled and not found.faults:
        try:
            load(settings.analyser)
        except ValueError as error:
            key = "analyser" if "sentiment.analyser" in found.values else "enabled"
            found.fault(f"sentiment.{key}", str(error))
