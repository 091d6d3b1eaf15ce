"""The part of the exporter's board on several that share a database: who is up, who commits, who lags."""

from typing import Final

from grafana_foundation_sdk.builders import timeseries

from exporter.metrics import catalogue as m
from grafana.builder import colours as c
from grafana.builder.board import Section
from grafana.builder.panels import coloured, query, series, stacked
from grafana.builder.process import UP
from grafana.builder.query import LATELY, TREND, quantile, rate, select

_EMPTY: Final = "no replicas"


def replicas() -> Section:
    """Replicas, each by its own scrape."""
    panels = (_up(), _commits(), _lag(), _latency(), _conflicts(), _outdated())
    return Section("Replicas on one database", [panel.span(8).no_value(_EMPTY) for panel in panels], collapsed=True)


def _of_replicas(vector: str) -> str:
    known = f"last_over_time({select(m.REPLICA_LAG)}[{LATELY.range}])"
    return f"{vector}\nand on (job, instance)\n{known}"


def _up() -> timeseries.Panel:
    answering = f"sum(\n{_of_replicas(select(UP))}\n)"
    known = f"count(last_over_time({select(m.REPLICA_LAG)}[{LATELY.range}]))"
    panel = series(
        "Replicas that are up",
        "Those that Prometheus reaches, and those that it reached at some time of the last day, pods of before a deploy"
        " included.",
        query(answering, "up"),
        query(known, "within a day"),
    )
    return coloured(panel, {"up": c.BLUE, "within a day": c.GREY}).decimals(0)


def _commits() -> timeseries.Panel:
    panel = series(
        "Commits per second, by replica",
        "Who commits, and whether the load balancer spreads events evenly.",
        query(_of_replicas(rate(m.STORAGE_COMMIT, ("job", "instance"), "_count")), "{{instance}}"),
    )
    return stacked(panel)


def _lag() -> timeseries.Panel:
    return series(
        "Lag of the slowest replica",
        "Time since it last knew all that others recorded; one that is well asks once a second, and at each scrape.",
        query(f"max({select(m.REPLICA_LAG)})", "slowest"),
    ).unit("s")


def _latency() -> timeseries.Panel:
    return series(
        f"Latency of the database, p99, {TREND.range}",
        "From the last look at the events of a batch to the database's answer that it is kept.",
        query(_of_replicas(quantile("0.99", m.STORAGE_COMMIT, ("job", "instance"))), "{{instance}}"),
    ).unit("s")


def _conflicts() -> timeseries.Panel:
    return series(
        "Conflicts per minute",
        "Batches begun again because replicas were in each other's way: nothing is lost by it, only time.",
        query(f"60 * {rate(m.STORAGE_CONFLICTS, ('instance',))}", "{{instance}}"),
    )


def _outdated() -> timeseries.Panel:
    return series(
        "Replicas out of date",
        "1 for a replica that can't read the database and shows what it knew last.",
        query(f"max by (instance) ({select(m.STATE_OUTDATED)})", "{{instance}}"),
    )
