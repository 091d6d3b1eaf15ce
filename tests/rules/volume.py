"""From which volume of calls on alerts fire, and how soon: ``python -m tests.rules.volume`` writes docs/volume.csv.

A day of invented traffic on promtool's virtual clock, each threshold exceeded by a little, and not exceeded.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import yaml

from tests.rules.promtool import promtool
from tests.rules.shipped import ROOT, RULES
from tests.rules.traffic import Pod, Rates, Traffic, promtool_series
from tests.support.programs import INSTALLED, SID, Programs

TABLE: Final = ROOT / "docs" / "volume.csv"
STEP: Final = 4
"""Minutes between two evaluations: what was recorded at the one before is still seen, as it is every 15 seconds."""

HOUR: Final = 60
DAY: Final = 24 * HOUR
_HISTORY: Final = 7 * HOUR
"""Enough for the baseline of error spikes."""
VOLUMES: Final = (3, 30, 3000)
NEVER: Final = "never"

HEALTHY: Final = Rates(hung=0.01, llm=0.004, stt=0.002, slow=0.01, cached=0.7, confidence=0.9, cost=0.2, dropped=1)
BELOW: Final = Rates(hung=0.03, llm=0.012, stt=0.006, slow=0.03, cached=0.6, confidence=0.7, cost=0.4, dropped=5)
ABOVE: Final = Rates(hung=0.07, llm=0.025, stt=0.015, slow=0.07, cached=0.45, confidence=0.55, cost=0.55, dropped=11)
FAR_ABOVE: Final = replace(ABOVE, llm=0.06, stt=0.04, slow=0.0, very_slow=0.07)

_SOURCES: Final = ("hangs", "errors", "latency", "quality")


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
    def scenario(self) -> str:
        """The jobs in which it is exceeded."""
        return "far-above" if self.severity == "critical" and self.alert != "VoiceHangRateHigh" else "above"


SIGNALS: Final = (
    Signal(alert="VoiceHangRateHigh", severity="critical", exceeded="7% of the calls hang, of 5%"),
    Signal(alert="VoiceLLMErrorRateHigh", severity="warning", exceeded="2.5% of the requests fail, of 2%"),
    Signal(alert="VoiceLLMErrorRateHigh", severity="critical", exceeded="6%, of 5%"),
    Signal(alert="VoiceSTTErrorRateHigh", severity="warning", exceeded="1.5% of the transcriptions fail, of 1%"),
    Signal(alert="VoiceSTTErrorRateHigh", severity="critical", exceeded="4%, of 3%"),
    Signal(alert="VoiceProviderErrorRateHigh", severity="warning", exceeded="2.5% of the requests fail, of 2%"),
    Signal(alert="VoiceErrorSpike", severity="warning", exceeded="six times the errors of the hours before"),
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

_NEW: Final = (
    'count by (job, alertname, severity) (ALERTS{alertstate="firing", job!=""}'
    f' unless ALERTS{{alertstate="firing"}} offset {STEP}m)'
)
_RECORDED: Final = {
    "trial:first": 'trial:first or group by (job, alertname, severity) (ALERTS{alertstate="firing", job!=""}) * time()',
    "trial:times": f"trial:times + ({_NEW} or 0 * trial:times) or {_NEW}",
}


def job(scenario: str, volume: float) -> str:
    """The job of a scenario."""
    return f"{scenario} {volume:g}"


class Trial(NamedTuple):
    """What a trial found.

    Attributes:
        minutes: to the first alert by signal and volume.
        times: how often it began to fire; of three assistants each may.
        below: what fired although nothing was exceeded.
    """

    minutes: Mapping[tuple[Signal, int], float | None]
    times: Mapping[tuple[Signal, int], float]
    below: Firings


def trial(seed: int = 1) -> Trial:
    """Let the traffic come."""
    few, many = VOLUMES[:2], VOLUMES[2:]
    slow = firings(_jobs(few, seed, lead=HOUR, length=DAY), HOUR + DAY, SID)
    fast = firings(_jobs(many, seed, lead=_HISTORY, length=4 * HOUR), _HISTORY + 4 * HOUR, INSTALLED)
    found = {**slow, **fast}
    minutes: dict[tuple[Signal, int], float | None] = {}
    times = {}
    for signal in SIGNALS:
        for volume in VOLUMES:
            fired = found.get((job(signal.scenario, volume), signal.alert, signal.severity))
            minutes[signal, volume] = fired.first - (HOUR if volume in few else _HISTORY) if fired else None
            times[signal, volume] = fired.times if fired else 0
    return Trial(minutes, times, {of: fired for of, fired in found.items() if of[0].startswith("below")})


def _jobs(volumes: Iterable[int], seed: int, *, lead: int, length: int) -> Iterator[Traffic]:
    for volume in volumes:
        for scenario, rates in (("below", BELOW), ("above", ABOVE), ("far-above", FAR_ABOVE)):
            traffic = Traffic(job(scenario, volume), volume, seed)
            traffic.run(lead, BELOW if scenario == "below" else HEALTHY)
            traffic.run(length, rates)
            yield traffic


def firings(jobs: Iterable[Traffic], minutes: int, programs: Programs) -> Firings:
    """What fired for the jobs, each of one exporter that is always there."""
    pod = Pod(instance="a", begins=0, ends=minutes + 1)
    series = [one for traffic in jobs for one in promtool_series(traffic, [pod])]
    return evaluate(series, minutes, programs, _SOURCES)


def evaluate(series: Sequence[Mapping[str, str]], minutes: int, programs: Programs, sources: Sequence[str]) -> Firings:
    """What the rules of those files fire for the series, until so many minutes are over."""
    with TemporaryDirectory() as folder:
        recorded, path = Path(folder) / "trial.rules.yml", Path(folder) / "volume.test.yml"
        rules = [{"record": name, "expr": expr} for name, expr in _RECORDED.items()]
        recorded.write_text(yaml.dump({"groups": [{"name": "trial", "rules": rules}]}))
        suite = {
            "rule_files": [*(str(RULES / f"{source}.rules.yml") for source in sources), str(recorded)],
            "evaluation_interval": f"{STEP}m",
            "group_eval_order": [*(f"voice-{source}" for source in sources), "trial"],
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


def _asked(minutes: int) -> list[dict[str, object]]:
    """Promtool prints what it finds where it should find nothing."""
    return [{"expr": name, "eval_time": f"{minutes}m", "exp_samples": []} for name in _RECORDED]


def _samples(told: str) -> dict[tuple[str, str, str], float]:
    samples = re.findall(r"\{([^{}]*)\} ([-+.\dE]+)", told.partition("got:")[2])
    known = ((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in samples)
    return {(labels["job"], labels["alertname"], labels["severity"]): value for labels, value in known}


def rows(minutes: Mapping[tuple[Signal, int], float | None]) -> Iterator[Sequence[str]]:
    """The table, its head first."""
    yield ("alert", "severity", "exceeded", *map(str, VOLUMES))
    for signal in SIGNALS:
        cells = (minutes[signal, volume] for volume in VOLUMES)
        shown = (NEVER if cell is None else f"{cell:g}" for cell in cells)
        yield (signal.alert, signal.severity, signal.exceeded, *shown)


def main() -> None:
    """Write the table anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another one is printed and not written")
    seed = parser.parse_args().seed
    minutes, times, below = trial(seed)
    if seed == 1:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows(minutes))
    csv.writer(sys.stdout, "excel-tab", lineterminator="\n").writerows(rows(minutes))
    often = {(signal.alert, signal.severity, volume): count for (signal, volume), count in times.items() if count > 1}
    sys.stdout.write(f"fired more than once: {often}\n")
    sys.stdout.write(f"fired below every threshold: {dict(below) or 'nothing'}\n")


if __name__ == "__main__":
    main()
