"""The labels of metrics that have several besides platform and assistant: given by name, in the order of the series."""

from typing import NamedTuple

from exporter.events import Component, CostComponent, EndedBy, Fault, Outcome, Retryable, Severity


class CallEndLabels(NamedTuple):
    """How a call ended."""

    call_type: str
    direction: str
    outcome: Outcome
    ended_by: EndedBy
    reason: str
    fault: Fault


class CostLabels(NamedTuple):
    """What was paid for, and to whom."""

    component: CostComponent
    provider: str


class ModelLabels(NamedTuple):
    """The LLM that answered, or did not."""

    provider: str
    model: str


class SpeechLabels(NamedTuple):
    """Whose speech it is, and whether it was generated before."""

    provider: str
    cached: str


class HangOutcomeLabels(NamedTuple):
    """What came of a hang of a provider."""

    provider: str
    outcome: str


class ErrorLabels(NamedTuple):
    """What failed, and how badly."""

    component: Component
    error_type: str
    provider: str
    error_code: str
    retryable: Retryable
    severity: Severity


class EscalationLabels(NamedTuple):
    """What was escalated, and why."""

    component: Component
    provider: str
    cause: str


class RequestLabels(NamedTuple):
    """Which service was asked; the model is unknown of all but LLMs."""

    component: str
    provider: str
    model: str


class ComponentLabels(NamedTuple):
    """Which service it is of."""

    component: Component
    provider: str


class TokenLabels(NamedTuple):
    """Whose tokens, and of which kind."""

    provider: str
    model: str
    kind: str
