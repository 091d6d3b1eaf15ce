"""Colours that say the same everywhere, chosen to stay apart for the colour-blind and on dark and light ground.

States go from blue over orange to dark red: apart in lightness, not only in hue; grey is no state, nothing was
measured. What colour alone tells apart uses
Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), without its yellow, which vanishes on white.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

from exporter import platforms

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""From which value on which colour; None for everything below the first."""

GOOD: Final = "blue"
WARNING: Final = "orange"
CRITICAL: Final = "dark-red"
PLAIN: Final = "text"
CLEAR: Final = "transparent"
UNMEASURED: Final = "#6E7079"

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
AMBER: Final = "#E69F00"
RED: Final = "#D55E00"
PINK: Final = "#CC79A7"
GREY: Final = "#999999"

PLATFORMS: Final = {name: platform.colour for name, platform in platforms.PLATFORMS.items()}
QUANTILES: Final = {"p50": SKY, "p90": BLUE, "p95": PINK, "p99": RED}


def above(warning: float | None = None, critical: float | None = None, base: str = GOOD) -> Steps:
    """Steps for what is bad when it is high."""
    limits = ((warning, WARNING), (critical, CRITICAL))
    return [(None, base), *((limit, colour) for limit, colour in limits if limit is not None)]


def below(warning: float, base: str = GOOD) -> Steps:
    """Steps for what is bad when it is low."""
    return [(None, WARNING), (warning, base)]


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Steps as Grafana has them."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )
