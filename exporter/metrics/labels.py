"""The labels of metrics that have several besides platform and assistant: given by name, in the order of the series.

They are functions because a tuple made by one costs a fifth of a named tuple.
"""

from collections.abc import Callable
from inspect import signature
from typing import TypeAlias

from exporter.events import AtFault, Component, CostComponent, EndedBy, Outcome, Retryable, Severity
from exporter.metrics.metric import Labels

LabelsByName: TypeAlias = Callable[..., Labels]
"""Takes the values of labels by name and gives them in order."""


def names(labels: LabelsByName) -> tuple[str, ...]:
    """Names of the labels that a function of this module gives values of."""
    return tuple(signature(labels).parameters)


def call_end_labels(  # noqa: PLR0913 - one for each label, by name only
    *, call_type: str, direction: str, outcome: Outcome, ended_by: EndedBy, reason: str, fault: AtFault
) -> Labels:
    """How a call ended."""
    return call_type, direction, outcome, ended_by, reason, fault


def cost_labels(*, component: CostComponent, provider: str) -> Labels:
    """What was paid for, and to whom."""
    return component, provider


def model_labels(*, provider: str, model: str) -> Labels:
    """The LLM that answered, or did not."""
    return provider, model


def speech_labels(*, provider: str, cached: str) -> Labels:
    """Whose speech it is, and whether it was generated before."""
    return provider, cached


def hang_outcome_labels(*, provider: str, outcome: str) -> Labels:
    """What came of a hang of a provider."""
    return provider, outcome


def error_labels(  # noqa: PLR0913 - one for each label, by name only
    *, component: Component, error_type: str, provider: str, error_code: str, retryable: Retryable, severity: Severity
) -> Labels:
    """What failed, and how badly."""
    return component, error_type, provider, error_code, retryable, severity


def escalation_labels(*, component: Component, provider: str, cause: str) -> Labels:
    """What was escalated, and why."""
    return component, provider, cause


def request_labels(*, component: str, provider: str, model: str) -> Labels:
    """Which service was asked; the model is unknown of all but LLMs."""
    return component, provider, model


def component_labels(*, component: Component, provider: str) -> Labels:
    """Which service it is of."""
    return component, provider


def token_labels(*, provider: str, model: str, kind: str) -> Labels:
    """Whose tokens, and of which kind."""
    return provider, model, kind
