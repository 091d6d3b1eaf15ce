"""The main job: documented payloads into the installed command, and a real Prometheus that scrapes it."""

import urllib.request
from pathlib import Path

import pytest

from tests.calls.tally import FIXTURES
from tests.conftest import StartExporter
from tests.support.programs import Programs
from tests.support.servers import Prometheus
from tests.support.waiting import until

NAMES = [
    "status-update-queued",
    "status-update-ongoing",
    "hang",
    "conversation-update",
    "error-llm-rate-limit",
    "error-stt-audio-quality",
    "status-update-finished",
    "end-of-call-report",
]
EXPECTED = {
    'voice_hangs_total{provider="gemini",model="gemini-3-flash-preview"}': 1,
    "sum(voice_hangs_by_hour_total)": 1,
    'voice_hangs_by_hour_total{hour="09"} > 0': 1,
    "voice_hung_calls_total / voice_calls_started_total": 1,
    'sum(voice_hang_outcomes_total{outcome="recovered"})': 1,
    "voice_hang_recovery_seconds_sum": 5.958,
    'voice_hang_conversation_messages_bucket{le="4.0"}': 1,
    'voice_errors_total{error_code="rate_limit_exceeded",provider="openai",severity="medium"}': 1,
    'voice_errors_total{error_code="audio_quality_insufficient",severity="high"}': 1,
    'sum(voice_errors_by_hour_total{hour="09"})': 2,
    "voice_error_escalations_total > 0": 1,
    "voice_llm_response_seconds_sum": 2.557,
    'voice_llm_response_seconds_bucket{le="2.0"}': 0,
    'voice_llm_response_seconds_bucket{le="3.0"}': 1,
    "voice_response_seconds_sum": 3.913,
    'voice_tts_generation_seconds_sum{cached="true"}': 0.007,
    'voice_tts_generation_seconds_sum{cached="false"}': 0.353,
    "voice_stt_confidence_ratio_count": 3,
    "voice_stt_confidence_ratio_sum": 1.7279663,
    "voice_calls_active": 0,
    "sum(voice_calls_started_total)": 1,
    'voice_calls_ended_total{outcome="ok",ended_by="assistant"}': 1,
    "voice_call_duration_seconds_sum": 41.683,
    "sum(voice_call_cost_dollars_total)": 0.039752919,
    'voice_llm_tokens_total{kind="input"}': 485,
    'voice_call_evaluations_total{evaluation="Fair"}': 1,
    'sum(voice_exporter_webhooks_total{outcome="counted"})': 8,
}


def post(url: str, name: str) -> int:
    """Post a fixture: the status of the answer."""
    body = (FIXTURES / "interactly" / f"{name}.json").read_bytes()
    request = urllib.request.Request(f"{url}/webhook/interactly", body, {"Content-Type": "application/json"})  # noqa: S310 - our own URL
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own URL
        return int(answer.status)


def test_prometheus_sees_the_documented_numbers(
    start_exporter: StartExporter, tmp_path: Path, programs: Programs
) -> None:
    """Documented payloads give the documented numbers in Prometheus, which does not complain; again, nothing moves."""
    exporter = start_exporter()
    with Prometheus(tmp_path / "prometheus", {"voice": exporter.addresses[0]}, programs=programs) as prometheus:
        for _ in range(2):
            assert [post(exporter.url, name) for name in NAMES] == [200] * len(NAMES)
            until("the events are scraped", lambda: prometheus.value("sum(voice_hangs_total)") == 1)
        duplicates = 'sum(voice_exporter_webhooks_total{outcome="duplicate"})'
        until("the second delivery is scraped", lambda: prometheus.value(duplicates) == len(NAMES))
        for expression, value in EXPECTED.items():
            assert prometheus.value(expression) == pytest.approx(value), expression
        target = prometheus.targets()[0]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert "warn" not in prometheus.log


def test_restart_goes_on_where_it_was(start_exporter: StartExporter, tmp_path: Path, programs: Programs) -> None:
    """After kill -9 counters and their created timestamps are what they were, and increase() sees no reset."""
    store = str(tmp_path / "store")
    exporter = start_exporter("--storage.path", store)
    address = exporter.addresses[0]
    with Prometheus(tmp_path / "prometheus", {"voice": address}, programs=programs) as prometheus:
        for name in NAMES[:4]:
            assert post(exporter.url, name) == 200
        until("the hang is scraped", lambda: prometheus.value("sum(voice_hangs_total)") == 1)
        created = prometheus.query("voice_hangs_created")
        exporter.process.kill()
        exporter.wait()
        again = start_exporter("--storage.path", store, "--web.listen-address", address)
        for name in NAMES:
            assert post(again.url, name) == 200
        until("both errors are scraped", lambda: prometheus.value("sum(voice_errors_total)") == 2)
        assert prometheus.value("sum(voice_hangs_total)") == 1
        assert [row for row in prometheus.query("voice_hangs_created") if row in created] == created
        assert prometheus.value("sum(resets(voice_messages_total[1m]))") == 0
        assert prometheus.value("sum(voice_messages_total)") == 5
