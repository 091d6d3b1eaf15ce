"""A day of invented traffic on promtool's virtual clock, each threshold exceeded by a little, and not exceeded."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import yaml

from tests.rules.needed import needed
from tests.rules.promtool import promtool
from tests.rules.shipped import RULES
from tests.rules.traffic import Pod, Rates, Traffic, promtool_series
from tests.support.programs import SID, Programs

STEP: Final = 4
"""Minutes between two evaluations: what was recorded at the one before is still seen, as it is every 15 seconds.

Windows of five minutes do not end where evaluations are, so an event may count twice in their sums, or not at all: the
trial has more chance in it than evaluations every 15 seconds have, which err by a twentieth of that.
"""

HOUR: Final = 60
DAY: Final = 24 * HOUR
_HISTORY: Final = 7 * HOUR
"""Enough for the baseline of error spikes."""
VOLUMES: Final = (3, 30, 3000)
"""Calls an hour, of all assistants together."""

HEALTHY: Final = Rates(hung=0.01, llm=0.004, stt=0.002, slow=0.01, cached=0.7, confidence=0.9, cost=0.2, dropped=1)
BELOW: Final = Rates(hung=0.03, llm=0.012, stt=0.006, slow=0.03, cached=0.6, confidence=0.7, cost=0.4, dropped=5)
ABOVE: Final = Rates(hung=0.07, llm=0.025, stt=0.015, slow=0.07, cached=0.45, confidence=0.55, cost=0.55, dropped=11)
FAR_ABOVE: Final = replace(ABOVE, llm=0.06, stt=0.04, slow=0.0, very_slow=0.07)


SPIKE: Final = "VoiceErrorSpike"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How traffic goes.

    Attributes:
        name: in the names of its jobs.
        before: what goes wrong for a while before it.
        rates: what goes wrong for a day.
        lead: minutes before it.
        families: metrics that its alerts rest on; all of them where it is empty.
    """

    name: str
    before: Rates
    rates: Rates
    lead: int = HOUR
    families: tuple[str, ...] = ()

    def job(self, volume: float) -> str:
        """The job that has so many calls an hour."""
        return f"{self.name} {volume:g}"

    def traffic(self, volume: float, seed: int, minutes: int) -> Traffic:
        """So many minutes of it, and what was before."""
        traffic = Traffic(self.job(volume), volume, seed, families=self.families)
        traffic.run(self.lead, self.before)
        traffic.run(minutes, self.rates)
        return traffic


