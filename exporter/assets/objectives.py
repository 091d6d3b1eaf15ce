"""The section ``slo`` of `thresholds.yml`: what is promised, and how fast an error budget may burn."""

from dataclasses import dataclass
from typing import Annotated, Final

from exporter.assets.threshold_kinds import Amount, Count, Flag, Seconds, Severity, Share, Wait, Window
from exporter.errors import Invalid
from exporter.yamlfile.fields import build, keys
from exporter.yamlfile.kinds import listed
from exporter.yamlfile.schema import Kind, check
from exporter.yamlfile.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsWithoutHang:
    """Objective: the share of calls without a hang."""

    objective: Share
    min_calls: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FastResponses:
    """Objective: the share of replies that come in time."""

    objective: Share
    within: Seconds
    min_turns: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """The error budget burns ``factor`` times too fast in both windows."""

    factor: Amount
    short: Seconds
    long: Seconds
    severity: Severity


def _burn_rate(node: Node) -> BurnRate:
    found = check(node, _BURN_RATE)
    if not found.faults and len(found.values) < len(_BURN_RATE):
        found.faults.append(node.fault("is incomplete: a burn rate has factor, short, long and severity"))
    elif not found.faults and found.values["short"] >= found.values["long"]:
        found.faults.append(node.fault("has a short window that is not shorter than the long one: swap them"))
    if found.faults:
        raise Invalid(*found.faults)
    return build(BurnRate, found.values)


_BURN_RATE: Final = tuple(keys(BurnRate))
BURN_RATES: Final = listed(Kind("factor, short, long and severity", _burn_rate), "burn rates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Service level objectives."""

    enabled: Flag
    window: Window
    period: Seconds
    coverage: Share
    min_bad: Count
    keep_firing_for: Wait
    calls_without_hang: CallsWithoutHang
    fast_responses: FastResponses
    burn_rates: Annotated[tuple[BurnRate, ...], BURN_RATES]
