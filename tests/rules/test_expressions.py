import re
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.rules.lint import Wrong, check
from tests.rules.shapes import KEPT, TARGET
from tests.rules.shipped import RULES, alerts, groups, level, recorded, shapes

RUNBOOKS = sorted((RULES / "runbooks").glob("*.md"))


@pytest.mark.parametrize("group", groups(), ids=itemgetter("name"))
def test_rules_ask_for_what_there_is(group: dict[str, Any]) -> None:
    """Metrics, labels and values exist; rates are of counters, over two scrapes at least; no raw counter compares."""
    known = shapes(group)
    for rule in group["rules"]:
        check(rule["expr"], known)


@pytest.mark.parametrize("record", recorded())
def test_recorded_series_is_named_by_its_labels(record: str) -> None:
    """A recorded series is called level:metric:operations, and its level is the labels that it has."""
    _, metric, operation = record.split(":")
    assert level(record) == recorded()[record]
    assert metric.startswith("voice_")
    assert not metric.endswith("_total")
    state = r"sum|missing|unheard|age_seconds|[a-z0-9_]+_(above_[0-9_]+pct|burns)"
    assert re.fullmatch(rf"{state}|[a-z0-9_]+?_?\d+[smhd](_(mean|deviation)\d+[hd])?", operation)


def test_alerts_keep_the_job() -> None:
    """Every alert keeps the job, so that an exporter that is down can silence it, but for what is about no job."""
    without = {alert["alert"] for alert in alerts() if "job" not in (check(alert["expr"], recorded()) or ())}
    assert without == {"VoiceWatchdog", "VoiceExporterDown", "VoiceExporterScrapedTooSeldom"}


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_runbook_asks_for_what_there_is(file: Path) -> None:
    """Every query of a runbook holds against the catalogue as the rules do."""
    queries = re.findall(r"```promql\n(.*?)```", file.read_text(), re.DOTALL)
    assert queries
    for query in queries:
        check(query, recorded())


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("sum(", "unclosed"),
        ("voice_hang_total > 0", "there is no voice_hang_total"),
        ("increase(voice_hangs[5m])", "there is no voice_hangs"),
        ('increase(voice_hangs_total{assistant="a"}[5m])', "no label assistant"),
        ('increase(voice_errors_total{severity="fatal"}[5m])', "never has severity=fatal"),
        ('increase(voice_errors_total{component=~"llm|sst"}[5m])', "never has component"),
        ('rate(voice_response_seconds_bucket{le="3"}[5m])', "never has le=3"),
        ('increase(voice_response_seconds_bucket{le="2.9"}[5m])', "never has le=2.9"),
        ("rate(voice_calls_active[5m])", "no counter"),
        ("rate(process_open_fds[5m])", "no counter"),
        ("increase(voice_hangs_total[5m]) and ignoring (le) up", "on one side only"),
        ("increase(voice_hangs_total[5m]) * on (hour) group_left () up", "not on both sides"),
        ("rate(voice_hangs_created[5m])", "no counter"),
        ("voice_hangs_total > 5", "raw counter"),
        ("sum by (job) (voice_hangs_total) > 5", "raw counter"),
        ("voice_response_seconds_count > 5", "raw counter"),
        ("voice_hangs_total and (voice_errors_created > time() - 60)", "raw counter"),
        ('voice_hangs_total{provider="openai"} and (voice_hangs_created > time() - 60)', "raw counter"),
        ("avg_over_time(voice_hangs_total[5m])", "only rises"),
        ("increase(voice_hangs_total[20s])", "fewer than two scrapes"),
        ("sum by (assistant) (increase(voice_hangs_total[5m]))", "no label assistant"),
        ("histogram_quantile(0.9, sum by (job) (rate(voice_response_seconds_bucket[5m])))", "lost their le"),
        (
            "sum by (job) (rate(voice_hangs_total[5m])) / sum by (platform) (rate(voice_hangs_total[5m]))",
            "differ",
        ),
        ("voice_calls_active and on (model) voice_calls_active", "not on both sides"),
    ],
)
def test_the_check_finds_what_is_wrong(query: str, complaint: str) -> None:
    """The check that the rules pass refuses each kind of mistake."""
    with pytest.raises(Wrong, match=re.escape(complaint)):
        check(query)


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("vector(1)", frozenset()),
        ("absent(voice_exporter_build_info)", frozenset()),
        ("voice_calls_active", TARGET | {"platform", "assistant_id"}),
        ("voice_hangs_by_hour_total and (voice_hangs_by_hour_created > 5)", TARGET | {"platform", "provider", "hour"}),
        ("sum without (instance, assistant_id) (voice_calls_active)", frozenset({"job", "platform"}) | KEPT),
        ("0 * voice_calls_active + on (job) group_left () sum by (job) (up)", TARGET | {"platform", "assistant_id"}),
        ("topk(3, voice_exporter_series)", TARGET | {"metric"}),
        ("histogram_quantile(0.9, sum by (job, le) (rate(voice_response_seconds_bucket[5m])))", frozenset({"job"})),
    ],
)
def test_the_check_knows_the_labels_of_a_result(query: str, shape: frozenset[str]) -> None:
    """What is right passes, with the labels that it has."""
    assert check(query) == shape
