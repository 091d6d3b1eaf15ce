"""Which labels a query's result has, worked out from the catalogue: what a query asks for must exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import promql_parser as p

from exporter.assets import load
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Metric

Shape: TypeAlias = frozenset[str] | None
"""Label names of a vector, those of the scrape included; None for a scalar."""

KEPT: Final = frozenset(load().labels.keep)
TARGET: Final = frozenset({"job", "instance"}) | KEPT
_ALERT: Final = TARGET | {
    "alertname",
    "severity",
    "scope",
    "platform",
    "assistant_id",
    "component",
    "provider",
    "model",
    "error_code",
    "window",
    "cause",
    "reason",
    "outcome",
    "event",
    "label",
    "field",
}
OTHERS: Final[Mapping[str, frozenset[str]]] = {
    "up": TARGET,
    "process_start_time_seconds": TARGET,
    "scrape_duration_seconds": TARGET,
    "process_resident_memory_bytes": TARGET,
    "process_open_fds": TARGET,
    "ALERTS": _ALERT | {"alertstate"},
    "ALERTS_FOR_STATE": _ALERT,
}
"""Series that are none of the catalogue's, with their labels."""

_CPU: Final = Metric("process_cpu_seconds_total", "counter", (), "Of prometheus-client.")
SETS: Final = {"and", "or", "unless"}
COMPARISONS: Final = {"==", "!=", ">", "<", ">=", "<="}


class Wrong(AssertionError):  # noqa: N818 - what is said of a query, not a bug of the code
    """A query that can't mean what it says."""


@dataclass(frozen=True)
class Sample:
    """What a name in a query stands for: the metric and which of its samples; no metric for a recorded series."""

    metric: Metric | None
    part: str
    labels: frozenset[str]

    @property
    def is_counter(self) -> bool:
        """Whether its values only rise."""
        return self.metric is not None and self.metric.kind != "gauge" and self.part != "created"


def sample(name: str | None, recorded: Mapping[str, Shape]) -> Sample:
    """What the name stands for.

    Raises:
        Wrong: nothing.
    """
    for metric in (*METRICS.values(), _CPU):
        labels = frozenset(metric.labels) | TARGET
        if name == metric.name and metric.kind != "histogram":
            return Sample(metric, "value", labels)
        if metric.kind != "gauge" and name == f"{metric.family}_created":
            return Sample(metric, "created", labels)
        for part in ("bucket", "sum", "count") if metric.kind == "histogram" else ():
            if name == f"{metric.name}_{part}":
                return Sample(metric, part, labels | {"le"} if part == "bucket" else labels)
    shape = {**OTHERS, **recorded}.get(name or "")
    if shape is None:
        raise Wrong(f"there is no {name}")
    return Sample(None, "value", shape)


def shape_of(expr: p.Expr, recorded: Mapping[str, Shape]) -> Shape:
    """The labels of the expression's result.

    Raises:
        Wrong: it asks for a label that is not there, or compares vectors whose labels differ.
    """
    if isinstance(expr, p.ParenExpr | p.UnaryExpr | p.SubqueryExpr):
        return shape_of(expr.expr, recorded)
    if isinstance(expr, p.MatrixSelector):
        return _selected(expr.vector_selector, recorded)
    for kind, shaped in _SHAPED.items():
        if isinstance(expr, kind):
            shape: Shape = shaped(expr, recorded)
            return shape
    return None


def _selected(selector: p.VectorSelector, recorded: Mapping[str, Shape]) -> Shape:
    found = sample(selector.name, recorded)
    for matcher in selector.matchers.matchers:
        if matcher.name not in found.labels:
            raise Wrong(f"{selector.name} has no label {matcher.name}")
    return found.labels


def _vector(expr: p.Expr, recorded: Mapping[str, Shape]) -> frozenset[str]:
    shape = shape_of(expr, recorded)
    if shape is None:
        raise Wrong(f"{expr} is no vector")
    return shape


def _aggregated(expr: p.AggregateExpr, recorded: Mapping[str, Shape]) -> Shape:
    inner = _vector(expr.expr, recorded)
    if str(expr.op) in {"topk", "bottomk"}:
        return inner
    if expr.modifier is None:
        return frozenset()
    named = frozenset(expr.modifier.labels)
    if not named <= inner:
        raise Wrong(f"{expr}: no label {', '.join(sorted(named - inner))} to aggregate by")
    return named if expr.modifier.type == p.AggModifierType.By else inner - named


def _called(call: p.Call, recorded: Mapping[str, Shape]) -> Shape:
    shapes = [shape_of(argument, recorded) for argument in call.args]
    if call.func.name in {"absent", "vector"}:
        return frozenset()
    if call.func.name == "label_replace":
        return _vector(call.args[0], recorded) | {call.args[1].val}
    if call.func.name == "histogram_quantile":
        if shapes[1] is None or "le" not in shapes[1]:
            raise Wrong(f"{call}: buckets have lost their le")
        return shapes[1] - {"le"}
    return next((shape for shape in shapes if shape is not None), None)


def _combined(expr: p.BinaryExpr, recorded: Mapping[str, Shape]) -> Shape:
    left, right = shape_of(expr.lhs, recorded), shape_of(expr.rhs, recorded)
    if left is None or right is None:
        return left if right is None else right
    modifier = expr.modifier
    if modifier is None or modifier.matching is None:
        if left != right:
            raise Wrong(f"{expr}: labels differ, {sorted(left ^ right)} are on one side only")
        return left
    on = _matched(expr, modifier.matching, left, right)
    if str(expr.op) in SETS:
        return left | right if str(expr.op) == "or" else left
    many = modifier.card != p.VectorMatchCardinality.OneToOne
    return left | frozenset(modifier.group_labels or ()) if many else on


def _matched(expr: p.BinaryExpr, matching: p.LabelModifier, left: frozenset[str], right: frozenset[str]) -> Shape:
    named = frozenset(matching.labels)
    if matching.type == p.LabelModifierType.Exclude:
        if left - named != right - named:
            raise Wrong(f"{expr}: labels differ, {sorted((left ^ right) - named)} are on one side only")
        return left - named
    if not named <= left & right:
        raise Wrong(f"{expr}: {sorted(named - (left & right))} is not on both sides")
    return named


_SHAPED: Final[Mapping[type[p.Expr], Callable[..., Shape]]] = {
    p.VectorSelector: _selected,
    p.AggregateExpr: _aggregated,
    p.Call: _called,
    p.BinaryExpr: _combined,
}
