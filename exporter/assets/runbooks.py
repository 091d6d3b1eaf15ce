"""Runbooks, one an alert: the prose of `runbooks/`, with the numbers of the thresholds and what the rules say."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from string import Template
from textwrap import wrap
from typing import Any, Final

from exporter.assets.model import Links, Thresholds
from exporter.assets.promql import indent
from exporter.assets.rule import Alert, Group, Recording
from exporter.assets.runbook_queries import from_their_creation
from exporter.assets.thresholds import KEYS
from exporter.yamlfile.durations import format_duration

_PROSE: Final = files("exporter.assets") / "runbooks"

_WIDTH: Final = 116
_STRATEGIES: Final = {
    "fallback": (
        "**Provider fallback.** Switch the assistant to its backup provider or model on the platform's dashboard, or by"
        " its API: a reply of another model beats none. Switch back once the provider has been well for an hour."
    ),
    "shorter": (
        "**Shorter replies.** Lower the assistant's maximum tokens (the platform's documents say 100 to 150) and its"
        " temperature (0.3), take a faster model, and summarise long conversations instead of sending all of them."
    ),
    "hold": (
        '**Hold message.** Let the assistant say something after 3 seconds of silence, such as "Let me think about that'
        ' for a moment", so that callers neither repeat themselves nor hang up.'
    ),
    "handoff": (
        "**Hand-off.** While calls cannot be served, forward them to people, with a sentence that says so: \"I'm"
        ' experiencing a technical problem, let me connect you with a human agent."'
    ),
}
"""The response strategies that the hang and error pages of Interactly's documentation describe."""


def runbooks(groups: Sequence[Group], t: Thresholds, *, linked: bool = True) -> dict[str, str]:
    """The text of each alert's runbook by the alert's name.

    Args:
        groups: the rules.
        t: the numbers in the texts.
        linked: whether rules files and dashboards are where the thresholds say, as seen from the runbooks.
    """
    words = {key.path.replace(".", "_"): key.kind.show(_value(t, key.path)) for key in KEYS}
    words |= {name: "\n  ".join(wrap(text, _WIDTH)) for name, text in _STRATEGIES.items()}
    links = t.links if linked else None
    return {alert.name: _runbook(group, alert.name, words, links) for group in groups for alert in group.alerts}


def _runbook(group: Group, name: str, words: dict[str, str], links: Links | None) -> str:
    recorded = {rule.record: rule.expr for rule in group.rules if isinstance(rule, Recording)}
    alerts = [replace(alert, expr=recorded.get(alert.expr, alert.expr)) for alert in group.alerts if alert.name == name]
    prose = from_their_creation(Template((_PROSE / f"{name}.md").read_text("utf-8")).substitute(words))
    file = f"{group.name.removeprefix('voice-')}.rules.yml"
    first = alerts[0]
    rule, dashboard = f"`{file}`", f"`{first.dashboard}`"
    if links:
        rule, dashboard = f"[{file}](../{file})", f"[{first.dashboard}]({links.dashboard(first.dashboard)})"
    parts = (
        f"# {name}",
        first.summary,
        "\n".join(map(_when, alerts)),
        f"Rule: {rule}. Dashboard: {dashboard}.",
        prose,
    )
    return "\n\n".join(parts)


def _when(alert: Alert) -> str:
    """Severity, how long it takes, and the query."""
    window = f" over {alert.labels['window']}" if "window" in alert.labels else ""
    wait = f" after {format_duration(alert.wait)}" if alert.wait else " at once"
    return f"- **{alert.severity}**{window},{wait}, while:\n\n" + indent(f"```promql\n{alert.expr}\n```")


def _value(t: Thresholds, path: str) -> Any:  # noqa: ANN401 - the key's kind says what it is
    value: Any = t
    for name in path.split("."):
        value = getattr(value, "for_" if name == "for" else name)
    return value
