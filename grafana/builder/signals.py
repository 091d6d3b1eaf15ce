"""What the alerts watch, over the same windows and with the same minimum of traffic: panels and alerts agree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exporter.assets.promql import Labels, indent, ratio, sum_by
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from grafana.builder.colours import Steps, above
from grafana.builder.places import Number, Window, text, window
from grafana.builder.query import ASSISTANT, growth, increase, plateau, quantile, select, total

PROVIDER: Final[Labels] = ("component", "provider")
QUANTILE: Final = text("response_time.quantile", "quantile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A number that an alert compares with a threshold.

    Attributes:
        title: its name.
        meaning: a sentence.
        window: what it looks back on, as the alert does.
        unit: Grafana's name of its unit.
        steps: the thresholds of the alerts.
        empty: what it means when there is none.
        value: the number, by labels.
        traffic: what it rests on, by labels.
        minimum: the threshold that says how much of that an alert asks for.
        limit: the threshold of the first alert.
    """

    title: str
    meaning: str
    window: Window
    unit: str
    steps: Steps
    empty: str
    value: Callable[[Labels], str]
    traffic: Callable[[Labels], str]
    minimum: str
    limit: str

    @property
    def name(self) -> str:
        """Its title with the window."""
        return f"{self.title}, {self.window.range}"

    @property
    def looked_back(self) -> str:
        """Its meaning with the window."""
        return f"{self.meaning} Within {self.window.range}."

    def judged(self, by: Labels) -> str:
        """The number where there is enough traffic to judge it."""
        traffic, minimum = self.traffic(by), text(self.minimum, "number")
        return f"(\n{indent(self.value(by))}\n)\nand\n{traffic} >= {minimum}"

    @property
    def relative(self) -> str:
        """The number of each assistant in its first threshold."""
        value = f"(\n{indent(self.judged(ASSISTANT))}\n)\n/ {text(self.limit, 'number')}"
        return f'label_replace(\n{indent(value)},\n  "signal", "{self.title}", "", ""\n)'


def pressure() -> str:
    """The worst signal of each assistant: 1 is the threshold of its first alert."""
    parts = "\nor\n".join(signal.relative for signal in SIGNALS)
    return f"max by ({', '.join(ASSISTANT)}) (\n{indent(parts)}\n)"


def _told(metric: Metric, span: Window, event: str, **labels: str) -> str:
    """Growth, without assistants whose own configuration does not send the event: silence is not health."""
    keys = ", ".join(("job", "instance", *ASSISTANT))
    unsubscribed = f"{select(m.EVENT_SUBSCRIBED, event=event)} == 0"
    return f"(\n{indent(growth(metric, span, **labels))}\n)\nunless on ({keys}) ({unsubscribed})"


def _hang_rate() -> Signal:
    span = window("hang_rate.window")

    def calls(by: Labels) -> str:
        return sum_by(by, _told(m.CALLS_STARTED, span, "hang"))

    return Signal(
        title="Hang rate",
        meaning="Calls in which the assistant gave no reply for 5 seconds or more, of all calls.",
        window=span,
        unit="percentunit",
        steps=above(critical=Number("hang_rate.critical")),
        empty="no hang events",
        value=lambda by: ratio(total(m.HUNG_CALLS, by, span), calls(by)),
        traffic=calls,
        minimum="hang_rate.min_calls",
        limit="hang_rate.critical",
    )


def _response_time() -> Signal:
    span = window("response_time.window")
    return Signal(
        title=f"Response {QUANTILE}",
        meaning=(
            f"What callers wait: from the end of their speech to the first part of the reply. {plateau(m.RESPONSE)}"
        ),
        window=span,
        unit="s",
        steps=above(Number("response_time.warning")),
        empty="no replies",
        value=lambda by: quantile(text("response_time.quantile", "number"), m.RESPONSE, by, span),
        traffic=lambda by: increase(m.RESPONSE, by, span, "_count"),
        minimum="response_time.min_turns",
        limit="response_time.warning",
    )


def _error_rate(title: str, component: str, steps: Steps, limit: str) -> Signal:
    span = window("error_rate.window")

    def requests(by: Labels) -> str:
        return sum_by(by, _told(m.SERVICE_REQUESTS, span, "error", component=component))

    return Signal(
        title=title,
        meaning="Error rate: failed requests, of all requests to the service.",
        window=span,
        unit="percentunit",
        steps=steps,
        empty="no requests",
        value=lambda by: ratio(total(m.ERRORS, by, span, component=component), requests(by)),
        traffic=requests,
        minimum="error_rate.min_requests",
        limit=limit,
    )


def _service(component: str) -> Signal:
    key = f"error_rate.{component}"
    steps = above(Number(f"{key}.warning"), Number(f"{key}.critical"))
    return _error_rate(f"{component.upper()} errors", component, steps, f"{key}.warning")


HANG_RATE: Final = _hang_rate()
RESPONSE_TIME: Final = _response_time()
LLM_ERRORS: Final = _service("llm")
STT_ERRORS: Final = _service("stt")
SIGNALS: Final = (HANG_RATE, RESPONSE_TIME, LLM_ERRORS, STT_ERRORS)
"""What is watched of each assistant."""

_PROVIDER_LIMIT: Final = "error_rate.provider.warning"
PROVIDER_ERRORS: Final = _error_rate("Provider errors", "llm|stt|tts", above(Number(_PROVIDER_LIMIT)), _PROVIDER_LIMIT)
"""What is watched of each provider."""
