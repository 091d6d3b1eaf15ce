"""Rules about error rates: of the LLM and the speech-to-text of an assistant, and of a provider."""

from typing import Final

from exporter.assets.model import Rates, Thresholds
from exporter.assets.promql import (
    ASSISTANT,
    PLATFORM,
    all_of,
    growth,
    lines,
    num,
    over,
    percent,
    ratio,
    record,
    sum_by,
    unsubscribed,
)
from exporter.assets.rule import WHO, Alert, Recording
from exporter.metrics import catalogue as m
from exporter.yamlfile.durations import format_duration

MEASURED: Final = '{component=~"llm|stt|tts"}'
"""Components whose operations are counted, so that there is something to compare errors with."""

_OF_ASSISTANT: Final = (*ASSISTANT, "component")
_OF_COMPONENT: Final = (*PLATFORM, "component")
_OF_PROVIDER: Final = (*_OF_COMPONENT, "provider")
_SERVICES: Final = {"llm": ("LLM", "VoiceLLMErrorRateHigh"), "stt": ("STT", "VoiceSTTErrorRateHigh")}


def _names(level: tuple[str, ...], t: Thresholds) -> tuple[str, str, str]:
    window = t.error_rate.window
    return (
        record(level, "voice_service_requests", over("increase", window)),
        record(level, "voice_errors", over("increase", window)),
        record(level, "voice_errors", over("ratio", window)),
    )


def _unknown(t: Thresholds) -> str:
    return record(_OF_COMPONENT, "voice_service_requests", over("unknown_provider_ratio", t.error_rate.window))


def error_recordings(t: Thresholds) -> tuple[Recording, ...]:
    """Requests, errors and their ratio, by assistant and by provider."""
    return (*_of_assistants(t), *_of_providers(t))


def _of_assistants(t: Thresholds) -> tuple[Recording, ...]:
    requests, failed, share = _names(_OF_ASSISTANT, t)
    window = t.error_rate.window
    return (
        Recording(
            record=requests,
            expr=sum_by(_OF_ASSISTANT, growth(m.SERVICE_REQUESTS, window, MEASURED)),
            comment=(
                "By assistant and component, whatever the provider: a provider that is known for failures and unknown"
                " for successes would seem to fail always."
            ),
        ),
        Recording(record=failed, expr=sum_by(_OF_ASSISTANT, growth(m.ERRORS, window, MEASURED))),
        Recording(
            record=share,
            expr=lines(ratio(failed, requests), f"unless on ({', '.join(ASSISTANT)})", unsubscribed("error")),
            comment="Absent where no error event would come: that is not the same as no error.",
        ),
    )


def _of_providers(t: Thresholds) -> tuple[Recording, ...]:
    requests, failed, share = _names(_OF_PROVIDER, t)
    window, by = t.error_rate.window, ", ".join(_OF_COMPONENT)
    return (
        Recording(
            record=requests,
            expr=sum_by(_OF_PROVIDER, growth(m.SERVICE_REQUESTS, window, MEASURED)),
            comment="By provider, of all assistants.",
        ),
        Recording(record=failed, expr=sum_by(_OF_PROVIDER, growth(m.ERRORS, window, MEASURED))),
        Recording(record=share, expr=ratio(failed, requests)),
        Recording(
            record=_unknown(t),
            expr=f'sum by ({by}) ({requests}{{provider="unknown"}})\n/\n(sum by ({by}) ({requests}) > 0)',
        ),
    )


def error_rates(t: Thresholds) -> tuple[Alert, ...]:
    """The alerts on error rates."""
    rates = {"llm": t.error_rate.llm, "stt": t.error_rate.stt}
    return (_provider(t), *(alert for component in _SERVICES for alert in _service(t, component, rates[component])))


def _service(t: Thresholds, component: str, rates: Rates) -> tuple[Alert, Alert]:
    requests, failed, share = _names(_OF_ASSISTANT, t)
    title, name = _SERVICES[component]
    rule, of = t.error_rate, f'{{component="{component}"}}'

    def alert(severity: str, threshold: float, keep: float) -> Alert:
        return Alert(
            name=name,
            expr=all_of(
                f"{share}{of} > {num(threshold)}",
                f"{requests} >= {rule.min_requests}",
                f"{failed} >= {rule.min_errors}",
            ),
            wait=rule.for_,
            keep=keep,
            severity=severity,
            summary=f"Too many {title} requests of a voice assistant fail.",
            description=(
                f"{WHO}: {{{{ $value | humanizePercentage }}}} of its {title} requests failed within"
                f" {format_duration(rule.window)}, the threshold is {percent(threshold)}."
            ),
            dashboard="voice-hangs-errors",
        )

    return alert("warning", rates.warning, 0.0), alert("critical", rates.critical, t.keep_firing_for)


def _provider(t: Thresholds) -> Alert:
    requests, failed, share = _names(_OF_PROVIDER, t)
    rule = t.error_rate
    return Alert(
        name="VoiceProviderErrorRateHigh",
        expr=lines(
            all_of(
                f'{share}{{provider!="unknown"}} > {num(rule.provider.warning)}',
                f"{requests} >= {rule.min_requests}",
                f"{failed} >= {rule.min_errors}",
            ),
            f"unless on ({', '.join(_OF_COMPONENT)})",
            f"{_unknown(t)} > {num(rule.provider.max_unknown)}",
        ),
        wait=rule.for_,
        severity="warning",
        summary="Too many requests to a provider fail.",
        description=(
            "{{ $value | humanizePercentage }} of the {{ $labels.component }} requests to {{ $labels.provider }} on"
            f" {{{{ $labels.platform }}}} failed within {format_duration(rule.window)}, the threshold is"
            f" {percent(rule.provider.warning)}."
        ),
        dashboard="voice-hangs-errors",
        comment="Silent while the provider of too many requests is unknown.",
    )
