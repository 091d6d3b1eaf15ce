"""Writes groups of rules as YAML that reads as if written by hand: ordered, commented, long text in blocks."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from exporter.assets.model import Links, Thresholds
from exporter.assets.promql import indent
from exporter.assets.rule import Alert, Group, Recording
from exporter.yamlfile.durations import format_duration

_WIDTH: Final = 118
_PLAIN: Final = re.compile(r"[A-Za-z0-9/$(][^\n]*[^\n:\s]|[A-Za-z]")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
_SPECIAL: Final = re.compile(r": | #|^(true|false|yes|no|on|off|null|y|n)$|^[0-9.]+$", re.IGNORECASE)


def rules_file(group: Group, t: Thresholds) -> str:
    """A file for Prometheus's `rule_files`."""
    return f"{header(group.comment, t)}\ngroups:\n{indent(_group(group, t))}\n"


def prometheus_rule(name: str, groups: Sequence[Group], t: Thresholds) -> str:
    """A PrometheusRule for the Prometheus operator."""
    comment = "All rules, for the Prometheus operator. Give it the labels that your Prometheus selects rules by."
    return (
        f"{header(comment, t)}\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        f"  name: {name}\n"
        "  labels:\n"
        f"    app.kubernetes.io/name: {name}\n"
        "spec:\n"
        "  groups:\n" + "\n".join(indent(_group(group, t), 4) for group in groups) + "\n"
    )


def header(comment: str, t: Thresholds) -> str:
    """What stands at the top of a rendered file."""
    source = "Written by `voice-exporter assets` from thresholds.yml: change the numbers there and write it again."
    widened = (f"Widened: {line}." for line in t.widened)
    return "\n".join(line for text in (comment, source, *widened) for line in _comment(text))


def _group(group: Group, t: Thresholds) -> str:
    rules = "\n\n".join(indent("\n".join(_rule(rule, t.links)), 4) for rule in group.rules)
    return f"- name: {group.name}\n  interval: {format_duration(t.evaluation_interval)}\n  rules:\n{rules}"


def _rule(rule: Recording | Alert, links: Links) -> Iterator[str]:
    yield from _comment(rule.comment)
    if isinstance(rule, Recording):
        yield from _item({"record": rule.record, "expr": rule.expr})
        return
    waits = {"for": rule.wait, "keep_firing_for": rule.keep}
    yield from _item(
        {
            "alert": rule.name,
            "expr": rule.expr,
            **{key: format_duration(seconds) for key, seconds in waits.items() if seconds},
            "labels": {"severity": rule.severity, **rule.labels},
            "annotations": rule.annotations(links),
        }
    )


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in wrap(text, _WIDTH - 8))


def _item(fields: Mapping[str, str | Mapping[str, str]]) -> Iterator[str]:
    lines = [line for key, value in fields.items() for line in _field(key, value)]
    yield f"- {lines[0]}"
    yield from (f"  {line}" for line in lines[1:])


def _field(key: str, value: str | Mapping[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{key}:"
        yield from (f"  {line}" for name, inner in value.items() for line in _field(name, inner))
    elif "\n" in value:
        yield f"{key}: |-"
        yield from (f"  {line}" for line in value.splitlines())
    elif len(key) + len(value) + 12 > _WIDTH and " " in value:
        yield f"{key}: >-"
        yield from (f"  {line}" for line in _folded(value))
    else:
        yield f"{key}: {_scalar(value)}"


def _folded(text: str) -> Iterator[str]:
    """Lines that YAML joins to the text again; what stands in braces stays in one piece."""
    whole = _TEMPLATE.sub(lambda found: found[0].replace(" ", "\0"), text)
    for line in wrap(whole, _WIDTH - 14, break_long_words=False, break_on_hyphens=False):
        yield line.replace("\0", " ")


def _scalar(value: str) -> str:
    plain = _PLAIN.fullmatch(value) and not _SPECIAL.search(value)
    return value if plain else json.dumps(value, ensure_ascii=False)
