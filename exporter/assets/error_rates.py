"""Rules about error rates: of the LLM and the speech-to-text of an assistant, and of a provider."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from exporter.assets import levels
from exporter.assets.counting import grown
from exporter.assets.evidence import Firing, Judgement, Share, windows
from exporter.assets.model import Thresholds
from exporter.assets.promql import Level, lines, num, over, percent, record, unsubscribed
from exporter.assets.rule import WHO, Alert, Recording
from exporter.assets.windows import Counted
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

MEASURED: Final = '{component=~"llm|stt|tts"}'
"""Components whose operations are counted, so that there is something to compare errors with."""

_PROVIDER: Final = "VoiceProviderErrorRateHigh"
_SEVERITIES: Final = ("warning", "critical")


@dataclass(frozen=True, slots=True)
class _Service:
    component: str
    title: str
    alert: str

    def thresholds(self, t: Thresholds) -> tuple[float, float]:
        """Warning and critical."""
        rates = t.error_rate.llm if self.component == "llm" else t.error_rate.stt
        return rates.warning, rates.critical


_SERVICES: Final = (
    _Service("llm", "LLM", "VoiceLLMErrorRateHigh"),
    _Service("stt", "STT", "VoiceSTTErrorRateHigh"),
)


def served(t: Thresholds) -> Level:
    """A component of an assistant, as a provider serves it."""
    return levels.assistant(t).plus("component", "provider")


def finest(t: Thresholds) -> Share:
    """Failed requests of all requests, by assistant, component and provider."""

    def counted(metric: Metric) -> Counted:
        return Counted(
            level=served(t),
            metric=metric.family,
            operation="increase",
            expr=lambda window: grown(metric, served(t), window, MEASURED),
        )

    return Share(bad=counted(m.ERRORS), all=counted(m.SERVICE_REQUESTS), windows=_steps(t))


def _steps(t: Thresholds) -> tuple[float, ...]:
    return tuple(sorted({t.error_rate.window, t.slo.window}))


def _share(level: Level, t: Thresholds) -> Share:
    def summed(counted: Counted) -> Callable[[float], str]:
        return lambda window: f"sum by ({level.by}) ({counted.name(window)})"

    def coarser(counted: Counted) -> Counted:
        return Counted(
            level=level,
            metric=counted.metric,
            operation=counted.operation,
            expr=summed(counted),
            base=t.slo.window,
        )

    fine = finest(t)
    return Share(bad=coarser(fine.bad), all=coarser(fine.all), windows=windows(t.error_rate.window, t))


def _of_assistants(t: Thresholds) -> Share:
    return _share(levels.assistant(t).plus("component"), t)


def _of_providers(t: Thresholds) -> Share:
    return _share(levels.platform(t).plus("component", "provider"), t)


def _rest(t: Thresholds, severity: str) -> Share:
    names = [service.alert for service in _SERVICES]
    severities = tuple(dict.fromkeys((severity, "critical")))
    own, level = levels.assistant(t), levels.platform(t).plus("component")
    return _of_assistants(t).without(level, names, severities, (own, unsubscribed("error", own)))


def _unknown(t: Thresholds) -> tuple[str, str]:
    """Which share of a component's requests has no known provider: name and expression."""
    share, level = _of_providers(t), levels.platform(t).plus("component")
    window = share.windows[:2][-1]
    requests = share.all.name(window)
    return (
        record(level, "voice_service_requests", over("unknown_provider_ratio", window)),
        f'sum by ({level.by}) ({requests}{{provider="unknown"}})\n/\n(sum by ({level.by}) ({requests}) > 0)',
    )


def error_recordings(t: Thresholds) -> tuple[Recording, ...]:
    """Requests, errors and their ratio, by assistant and by provider."""
    own, provider, level = _of_assistants(t), _of_providers(t), levels.assistant(t)
    window = t.error_rate.window
    unknown, unknown_expr = _unknown(t)
    return (
        *finest(t).recordings(),
        *own.recordings(
            "By assistant and component, whatever the provider: a provider that is known for failures and unknown for"
            " successes would seem to fail always."
        ),
        Recording(
            record=record(own.bad.level, "voice_errors", over("ratio", window)),
            expr=lines(own.ratio(window), f"unless on ({level.by})", unsubscribed("error", level)),
            comment="Absent for assistants that do not send error events: their errors are unknown, not 0.",
        ),
        *provider.recordings("By provider, of all assistants."),
        Recording(
            record=record(provider.bad.level, "voice_errors", over("ratio", window)), expr=provider.ratio(window)
        ),
        Recording(record=unknown, expr=unknown_expr),
    )


