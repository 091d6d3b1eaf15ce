"""Rules about whether exporters are there, and scraped often enough."""

from typing import Final

from exporter.assets import levels
from exporter.assets.model import Thresholds
from exporter.assets.promql import lines, num
from exporter.assets.rule import Alert
from exporter.metrics import catalogue as m
from exporter.metrics.metric import Metric
from exporter.yamlfile.durations import format_duration

_DOWN: Final = "VoiceExporterDown"
_SELDOM: Final = "VoiceExporterScrapedTooSeldom"
_LOST: Final = " Interactly sends each event once, so what happens now is never counted."
_FIRST: Final = (
    " Does it run (systemctl status voice-exporter, kubectl get pods, docker compose ps)? If not, its log says why. If"
    " so, run voice-exporter check-health beside it."
)
"""What to do first: the runbook is served by an exporter."""

WATCHDOG: Final = "VoiceWatchdog"

PORT: Final = 10060
"""The exporter's default port."""

SCRAPES: Final = 4
"""No window of a rule is shorter than so many scrapes: a rise needs two, and one or two may fail."""


def presence(t: Thresholds) -> tuple[Alert, ...]:
    """The alerts on exporters that are away, scraped twice, and on scrapes and evaluations too far apart."""
    down = (_job_down(t), _instance_down(t), _none(t), _replica_down(t))
    return (*down, _scraped_twice(t), _scrape_interval(t), _evaluation_interval(t))


def _known(t: Thresholds, metric: Metric = m.BUILD_INFO) -> str:
    return f"last_over_time({metric.name}[{format_duration(t.exporter.down.lookback)}])"


def _replicas(t: Thresholds) -> str:
    """What was scraped as one replica of several, at its own address."""
    return _known(t, m.REPLICA_LAG)


def _job_down(t: Thresholds) -> Alert:
    job, instance = levels.job(t).by, levels.instance(t).by
    return _down(
        t,
        "job",
        lines(
            f"group by ({job}) ({_known(t)} unless on ({instance}) {_replicas(t)})",
            f"unless on ({job})",
            f"group by ({job}) ({m.BUILD_INFO.name} unless on ({instance}) {_replicas(t)})",
        ),
        "No voice exporter of job {{ $labels.job }} answers Prometheus, or service discovery has lost it.",
        comment=(
            "Recognised by its metrics, not by the name of its job. It covers all exporters of a job; while it fires,"
            " they have no alerts of their own. Of replicas it is the one address at which all of them answer."
        ),
    )


def _instance_down(t: Thresholds) -> Alert:
    rule, job, instance = t.exporter.down, levels.job(t).by, levels.instance(t).by
    window = format_duration(rule.availability_window)
    answering = f"count(group by ({job}) (up == 1))"
    return _down(
        t,
        "instance",
        lines(
            "(",
            "    (",
            "        up == 0",
            "      or",
            f"        avg_over_time(up[{window}]) < {num(rule.availability)}",
            "    )",
            f"    and on ({instance}) {_known(t)}",
            f"    unless on ({instance}) {_replicas(t)}",
            "  or",
            "    (",
            f'        up{{job=~"{rule.jobs}"}} == 0',
            "      or",
            f'        up{{instance=~".*:{PORT}"}} == 0',
            "    )",
            f"    unless on ({job}) {_replicas(t)}",
            "  or",
            '    up{instance!~".*:[0-9]+"} == 0',
            f"    unless on ({job}) max_over_time(up[{format_duration(rule.lookback)}]) == 1",
            f"    and on () 2 * count(group by ({job}) ({m.BUILD_INFO.name})) > {answering}",
            ")",
            f"unless on ({job})",
            f'  ALERTS{{alertname="{_DOWN}", alertstate="firing", scope="job"}}',
        ),
        "{{ $labels.instance }} of job {{ $labels.job }} does not answer Prometheus, or only now and then.",
        comment=(
            "An exporter that is down or in a crash loop, or a target that never answered and looks like an exporter:"
            " by the name of its job, by its port, or, if most jobs of this Prometheus are voice exporters, by having"
            " no port."
        ),
    )


def _none(t: Thresholds) -> Alert:
    return _down(
        t,
        "all",
        f"absent({_known(t)})",
        f"No voice exporter was scraped within {format_duration(t.exporter.down.lookback)}.",
    )


