"""What `thresholds.yml` holds, as values: one class a section, durations in seconds, rates and shares 0 to 1.

What a number means and where it comes from stands beside it in `thresholds.yml`. The type of a field says what its key
takes; a field ``for_`` is the key ``for``.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from exporter.assets.promql import num, percent
from exporter.config.kinds import URL
from exporter.errors import Invalid
from exporter.yamlfile.fields import build, keys
from exporter.yamlfile.kinds import BOOLEAN, TEXT, choice, duration, integer, kind, listed, number, text
from exporter.yamlfile.schema import Kind, check
from exporter.yamlfile.tree import Node

SEVERITIES: Final = ("critical", "high", "warning", "info")
"""critical pages, high tells the operators now, warning is a ticket, info can wait."""


def _share(value: object) -> float:
    share = number(value)
    if not 0 < share < 1:
        raise ValueError
    return share


def _amount(value: object) -> float:
    amount = number(value)
    if amount <= 0:
        raise ValueError
    return amount


def _label(value: object) -> str:
    name = text(value)
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or name in _OURS:
        raise ValueError
    return name


_OURS: Final = ("job", "instance", "platform", "assistant_id", "le", "alertname", "severity")
WINDOW: Final = duration()
SHARE: Final = kind("a number between 0 and 1, such as 0.05 for 5 %", _share, percent)
AMOUNT: Final = kind("a number above 0", _amount, num)
SECONDS: Final = duration()
WAIT: Final = duration(zero=True)
COUNT: Final = integer()
SEVERITY: Final = choice(*SEVERITIES)
OPTIONAL_URL: Final = Kind(f"{URL.expects}, or an empty text", lambda node: "" if node.value == "" else URL.read(node))
LABELS: Final = listed(kind("the name of a label that the scrape adds, such as cluster", _label), "label names")
WINDOWS: Final = listed(SECONDS, "durations")

Window = Annotated[float, WINDOW]
"""Range of a query; never shorter than four scrapes once loaded."""
Seconds = Annotated[float, SECONDS]
Wait = Annotated[float, WAIT]
Share = Annotated[float, SHARE]
Amount = Annotated[float, AMOUNT]
Count = Annotated[int, COUNT]
Url = Annotated[str, URL]
OptionalUrl = Annotated[str, OPTIONAL_URL]
Flag = Annotated[bool, BOOLEAN]
Severity = Annotated[str, SEVERITY]
LabelNames = Annotated[tuple[str, ...], LABELS]
Windows = Annotated[tuple[float, ...], WINDOWS]
Text = Annotated[str, TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where alerts lead."""

    runbook_base_url: OptionalUrl
    grafana_url: Url

    @property
    def runbooks(self) -> str:
        """Where runbooks are, for what can't ask the exporter where it is."""
        return self.runbook_base_url or "http://localhost:10060/runbooks/"

    def dashboard(self, uid: str) -> str:
        """Where a dashboard is."""
        return f"{self.grafana_url.rstrip('/')}/d/{uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Labels of the scrape that every rule keeps."""

    keep: LabelNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """When a share is above its threshold rather than carried there by chance."""

    windows: Windows
    deviations: Amount
    min_events: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """One is enough, and it lasts until something succeeded."""

    window: Window
    forget_after: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """One is enough."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """So many in the window."""

    count: Count
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class HangRate:
    """Calls with a hang, of all calls of an assistant."""

    critical: Share
    window: Window
    min_calls: Count
    min_hung_calls: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTime:
    """What callers of an assistant wait."""

    warning: Seconds
    quantile: Share
    window: Window
    min_turns: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponseTime:
    """Latency of an LLM provider."""

    warning: Seconds
    critical: Seconds
    window: Window
    quantile: Share
    min_replies: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of failure that make a ticket and a page."""

    warning: Share
    critical: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRate:
    """Rate of failure of a provider, as long as providers are known."""

    warning: Share
    max_unknown: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """Failed operations, of all operations."""

    window: Window
    min_requests: Count
    min_errors: Count
    for_: Wait
    llm: Rates
    stt: Rates
    provider: ProviderRate


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSpike:
    """Errors of a window against those of the windows before it."""

    window: Window
    lookback: Window
    deviations: Amount
    deviations_at_once: Amount
    min_errors: Count
    min_history: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMean:
    """A mean over messages; below the warning is bad."""

    warning: Share
    window: Window
    min_messages: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """Mean cost of a call in US dollars."""

    warning: Amount
    window: Window
    min_calls: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Chunks dropped per minute of audio."""

    warning: Amount
    window: Window
    min_minutes: Amount
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """The exporter does not answer."""

    for_: Wait
    lookback: Window
    availability: Share
    availability_window: Window
    jobs: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEvents:
    """Silence while calls are active."""

    after: Seconds
    for_: Wait
    min_calls: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMissing:
    """Silence where the same hour of another day had calls."""

    windows: Windows
    min_calls: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOf:
    """A share that is too large, within a window."""

    warning: Share
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedValues:
    """Values of a field that were left out: so many, and that many of all events."""

    count: Count
    warning: Share
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEvents:
    """Events that arrive long after what they tell."""

    after: Seconds
    warning: Share
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A state that lasts."""

    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """The exporter itself."""

    down: Down
    scrape_interval: Pending
    no_events: NoEvents
    traffic_missing: TrafficMissing
    rejecting: Several
    unauthorized: Several
    unanswerable: AtOnce
    missed: Several
    rejected_values: RejectedValues
    expired: PartOf
    late: LateEvents
    label_limit: AtOnce
    storage: AtOnce
    pushes: AtOnce
    reload: Pending
    not_subscribed: Pending


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFailing:
    """Requests that the application did not answer, of all requests to it."""

    critical: Share
    window: Window
    min_failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayWaiting:
    """Acknowledged events that the application has not got yet."""

    count: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySlow:
    """How long the application takes."""

    warning: Seconds
    quantile: Share
    window: Window
    min_requests: Count
    for_: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The application behind the exporter."""

    failing: RelayFailing
    waiting: RelayWaiting
    slow: RelaySlow


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsWithoutHang:
    """Objective: the share of calls without a hang."""

    objective: Share
    min_calls: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FastResponses:
    """Objective: the share of replies that come in time."""

    objective: Share
    within: Seconds
    min_turns: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """The error budget burns ``factor`` times too fast in both windows."""

    factor: Amount
    short: Seconds
    long: Seconds
    severity: Severity


def _burn_rate(node: Node) -> BurnRate:
    found = check(node, _BURN_RATE)
    if not found.faults and len(found.values) < len(_BURN_RATE):
        found.faults.append(node.fault("is incomplete: a burn rate has factor, short, long and severity"))
    elif not found.faults and found.values["short"] >= found.values["long"]:
        found.faults.append(node.fault("has a short window that is not shorter than the long one: swap them"))
    if found.faults:
        raise Invalid(*found.faults)
    return build(BurnRate, found.values)


_BURN_RATE: Final = tuple(keys(BurnRate))
BURN_RATES: Final = listed(Kind("factor, short, long and severity", _burn_rate), "burn rates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Service level objectives."""

    enabled: Flag
    window: Window
    period: Seconds
    coverage: Share
    min_bad: Count
    keep_firing_for: Wait
    calls_without_hang: CallsWithoutHang
    fast_responses: FastResponses
    burn_rates: Annotated[tuple[BurnRate, ...], BURN_RATES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Everything in `thresholds.yml`.

    Attributes:
        widened: a line for each window that was shorter than four scrapes, and what the rules use instead.
    """

    scrape_interval: Seconds
    evaluation_interval: Seconds
    keep_firing_for: Wait
    keep_rates_firing_for: Wait
    links: Links
    labels: Kept
    evidence: Evidence
    hang: AtOnce
    hangs_repeated: Several
    hang_rate: HangRate
    response_time: ResponseTime
    provider_response_time: ProviderResponseTime
    error_rate: ErrorRate
    critical_error: Unresolved
    escalation: Unresolved
    error_spike: ErrorSpike
    tts_cache: MessageMean
    stt_confidence: MessageMean
    call_cost: CallCost
    audio: Audio
    exporter: Exporter
    relay: Relay
    slo: Slo
    widened: tuple[str, ...] = ()
