"""What `thresholds.yml` holds, as values: one class a section, durations in seconds, rates and shares 0 to 1.

What a number means and where it comes from stands beside it in `thresholds.yml`. The type of a field says what its key
takes; a field ``for_`` is the key ``for``.
"""

from dataclasses import dataclass

from exporter.assets.objectives import Slo
from exporter.assets.threshold_kinds import (
    Amount,
    Count,
    LabelNames,
    OptionalUrl,
    Seconds,
    Share,
    Text,
    Url,
    Wait,
    Window,
    Windows,
)


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
    false_alarms: Amount
    false_alarms_longer: Amount
    false_alarms_together: Amount
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
class NegativeSentiment:
    """One message that sounds negative with more than a confidence is enough."""

    confidence: Share
    window: Window


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
    replica_down: Pending
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
    call_limit: AtOnce
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
class RelayThresholds:
    """The application behind the exporter."""

    failing: RelayFailing
    waiting: RelayWaiting
    slow: RelaySlow


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
    negative_sentiment: NegativeSentiment
    exporter: Exporter
    relay: RelayThresholds
    slo: Slo
    widened: tuple[str, ...] = ()