def _down(t: Thresholds, scope: str, expr: str, what: str, *, comment: str = "") -> Alert:
    return Alert(
        name=_DOWN,
        expr=expr,
        wait=t.exporter.down.for_,
        keep=t.keep_firing_for,
        severity="critical",
        labels={"scope": scope},
        summary="A voice exporter is down: events are lost, and alerts about its calls cannot fire.",
        description=what + _LOST + _FIRST,
        dashboard="voice-exporter",
        comment=comment,
    )


def _replica_down(t: Thresholds) -> Alert:
    rule, job = t.exporter.down, levels.job(t).by
    window = format_duration(rule.availability_window)
    return Alert(
        name="VoiceExporterReplicaDown",
        expr=lines(
            "(",
            "    up == 0",
            "  or",
            f"    avg_over_time(up[{window}]) < {num(rule.availability)} and up",
            ")",
            f"and on ({job}) {_replicas(t)}",
        ),
        wait=t.exporter.replica_down.for_,
        severity="warning",
        summary="A replica is down; the others count what comes.",
        description=(
            "{{ $labels.instance }} of job {{ $labels.job }} does not answer Prometheus, or only now and then. Nothing"
            " is lost while other replicas are up."
        ),
        dashboard="voice-exporter",
        comment="A job one of whose targets was a replica is a job of replicas. One that is gone is not down.",
    )


def _scraped_twice(t: Thresholds) -> Alert:
    job, instance = levels.job(t).by, levels.instance(t).by
    return Alert(
        name="VoiceExporterScrapedTwice",
        expr=lines(
            f"max by ({job}) (",
            f'  count_values by ({job}) ("created",',
            f"    {m.CALLS_EXPIRED.family}_created and on ({instance}) {m.STATE_OUTDATED.name}",
            "  )",
            ") > 1",
        ),
        wait=t.exporter.scrape_interval.for_,
        severity="warning",
        summary="Prometheus scrapes replicas of one database one by one: every event is counted several times.",
        description=(
            "{{ $value }} targets of job {{ $labels.job }} show the same call metrics, which rules and dashboards add"
            " up. Scrape /metrics once, through the address of all replicas, and /metrics/replica at each of them."
        ),
        dashboard="voice-exporter",
        comment=(
            "Replicas show the counters of their database, all of which began at the same moment; those of two"
            " databases in one job did not."
        ),
    )


def _shortest(t: Thresholds) -> float:
    """The window in which one event is enough."""
    return min(t.hang.window, t.critical_error.window, t.escalation.window)


def _scrape_interval(t: Thresholds) -> Alert:
    shortest = _shortest(t)
    window = format_duration(t.exporter.down.availability_window)
    limit = shortest / SCRAPES
    return Alert(
        name=_SELDOM,
        expr=lines(
            f"{num(t.exporter.down.availability_window)} / count_over_time(up[{window}]) > {num(limit)}",
            f"and on ({levels.instance(t).by}) {m.BUILD_INFO.name}",
        ),
        wait=t.exporter.scrape_interval.for_,
        severity="warning",
        summary="Prometheus scrapes the exporter too seldom for these rules: hangs and errors may be missed.",
        description=(
            "{{ $labels.instance }} is scraped every {{ $value | humanizeDuration }}; windows of"
            f" {format_duration(shortest)} need {SCRAPES} scrapes, so {format_duration(limit)} at most. Set"
            " scrape_interval in thresholds.yml to what your Prometheus does, and write the rules again."
        ),
        dashboard="voice-exporter",
        comment="Failed scrapes count as scrapes here.",
    )


def _evaluation_interval(t: Thresholds) -> Alert:
    span = t.exporter.down.availability_window
    evaluated = f'ALERTS{{alertname="{WATCHDOG}", alertstate="firing"}}[{format_duration(span)}]'
    limit = max(_shortest(t) / SCRAPES, 1.25 * t.evaluation_interval)
    return Alert(
        name=_SELDOM,
        expr=f"{num(span)} / (1 + max(count_over_time({evaluated}))) > {num(limit)}",
        wait=t.exporter.scrape_interval.for_,
        severity="warning",
        labels={"scope": "rules"},
        summary="Prometheus evaluates these rules too seldom: hangs and errors may be counted twice, or missed.",
        description=(
            "These rules are evaluated every {{ $value | humanizeDuration }}, and should be every"
            f" {format_duration(t.evaluation_interval)}. Leave the interval of their groups as it is, or set"
            " evaluation_interval in thresholds.yml and write the rules again."
        ),
        dashboard="voice-exporter",
        comment="The watchdog always fires, so each evaluation leaves a sample of it; this one is yet to.",
    )
