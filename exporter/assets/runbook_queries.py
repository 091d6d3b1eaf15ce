"""Queries of runbooks: increase() alone does not see the event that paged, if a series began with it."""

import re
from typing import Final

from exporter.assets.promql import indent, num
from exporter.metrics.catalogue import METRICS
from exporter.yamlfile.durations import parse_duration

_INCREASE: Final = re.compile(
    r"\(increase\((?P<counted>(?P<sample>voice_\w+?)(?P<part>_bucket|_count|_sum)?(?P<selector>\{[^{}]*\})?)"
    r"\[(?P<window>\w+)\]\)\)"
)


def from_their_creation(text: str) -> str:
    """The text with each `sum by (...) (increase(...))` counting a series from its creation on, as the rules do."""
    return _INCREASE.sub(_from_creation, text)


def _from_creation(found: re.Match[str]) -> str:
    counted, selector, window = found["counted"], found["selector"] or "", found["window"]
    match = "and ignoring (le)" if found["part"] == "_bucket" else "and"
    created = f"{METRICS[found['sample']].family}_created{selector}"
    rises = (
        f"  {counted}\n"
        f"    {match} ({created} > time() - {num(parse_duration(window))})\n"
        f"or\n"
        f"  increase({counted}[{window}])"
    )
    return f"(\n{indent(rises)}\n)"
