"""Holds queries against the catalogue: rules, runbooks and dashboards ask only for what the exporter exposes."""

from collections.abc import Iterator, Mapping
from typing import Final

import promql_parser as p

from tests.rules.shapes import COMPARISONS, Sample, Shape, Wrong, sample, shape_of
from tests.rules.values import allowed

__all__ = ["Wrong", "check", "selectors", "walk"]

RISING: Final = {"rate", "irate", "increase", "resets"}
SINCE_START: Final = {"voice_exporter_storage_set_aside_total"}
"""Counters that tell of the process's start, so that a restart is right to end what they say."""
FALLING: Final = {"delta", "idelta", "deriv", "predict_linear", "avg_over_time", "min_over_time", "max_over_time"}


def check(query: str, recorded: Mapping[str, Shape] | None = None, shortest_range: float = 60.0) -> Shape:
    """The labels of a query's result, after everything that can be said against it.

    Args:
        query: PromQL.
        recorded: series that rules record, with their labels.
        shortest_range: seconds; an increase over less sees nothing.

    Raises:
        Wrong: what is said against it.
    """
    known = recorded or {}
    try:
        expr = p.parse(query)
    except ValueError as error:
        raise Wrong(f"{query}: {error}") from None
    for selector, above in selectors(expr):
        _values(selector, known)
        _use(selector, above, sample(selector.name, known))
    for node in walk(expr):
        if isinstance(node, p.MatrixSelector) and node.range.total_seconds() < shortest_range:
            raise Wrong(f"{node}: fewer than two scrapes fit into the range")
    return shape_of(expr, known)


def walk(expr: p.Expr) -> Iterator[p.Expr]:
    """The expression and everything in it."""
    yield expr
    for inner in _inner(expr):
        yield from walk(inner)


def selectors(expr: p.Expr, above: tuple[p.Expr, ...] = ()) -> Iterator[tuple[p.VectorSelector, tuple[p.Expr, ...]]]:
    """Each selector, and what stands around it, the nearest first."""
    if isinstance(expr, p.VectorSelector):
        yield expr, above
    elif isinstance(expr, p.MatrixSelector):
        yield expr.vector_selector, (expr, *above)
    else:
        for inner in _inner(expr):
            yield from selectors(inner, (expr, *above))


def _inner(expr: p.Expr) -> list[p.Expr]:
    match expr:
        case p.BinaryExpr():
            return [expr.lhs, expr.rhs]
        case p.Call():
            return list(expr.args)
        case p.AggregateExpr():
            return [expr.expr, *([expr.param] if isinstance(expr.param, p.Expr) else [])]
        case p.ParenExpr() | p.UnaryExpr() | p.SubqueryExpr():
            return [expr.expr]
        case _:
            return []


def _values(selector: p.VectorSelector, recorded: Mapping[str, Shape]) -> None:
    metric = sample(selector.name, recorded).metric
    for matcher in selector.matchers.matchers:
        values = allowed(metric, matcher.name)
        names = matcher.value.split("|") if matcher.op in (p.MatchOp.Re, p.MatchOp.NotRe) else [matcher.value]
        if values is not None and not values.issuperset(names) and "$" not in matcher.value:
            raise Wrong(f"{selector.name} never has {matcher.name}={matcher.value}")


def _use(selector: p.VectorSelector, above: tuple[p.Expr, ...], found: Sample) -> None:
    functions = [node.func.name for node in above if isinstance(node, p.Call)]
    rising = bool(functions) and functions[0] in RISING
    ranged = bool(above) and isinstance(above[0], p.MatrixSelector)
    if ranged and rising and not found.is_counter:
        raise Wrong(f"{functions[0]}() of {selector.name}, which is no counter")
    if found.is_counter and _beside_itself(selector, above, found):
        return
    if found.is_counter and ranged and functions and functions[0] in FALLING:
        raise Wrong(f"{functions[0]}() of {selector.name}, which only rises")
    if found.is_counter and not ranged and selector.name not in SINCE_START and not _may_be_raw(selector, above, found):
        raise Wrong(f"the raw counter {selector.name}: a restart would change what it says")


def _beside_itself(selector: p.VectorSelector, above: tuple[p.Expr, ...], found: Sample) -> bool:
    """Whether the counter is only compared with what it was, and with when it was created.

    The difference of two of its values is how far it rose: a restart keeps the values, or the created timestamp tells.
    """
    if found.metric is None:
        return False
    own = {(found.metric.name, str(selector.matchers)), (f"{found.metric.family}_created", str(selector.matchers))}
    comparing = [node for node in above if isinstance(node, p.BinaryExpr) and str(node.op) != "or"]
    for node in comparing:
        if not _only(node, own):
            return False
        if str(node.op) == "-":
            return True
    return False


def _only(expr: p.Expr, own: set[tuple[str, str]]) -> bool:
    return all((inner.name, str(inner.matchers)) in own for inner, _ in selectors(expr))


def _may_be_raw(selector: p.VectorSelector, above: tuple[p.Expr, ...], found: Sample) -> bool:
    """A counter's value says something beside its created timestamp; whether there is one, always does."""
    around = next((node for node in above if not isinstance(node, p.ParenExpr)), None)
    if isinstance(around, p.AggregateExpr):
        return str(around.op) in {"count", "group"}
    if isinstance(around, p.Call):
        return around.func.name == "absent"
    if not isinstance(around, p.BinaryExpr) or str(around.op) != "and" or found.metric is None:
        return False
    test = around.rhs.expr if isinstance(around.rhs, p.ParenExpr) else around.rhs
    if not isinstance(test, p.BinaryExpr) or str(test.op) not in COMPARISONS:
        return False
    created = test.lhs
    wanted = (f"{found.metric.family}_created", _of_family(selector))
    return isinstance(created, p.VectorSelector) and (created.name, _of_family(created)) == wanted


def _of_family(selector: p.VectorSelector) -> list[str]:
    """The matchers, but for the bound of a bucket: a created timestamp has none."""
    return [f"{each.name}{each.op}{each.value}" for each in selector.matchers.matchers if each.name != "le"]
