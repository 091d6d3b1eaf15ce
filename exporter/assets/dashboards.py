"""Dashboards: what `grafana/builder` made of them, with an operator's thresholds in their places.

A place is `"<<hang_rate.critical>>"`, quotes included, for a number, and `<<hang_rate.window:duration>>` for text.
"""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from operator import attrgetter
from typing import Any, Final

from exporter.assets.model import Thresholds
from exporter.assets.promql import num, percent, percentile
from exporter.yamlfile.durations import format_duration

TEMPLATES: Final = files("exporter.assets") / "templates" / "dashboards"

_PLACE: Final = re.compile(r'"<<([a-z_.]+)>>"|<<([a-z_.]+):([a-z]+)>>')
_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "bound": lambda seconds: repr(float(seconds)),
    "dollars": lambda amount: f"${amount:.2f}",
    "duration": format_duration,
    "number": num,
    "percent": percent,
    "quantile": percentile,
    "url": lambda url: url.rstrip("/"),
}
"""How a threshold can be written; `bound` is the value of an le label."""


def render(t: Thresholds) -> dict[str, str]:
    """The JSON of each dashboard by file name, ready to import."""
    templates = sorted(TEMPLATES.iterdir(), key=attrgetter("name"))
    return {template.name: fill(template.read_text("utf-8"), t) for template in templates}


def fill(template: str, t: Thresholds) -> str:
    """The template with the thresholds in their places.

    Raises:
        AttributeError: the template names a threshold that there is not.
        KeyError: or a form.
    """

    def value(place: re.Match[str]) -> str:
        number, key, form = place.groups()
        return num(attrgetter(number)(t)) if number else _FORMS[form](attrgetter(key)(t))

    return _PLACE.sub(value, template)