_FAILURES: Final = ("voice_service_requests", "voice_errors", "voice_llm_response_seconds")
NOT_EXCEEDED: Final = Scenario(name="below", before=BELOW, rates=BELOW)
EXCEEDED: Final = Scenario(name="above", before=HEALTHY, rates=ABOVE)
FURTHER: Final = Scenario(name="far-above", before=HEALTHY, rates=FAR_ABOVE, families=_FAILURES)
BURST: Final = Scenario(
    name="burst", before=HEALTHY, rates=ABOVE, lead=_HISTORY, families=("voice_calls_started", "voice_errors")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What is exceeded, and the alert that says so.

    Attributes:
        alert: its name.
        severity: of the alert.
        exceeded: by how much, for who reads the table.
    """

    alert: str
    severity: str
    exceeded: str

    @property
    def scenario(self) -> "Scenario":
        """In which it is exceeded."""
        if self.alert == SPIKE:
            return BURST
        return FURTHER if self.severity == "critical" and self.alert != "VoiceHangRateHigh" else EXCEEDED


SIGNALS: Final = (
    Signal(alert="VoiceHangRateHigh", severity="critical", exceeded="7% of the calls hang, of 5%"),
    Signal(alert="VoiceLLMErrorRateHigh", severity="warning", exceeded="2.5% of the requests fail, of 2%"),
    Signal(alert="VoiceLLMErrorRateHigh", severity="critical", exceeded="6%, of 5%"),
    Signal(alert="VoiceSTTErrorRateHigh", severity="warning", exceeded="1.5% of the transcriptions fail, of 1%"),
    Signal(alert="VoiceSTTErrorRateHigh", severity="critical", exceeded="4%, of 3%"),
    Signal(alert="VoiceProviderErrorRateHigh", severity="warning", exceeded="2.5% of the requests fail, of 2%"),
    Signal(alert=SPIKE, severity="warning", exceeded="six times the errors of the hours before"),
    Signal(alert="VoiceResponseTimeHigh", severity="warning", exceeded="7% of the replies take over 3s, of 5%"),
    Signal(alert="VoiceProviderResponseTimeHigh", severity="warning", exceeded="7% take over 3s, of 5%"),
    Signal(alert="VoiceProviderResponseTimeHigh", severity="critical", exceeded="7% take over 5s, of 5%"),
    Signal(alert="VoiceTTSCacheHitRateLow", severity="warning", exceeded="45% from the cache, of 50%"),
    Signal(alert="VoiceSTTConfidenceLow", severity="warning", exceeded="a mean of 55%, of 60%"),
    Signal(alert="VoiceCallCostHigh", severity="warning", exceeded="$0.55 a call, of $0.50"),
    Signal(alert="VoiceAudioQualityLow", severity="warning", exceeded="11 chunks dropped a minute, of 10"),
)


class Fired(NamedTuple):
    """What an alert of a severity did in a job.

    Attributes:
        first: minutes from the beginning until it fired.
        times: how often it began to fire.
    """

    first: float
    times: float


Firings = Mapping[tuple[str, str, str], Fired]
"""By job, alert and severity."""


class Trial(NamedTuple):
    """What a trial found.

    Attributes:
        minutes: to the first alert by signal and volume.
        times: how often it began to fire; of three assistants each may.
        below: what fired although nothing was exceeded.
    """

    minutes: Mapping[tuple[Signal, float], float | None]
    times: Mapping[tuple[Signal, float], float]
    below: Firings


def trial(volumes: Collection[float] = VOLUMES, seed: int = 1, minutes: int = DAY, programs: Programs = SID) -> Trial:
    """Let the traffic come."""
    rates = {signal.alert for signal in SIGNALS} - {SPIKE}

    def firings(scenarios: Sequence[Scenario], alerts: Collection[str]) -> Firings:
        """What fired, each job of one exporter that is always there."""
        whole = minutes + max(scenario.lead for scenario in scenarios)
        pod = Pod(instance="a", begins=0, ends=whole + 1)
        traffics = (scenario.traffic(volume, seed, minutes) for volume in volumes for scenario in scenarios)
        series = [one for traffic in traffics for one in promtool_series(traffic, [pod])]
        return evaluate(series, whole, programs, alerts)

    found = {**firings((NOT_EXCEEDED, EXCEEDED, FURTHER), rates), **firings((BURST,), {SPIKE})}
    first: dict[tuple[Signal, float], float | None] = {}
    times = {}
    for signal in SIGNALS:
        for volume in volumes:
            fired = found.get((signal.scenario.job(volume), signal.alert, signal.severity))
            first[signal, volume] = fired.first - signal.scenario.lead if fired else None
            times[signal, volume] = fired.times if fired else 0
    return Trial(first, times, {of: fired for of, fired in found.items() if of[0].startswith(NOT_EXCEEDED.name)})


def evaluate(
    series: Sequence[Mapping[str, str]], minutes: int, programs: Programs, alerts: Collection[str], step: int = STEP
) -> Firings:
    """What of the alerts fires for the series, until so many minutes are over, with so many between evaluations."""
    with TemporaryDirectory() as folder:
        rules, path = Path(folder) / "trial.rules.yml", Path(folder) / "volume.test.yml"
        groups = [*_without_texts(alerts), {"name": "trial", "rules": _recordings(step)}]
        rules.write_text(yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper, sort_keys=False))
        suite = {
            "rule_files": [str(rules)],
            "evaluation_interval": f"{step}m",
            "group_eval_order": [group["name"] for group in groups],
            "tests": [{"interval": "1m", "input_series": list(series), "promql_expr_test": _asked(minutes)}],
        }
        path.write_text(yaml.dump(suite, Dumper=yaml.CSafeDumper, width=1_000_000))
        tested = promtool("test", "rules", path, programs=programs)
    told = tested.stdout + tested.stderr
    if "err:" in told or (tested.returncode and "got:" not in told):
        raise RuntimeError(told)
    _, first, times = told.split("expr:") if tested.returncode else ("", "", "")
    begun = _samples(times)
    return {key: Fired(at / HOUR, begun[key]) for key, at in _samples(first).items()}


def _without_texts(alerts: Collection[str]) -> Iterator[dict[str, Any]]:
    """The groups of what those alerts rest on; their texts are written in tests of their own."""
    for group in needed(sorted(RULES.glob("*.rules.yml")), alerts)["groups"]:
        rules = [{key: value for key, value in rule.items() if key != "annotations"} for rule in group["rules"]]
        yield {"name": group["name"], "rules": rules}


def _recordings(step: int) -> list[dict[str, str]]:
    """When each alert fired first, and how often it began to."""
    firing = 'ALERTS{alertstate="firing", job!=""}'
    begun = f"count by (job, alertname, severity) ({firing} unless {firing} offset {step}m)"
    return [
        {"record": "trial:first", "expr": f"trial:first or group by (job, alertname, severity) ({firing}) * time()"},
        {"record": "trial:times", "expr": f"trial:times + ({begun} or 0 * trial:times) or {begun}"},
    ]


def _asked(minutes: int) -> list[dict[str, object]]:
    """Promtool prints what it finds where it should find nothing."""
    return [{"expr": name, "eval_time": f"{minutes}m", "exp_samples": []} for name in ("trial:first", "trial:times")]


def _samples(told: str) -> dict[tuple[str, str, str], float]:
    samples = re.findall(r"\{([^{}]*)\} ([-+.\dE]+)", told.partition("got:")[2])
    known = ((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in samples)
    return {(labels["job"], labels["alertname"], labels["severity"]): value for labels, value in known}
