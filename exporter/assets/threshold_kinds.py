"""What a key of `thresholds.yml` takes: durations in seconds, rates and shares 0 to 1."""

import re
from typing import Annotated, Final

from exporter.assets.promql import num, percent
from exporter.config.kinds import URL
from exporter.yamlfile.kinds import BOOLEAN, TEXT, choice, duration, integer, kind, listed, number, text
from exporter.yamlfile.schema import Kind

SEVERITIES: Final = ("critical", "high", "warning", "info")
"""critical pages, high tells the operators now, warning is a ticket, info can wait."""


def _share(value: object) -> float:
    share = number(value)
    if not 0 < share < 1:
        raise ValueError
    return share


def _amount(value: object) -> float:
    amount = number(value)
    if amount <= 0:
        raise ValueError
    return amount


def _label(value: object) -> str:
    name = text(value)
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or name in _OURS:
        raise ValueError
    return name


_OURS: Final = ("job", "instance", "platform", "assistant_id", "le", "alertname", "severity")
WINDOW: Final = duration()
SHARE: Final = kind("a number between 0 and 1, such as 0.05 for 5 %", _share, percent)
AMOUNT: Final = kind("a number above 0", _amount, num)
SECONDS: Final = duration()
WAIT: Final = duration(zero=True)
COUNT: Final = integer()
SEVERITY: Final = choice(*SEVERITIES)
OPTIONAL_URL: Final = Kind(f"{URL.expects}, or an empty text", lambda node: "" if node.value == "" else URL.read(node))
LABELS: Final = listed(kind("the name of a label that the scrape adds, such as cluster", _label), "label names")
WINDOWS: Final = listed(SECONDS, "durations")

Window = Annotated[float, WINDOW]
"""Range of a query; never shorter than four scrapes once loaded."""
Seconds = Annotated[float, SECONDS]
Wait = Annotated[float, WAIT]
Share = Annotated[float, SHARE]
Amount = Annotated[float, AMOUNT]
Count = Annotated[int, COUNT]
Url = Annotated[str, URL]
OptionalUrl = Annotated[str, OPTIONAL_URL]
Flag = Annotated[bool, BOOLEAN]
Severity = Annotated[str, SEVERITY]
LabelNames = Annotated[tuple[str, ...], LABELS]
Windows = Annotated[tuple[float, ...], WINDOWS]
Text = Annotated[str, TEXT]
