"""Label values of metrics with several labels besides platform and assistant: passed by name, returned in order.

These are functions because a plain tuple costs a fifth of a named tuple.
"""

from collections.abc import Callable
from inspect import signature
from typing import TypeAlias

from exporter.events import AtFault, Component, CostComponent, EndedBy, Outcome, Retryable, Severity
from exporter.metrics.metric import Labels

LabelsByName: TypeAlias = Callable[..., Labels]
"""Takes label values by name and returns them in the order of the metric's label names."""


def names(labels: LabelsByName) -> tuple[str, ...]:
    """Names of the labels that a function of this module returns."""
    return tuple(signature(labels).parameters)


def call_end_labels(  # noqa: PLR0913 - one for each label, by name only
    *, call_type: str, direction: str, outcome: Outcome, ended_by: EndedBy, reason: str, fault: AtFault
) -> Labels:
    """How a call ended."""
    return call_type, direction, outcome, ended_by, reason, fault


def cost_labels(*, component: CostComponent, provider: str) -> Labels:
    """The component that costs, and its provider."""
    return component, provider


def model_labels(*, provider: str, model: str) -> Labels:
    """The LLM."""
    return provider, model


def speech_labels(*, provider: str, cached: str) -> Labels:
    """The text-to-speech provider, and whether the audio came from its cache."""
    return provider, cached


def hang_outcome_labels(*, provider: str, outcome: str) -> Labels:
    """The LLM provider, and the hang's outcome."""
    return provider, outcome


def error_labels(  # noqa: PLR0913 - one for each label, by name only
    *, component: Component, error_type: str, provider: str, error_code: str, retryable: Retryable, severity: Severity
) -> Labels:
    """An error."""
    return component, error_type, provider, error_code, retryable, severity


def escalation_labels(*, component: Component, provider: str, cause: str) -> Labels:
    """An escalation and its cause."""
    return component, provider, cause


def request_labels(*, component: str, provider: str, model: str) -> Labels:
    """The service that got the request; ``model`` is ``unknown`` except for LLMs."""
    return component, provider, model


def component_labels(*, component: Component, provider: str) -> Labels:
    """A component and its provider."""
    return component, provider


def token_labels(*, provider: str, model: str, kind: str) -> Labels:
    """The LLM, and the kind of token."""
    return provider, model, kind