def error_rates(t: Thresholds) -> tuple[Recording | Alert, ...]:
    """The alerts on error rates, and the recorded series of those of all assistants together."""
    rates = [
        (service, severity, threshold)
        for service in _SERVICES
        for severity, threshold in zip(_SEVERITIES, service.thresholds(t), strict=True)
    ]
    pools = (recording for severity in _SEVERITIES for recording in _rest(t, severity).recordings())
    own = (_judged(_of_assistants(t), threshold, t, service) for service, _, threshold in rates)
    rest = (_judged(_rest(t, severity), threshold, t, service) for service, severity, threshold in rates)
    return (
        *_judged_providers(t).recordings("By how many standard deviations the errors are above what is allowed."),
        *(recording for judged in own for recording in judged.recordings()),
        _provider(t),
        *(_page(service, t) for service in _SERVICES),
        *(_alert(*rate, t) for rate in rates),
        *pools,
        *(recording for judged in rest for recording in judged.recordings()),
        *(_page(service, t, "platform") for service in _SERVICES),
        *(_together(*rate, t) for rate in rates),
    )


def _judged(share: Share, threshold: float, t: Thresholds, service: _Service | None = None) -> Judgement:
    return Judgement(
        share=share,
        threshold=threshold,
        minimum=t.error_rate.min_requests,
        min_bad=t.error_rate.min_errors,
        component=service.component if service else "",
    )


def _judged_providers(t: Thresholds) -> Judgement:
    return _judged(_of_providers(t), t.error_rate.provider.warning, t)


def _page(service: _Service, t: Thresholds, scope: str = "") -> Recording:
    """The condition of the page."""
    share = _rest(t, "critical") if scope else _of_assistants(t)
    judged = _judged(share, service.thresholds(t)[1], t, service)
    return judged.recorded(_exceeded(judged, Firing(service.alert, "critical", scope), t))


def _exceeded(judged: Judgement, firing: Firing, t: Thresholds) -> str:
    above = judged.exceeded(t, firing)
    if firing.scope:
        return above
    level = levels.assistant(t)
    return lines("(", above, ")", f"unless on ({level.by})", unsubscribed("error", level))


def _condition(service: _Service, severity: str, threshold: float, t: Thresholds, scope: str = "") -> str:
    page = _page(service, t, scope).record
    if severity == "critical":
        return page
    share = _rest(t, severity) if scope else _of_assistants(t)
    return _exceeded(_judged(share, threshold, t, service), Firing(service.alert, severity, scope, page), t)


def _alert(service: _Service, severity: str, threshold: float, t: Thresholds) -> Alert:
    return Alert(
        name=service.alert,
        expr=_condition(service, severity, threshold, t),
        wait=t.error_rate.for_,
        keep=t.keep_rates_firing_for,
        severity=severity,
        summary=f"Too many {service.title} requests of a voice assistant fail.",
        description=f"{WHO}: {{{{ $value | humanizePercentage }}}} of its {_failed(service, threshold, t)}",
        dashboard="voice-hangs-errors",
        incidents="error",
    )


def _failed(service: _Service, threshold: float, t: Thresholds) -> str:
    window = format_duration(t.error_rate.window)
    return (
        f"{service.title} requests failed within {window}, or within a longer window if there are few requests; the"
        f" threshold is {percent(threshold)}."
    )


def _together(service: _Service, severity: str, threshold: float, t: Thresholds) -> Alert:
    return replace(
        _alert(service, severity, threshold, t),
        expr=_condition(service, severity, threshold, t, "platform"),
        description=(
            "All further assistants on {{ $labels.platform }} together: {{ $value | humanizePercentage }} of their"
            f" {_failed(service, threshold, t)}"
        ),
        wait=t.slo.window,
        labels={"scope": "platform"},
        comment="All assistants together that have too little traffic for an alert of their own.",
    )


def _provider(t: Thresholds) -> Alert:
    rule = t.error_rate
    return Alert(
        name=_PROVIDER,
        expr=lines(
            "(",
            _judged_providers(t).exceeded(t, Firing(_PROVIDER, "warning")),
            ")",
            f"unless on ({levels.platform(t).plus('component', 'provider').by})",
            f'  {_of_providers(t).all.name(_of_providers(t).windows[-1])}{{provider="unknown"}}',
            f"unless on ({levels.platform(t).plus('component').by})",
            f"{_unknown(t)[0]} > {num(rule.provider.max_unknown)}",
        ),
        wait=rule.for_,
        keep=t.keep_rates_firing_for,
        severity="warning",
        summary="Too many requests to a provider fail.",
        description=(
            "{{ $value | humanizePercentage }} of the {{ $labels.component }} requests to {{ $labels.provider }} on"
            f" {{{{ $labels.platform }}}} failed within {format_duration(rule.window)}, or within a longer window if"
            f" there are few requests; the threshold is {percent(rule.provider.warning)}."
        ),
        dashboard="voice-hangs-errors",
        incidents="error",
        comment="Silent while the provider is unknown for too many requests.",
    )
