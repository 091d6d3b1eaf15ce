"""Rules and dashboards for a Prometheus that keeps histograms in its native form.

A server that converts what it scrapes (`convert_classic_histograms_to_nhcb`) has one series where the exposition has
one for each bound, and neither `_bucket`, `_count`, `_sum` nor `_created`. The bounds stay, and so does every number.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from exporter.assets.histograms import MISSING
from exporter.assets.rule import Group
from exporter.metrics.catalogue import METRICS

_NAMES: Final = "|".join(sorted(metric.name for metric in METRICS.values() if metric.kind == "histogram"))
_SELECTOR: Final = r"(?:\{[^{}]*\})?"
_RANGE: Final = r"\[[^\[\]]*\](?: offset \w+)?"

_BORN: Final = re.compile(
    rf" *(?:{_NAMES})_(?:count|bucket){_SELECTOR}\n *and (?:ignoring \(le\) )?"
    rf"\((?:{_NAMES})_created{_SELECTOR} > time\(\) - [^()]*\)\n *or\n"
)
"""Series that are new count as a whole: a histogram without a created timestamp does not tell."""
_BELOW: Final = re.compile(
    rf"sum(?P<by> by \([^()]*\))? \((?P<rise>rate|increase)\((?P<name>{_NAMES})_bucket"
    rf'\{{(?P<before>[^{{}}]*?)(?:, )?le=~?"(?P<le>[^"]+)"(?P<after>[^{{}}]*)\}}(?P<range>{_RANGE})\)\)'
)
_BY_BOUND: Final = re.compile(r" by \((?P<labels>[^()]*?)(?:, )?\ble\)")
_BUCKETS: Final = re.compile(rf"(?P<name>\b(?:{_NAMES}))_bucket\b")
_TOLD_APART: Final = re.compile(
    rf"\nand on \(\)\ncount\(\n  \(sum by \(le\) \(increase\((?:{_NAMES})_bucket[^\n]*\n  <[^\n]*\n[^\n]*\n\)"
)
"""Whether values fall into more than one bucket; a panel can't ask a native histogram for that."""
_ROUNDED: Final = re.compile(rf"round\((?P<inner>increase\((?:{_NAMES})_bucket{_SELECTOR}{_RANGE}\))\)")
_RISE: Final = re.compile(
    rf"(?P<rise>rate|increase)\((?P<name>{_NAMES})_(?P<part>count|sum)(?P<selector>{_SELECTOR}{_RANGE})\)"
)
_RAW: Final = re.compile(rf"\b(?P<name>{_NAMES})_(?P<part>count|sum)\b(?P<selector>{_SELECTOR})")


def native_group(group: Group) -> Group:
    """The rules of a group for native histograms."""
    rules = tuple(replace(rule, expr=native(rule.expr)) for rule in group.rules)
    return replace(group, comment=f"{group.comment} For a Prometheus that keeps histograms native.", rules=rules)


def native_runbooks(texts: Mapping[str, str]) -> dict[str, str]:
    """Runbooks with queries for native histograms, but for the one that is about both forms."""
    return {name: text if name == MISSING else native(text) for name, text in texts.items()}


def native_dashboard(text: str) -> str:
    """The JSON of a dashboard for native histograms."""
    return json.dumps(_walked(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


def _walked(node: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(node, dict):
        return {key: native(value) if key == "expr" else _walked(value) for key, value in node.items()}
    return [_walked(value) for value in node] if isinstance(node, list) else node


def native(text: str) -> str:
    """Queries of classic histograms, alone or in prose, as the same queries of native ones."""
    text = _TOLD_APART.sub("", _BORN.sub("", text))
    text = _ROUNDED.sub(r"\g<inner>", text)
    text = _BELOW.sub(_share_below, text)
    if _BUCKETS.search(text):
        text = _BY_BOUND.sub(lambda by: f" by ({by['labels']})" if by["labels"] else "", text)
        text = _BUCKETS.sub(r"\g<name>", text)
    text = _RISE.sub(r"histogram_\g<part>(\g<rise>(\g<name>\g<selector>))", text)
    return _RAW.sub(r"histogram_\g<part>(\g<name>\g<selector>)", text)


def _share_below(found: re.Match[str]) -> str:
    """How many values were below a bound: their share of all, times all; 0 of none."""
    inner = found["before"] + found["after"]
    selector = f"{{{inner}}}" if inner else ""
    rise = f"sum{found['by'] or ''} ({found['rise']}({found['name']}{selector}{found['range']}))"
    share, count = f"histogram_fraction(-Inf, {found['le']}, {rise})", f"histogram_count({rise})"
    return f"({share} * ({count} > 0) or 0 * {count})"
