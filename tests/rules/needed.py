"""The part of the shipped rules that some alerts and series rest on: real promtool is slow with all of them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as p

from tests.rules.lint import selectors
from tests.support.yamls import loaded


def needed(files: Iterable[Path], wanted: Collection[str]) -> dict[str, Any]:
    """The groups of rule files without the rules that nothing wanted rests on.

    Args:
        files: of rules.
        wanted: names of alerts and of series, as `selected` gives them.
    """
    groups = [group for file in files for group in _groups(file.read_text())]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    found, seen = set(wanted), set[str]()
    while found - seen:
        seen |= found
        rules = (rule for group in groups for rule in group["rules"] if _name(rule) in seen)
        found = {name for rule in rules for name in selected(rule["expr"], alerts)}
    kept = [{**group, "rules": [rule for rule in group["rules"] if _name(rule) in seen]} for group in groups]
    return {"groups": [group for group in kept if group["rules"]]}


def selected(query: str, alerts: Iterable[str]) -> Iterator[str]:
    """Names of the series that a query selects, and of the alerts whose states it does."""
    for selector in _selectors(query):
        if selector.name in ("ALERTS", "ALERTS_FOR_STATE"):
            named = [matcher for matcher in selector.matchers.matchers if matcher.name == "alertname"]
            yield from (alert for alert in alerts if all(_matches(matcher, alert) for matcher in named))
        elif selector.name:
            yield selector.name


@cache
def _groups(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loaded(text)["groups"]
    return found


@cache
def _selectors(query: str) -> tuple[p.VectorSelector, ...]:
    return tuple(selector for selector, _ in selectors(p.parse(query)))


def _matches(matcher: p.Matcher, alert: str) -> bool:
    match matcher.op:
        case p.MatchOp.Equal:
            return alert == matcher.value
        case p.MatchOp.Re:
            return re.fullmatch(matcher.value, alert) is not None
        case _:
            return True


def _name(rule: Mapping[str, Any]) -> str:
    name: str = rule.get("alert") or rule["record"]
    return name
