"""Rules and dashboards for a Prometheus that keeps histograms native: the same numbers, asked for in another form."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import accumulate, count
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.utils import floatToGoString

from exporter.assets import Histograms, groups, load, render
from exporter.assets.native import native
from exporter.assets.rule import Alert, Recording
from exporter.metrics.catalogue import METRICS
from exporter.metrics.metric import Metric
from tests.conftest import StartExporter
from tests.e2e.test_alerting import post
from tests.rules.promtool import promtool
from tests.support.programs import SID
from tests.support.servers import Prometheus
from tests.support.waiting import until

HISTOGRAMS = [metric for metric in METRICS.values() if metric.kind == "histogram"]
CLASSIC = re.compile(rf"\b({'|'.join(metric.name for metric in HISTOGRAMS)})_(bucket|count|sum|created)\b")
STEPS = 400
SECONDS = """\
scrape_interval: 1s
evaluation_interval: 1s
exporter: {no_events: {after: 5s}}
"""


def changed() -> list[Recording]:
    """The recorded queries of histograms."""
    rules = (rule for group in groups(load()) for rule in group.rules)
    return [rule for rule in rules if isinstance(rule, Recording) and native(rule.expr) != rule.expr]


def alike(metric: Metric, labels: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same growing histogram in both forms, as promtool reads them."""
    shown = ",".join(f'{name}="{value}"' for name, value in labels.items())
    rises = [number % 3 + 1 for number in range(len(metric.bounds) + 1)]
    bounds = [*map(floatToGoString, metric.bounds), "+Inf"]
    for bound, total in zip(bounds, accumulate(rises), strict=True):
        yield {"series": f'{metric.name}_bucket{{{shown},le="{bound}"}}', "values": f"0+{total}x{STEPS}"}
    total = sum(rises)
    yield {"series": f"{metric.name}_count{{{shown}}}", "values": f"0+{total}x{STEPS}"}
    yield {"series": f"{metric.name}_sum{{{shown}}}", "values": f"0+{2 * total}x{STEPS}"}
    custom = " ".join(f"{bound:g}" for bound in metric.bounds)
    whole = "{{{{schema:-53 sum:{0} count:{1} custom_values:[{2}] buckets:[{3}]}}}}"
    none = whole.format(0, 0, custom, " ".join("0" for _ in rises))
    more = whole.format(2 * total, total, custom, " ".join(map(str, rises)))
    yield {"series": f"{metric.name}{{{shown}}}", "values": f"{none}+{more}x{STEPS}"}


def sets(metric: Metric) -> Iterator[dict[str, str]]:
    """Two label sets of a metric."""
    for number, cached in enumerate(("true", "false")):
        free = dict.fromkeys(metric.labels, f"x{number}")
        closed = {"platform": "interactly", "cached": cached}
        yield {"job": "voice", "instance": "a", **free, **{k: v for k, v in closed.items() if k in metric.labels}}


def test_native_queries_give_the_same_numbers(tmp_path: Path) -> None:
    """Every recorded query of a histogram, over the same values in both forms, gives the same."""
    series = [row for metric in HISTOGRAMS for labels in sets(metric) for row in alike(metric, labels)]
    recordings = [rule for rule in changed() if ":" not in rule.expr]
    assert recordings
    questions = [
        {
            "expr": f"count({rule.expr}) - count(abs(({rule.expr}) - ({native(rule.expr)})) < 1e-9)",
            "eval_time": "90m",
            "exp_samples": [{"labels": "{}", "value": 0}],
        }
        for rule in recordings
    ]
    case = {"interval": "15s", "input_series": series, "promql_expr_test": questions}
    path = tmp_path / "native.test.yml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "15s", "tests": [case]}, width=1_000_000))
    tested = promtool("test", "rules", path, programs=SID)
    assert tested.returncode == 0, tested.stdout[:5000] + tested.stderr


def expressions(node: Any) -> Iterator[str]:  # noqa: ANN401 - whatever JSON holds
    """Every query of a dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "expr" else expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def test_nothing_asks_for_classic_histograms(tmp_path: Path) -> None:
    """Rendered natively, no rule, dashboard or runbook asks for what is not there, and promtool takes the rules."""
    render(tmp_path, histograms="native")
    rules = sorted((tmp_path / "rules").glob("*.rules.yml"))
    checked = promtool("check", "rules", *rules, programs=SID)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for path in rules:
        for rule in yaml.safe_load(path.read_text())["groups"][0]["rules"]:
            assert not CLASSIC.search(rule["expr"]), rule
    for path in (tmp_path / "grafana" / "dashboards").glob("*.json"):
        for query in expressions(json.loads(path.read_text())):
            assert not CLASSIC.search(query), query
    for path in (tmp_path / "rules" / "runbooks").glob("*.md"):
        assert path.stem == "VoiceExporterHistogramsMissing" or not CLASSIC.search(path.read_text())


def test_every_alert_stays(tmp_path: Path) -> None:
    """Apart from the queries, what is rendered natively is the same."""
    render(tmp_path, histograms="native")
    found = [
        rule
        for path in sorted((tmp_path / "rules").glob("*.rules.yml"))
        for rule in yaml.safe_load(path.read_text())["groups"][0]["rules"]
    ]
    shipped = [rule for group in groups(load()) for rule in group.rules]
    assert {rule["alert"] for rule in found if "alert" in rule} == {r.name for r in shipped if isinstance(r, Alert)}
    assert {rule["expr"].strip() for rule in found} == {native(rule.expr).strip() for rule in shipped}


@pytest.mark.parametrize("histograms", ["classic", "native"])
def test_a_server_that_converts(start_exporter: StartExporter, tmp_path: Path, histograms: Histograms) -> None:
    """Where Prometheus converts what it scrapes, classic rules say that they are blind, and native ones see."""
    (tmp_path / "seconds.yml").write_text(SECONDS)
    render(tmp_path / "assets", tmp_path / "seconds.yml", histograms=histograms)
    exporter = start_exporter()
    scrape = {
        "job_name": "voice",
        "convert_classic_histograms_to_nhcb": True,
        "static_configs": [{"targets": [exporter.addresses[0]]}],
    }
    config = {"rule_files": [str(tmp_path / "assets" / "rules" / "*.rules.yml")], "scrape_configs": [scrape]}
    flag = "--enable-feature=native-histograms"
    with Prometheus(tmp_path / "prometheus", {}, config, flag, programs=SID) as prometheus:
        calls = count()

        def after_a_call(look: Callable[[], object]) -> object:
            call = f"WC-{next(calls)}"
            post(exporter.url, "conversation-update", call)
            post(exporter.url, "hang", call)
            return look()

        blind = 'ALERTS{alertname="VoiceExporterHistogramsMissing", alertstate="firing"}'
        latency = "count({__name__=~'.*:voice_response_seconds:.*'})"
        if histograms == "classic":
            until("the alert fires", lambda: after_a_call(lambda: prometheus.value(blind)), 60)
            assert prometheus.value(latency) is None
        else:
            until("latency is recorded", lambda: after_a_call(lambda: prometheus.value(latency)), 60)
            assert prometheus.value(blind) is None
