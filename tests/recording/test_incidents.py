"""Hangs, errors and escalations one by one: complete, durable with their event, bounded, without a word of text."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from exporter.calls.incident import Incident
from exporter.config import Calls, Config, Incidents
from exporter.errors import StorageError, StoreLost
from exporter.platforms.interactly import INTERACTLY
from exporter.recording.incidents import KEPT
from exporter.recording.recorder import Recorder
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore
from tests.calls.tally import payload
from tests.recording.test_recorder import ScriptedStore, recording

HANG_MS = 1772702490000
DAY = 86_400.0
DENIED: dict[str, Any] = {
    "error": {
        "type": "llm_error",
        "code": "authentication_failed",
        "message": "Key of Ada Example",
        "provider": "openai",
        "retryable": False,
    }
}


async def record(recorder: Recorder, name: str, call: str = "WC-1", **message: Any) -> None:  # noqa: ANN401 - any JSON
    """Record a fixture's event of some call, with other values at the top of its message."""
    body = payload(name)
    body["message"]["call"]["id"] = call
    body["message"] |= message
    await recorder.record(INTERACTLY.parse(json.dumps(body).encode()))


def reply(at: int) -> dict[str, Any]:
    """An assistant's message at that time (ms)."""
    return {"messages": [{"messageId": f"bot-{at}", "role": "assistant", "timestamp": at, "text": "Ada Example"}]}


def stored(directory: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in directory.iterdir())


def summary(incident: Incident) -> tuple[str, str, str, str]:
    """What tells an incident from the others of a test."""
    return incident.kind, incident.call_id, incident.what, incident.outcome


async def test_a_hang_and_what_came_of_it() -> None:
    """An incident has the call, the assistant, provider, model, the conversation's length, and later the outcome."""
    now = [1000.0]
    async with recording(MemoryStore(), clock=lambda: now[0]) as recorder:
        await record(recorder, "hang")
        [hang] = recorder.incidents.latest()
        assert (hang.kind, hang.severity, hang.component) == ("hang", "high", "llm")
        assert (hang.platform, hang.assistant, hang.call_id) == ("interactly", "64ab00000000000000000001", "WC-1")
        assert (hang.provider, hang.model, hang.messages) == ("gemini", "gemini-3-flash-preview", 2)
        assert (hang.time_ms, hang.received, hang.outcome, hang.settled) == (HANG_MS, 1000.0, "", 0.0)
        now[0] = 1006.0
        await record(recorder, "conversation-update", **reply(HANG_MS + 5900))
        [hang] = recorder.incidents.latest()
        assert (hang.outcome, hang.recovery_ms, hang.received, hang.settled) == ("recovered", 5900, 1000.0, 1006.0)


async def test_an_error_and_its_escalation() -> None:
    """An error that is not retryable is one incident, and its escalation another; a duplicate is none."""
    async with recording(MemoryStore()) as recorder:
        for _ in range(2):
            await record(recorder, "error-llm-rate-limit", **DENIED)
        escalation, error = recorder.incidents.latest()
        assert (error.kind, error.severity, error.component) == ("error", "critical", "llm")
        assert (error.what, error.code) == ("llm_error", "authentication_failed")
        assert (escalation.kind, escalation.severity, escalation.cause) == ("escalation", "critical", "not_retryable")


async def test_a_retryable_error_escalates_at_the_limit() -> None:
    """Each error is an incident; the one that exhausts the retries escalates, which is of high severity."""
    async with recording(MemoryStore(), Config(calls=Calls(max_retries=2))) as recorder:
        for number in range(3):
            await record(recorder, "error-llm-rate-limit", timestamp=HANG_MS + number)
        kinds = [(each.kind, each.severity) for each in reversed(recorder.incidents.latest())]
        assert kinds == [("error", "medium"), ("error", "medium"), ("escalation", "high"), ("error", "medium")]


async def test_an_expired_call_settles_its_hang() -> None:
    """A hang of a call that falls silent ends unknown."""
    now = [1000.0]
    config = Config(calls=Calls(idle_timeout=60))
    async with recording(MemoryStore(), config, clock=lambda: now[0]) as recorder:
        await record(recorder, "hang")
        now[0] += 61
        await recorder.tidy()
        [hang] = recorder.incidents.latest()
        assert (hang.outcome, hang.settled) == ("unknown", now[0])


async def test_a_hang_whose_outcome_came_first() -> None:
    """A hang that arrives after the reply is settled from the beginning."""
    async with recording(MemoryStore()) as recorder:
        await record(recorder, "conversation-update", **reply(HANG_MS + 1000))
        await record(recorder, "hang")
        assert [each.outcome for each in recorder.incidents.latest()] == ["recovered"]


async def test_call_ids_that_no_label_could_be(tmp_path: Path) -> None:
    """An id with spaces may be anything, a number or a name: it is left out."""
    store = SqliteStore(tmp_path)
    async with recording(store) as recorder:
        await record(recorder, "hang", call="Ada Example +1 555 0100")
        assert [each.call_id for each in recorder.incidents.latest()] == [""]
    assert b"Ada" not in stored(tmp_path)


async def test_they_survive_a_restart(tmp_path: Path) -> None:
    """What was answered is there after a start, in order, and an open hang gets its outcome from the next process."""
    async with recording(SqliteStore(tmp_path)) as recorder:
        await record(recorder, "hang")
        await record(recorder, "error-llm-rate-limit", call="WC-2", **DENIED)
        before = recorder.incidents.latest()
    async with recording(SqliteStore(tmp_path)) as recorder:
        assert recorder.incidents.latest() == before
        await record(recorder, "conversation-update", **reply(HANG_MS + 1000))
        await record(recorder, "hang", call="WC-3")
        found = [summary(each) for each in recorder.incidents.latest()]
    assert found[0] == ("hang", "WC-3", "", "")
    assert found[-1] == ("hang", "WC-1", "", "recovered")
    assert len(found) == 4


@pytest.mark.parametrize("fault", [StorageError("no space left"), StoreLost("gone")])
async def test_a_failed_commit_leaves_none(fault: StorageError) -> None:
    """What was not kept is no incident; and what was is given to a store that lost it."""
    store = ScriptedStore(None, fault)
    async with recording(store) as recorder:
        await record(recorder, "hang")
        with pytest.raises(StorageError):
            await record(recorder, "hang", call="WC-2")
        assert [each.call_id for each in recorder.incidents.latest()] == ["WC-1"]
        if isinstance(fault, StoreLost):
            assert any(b"WC-1" in (blob or b"") for blob in store.batches[-1].assistants.values())


async def test_the_last_of_many(tmp_path: Path) -> None:
    """There are never more than the last 500, in memory and in the store."""
    async with recording(SqliteStore(tmp_path)) as recorder:
        for number in range(KEPT + 20):
            await record(recorder, "hang", call=f"WC-{number}")
        assert len(recorder.incidents) == KEPT
    async with recording(SqliteStore(tmp_path)) as recorder:
        found = [each.call_id for each in recorder.incidents.latest()]
        assert found == [f"WC-{number}" for number in range(KEPT + 19, 19, -1)]
        # What came of one that is not listed any more is counted all the same.
        await record(recorder, "conversation-update", call="WC-3", **reply(HANG_MS + 1000))
        assert len(recorder.incidents) == KEPT


async def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    """Beyond their retention they are gone, from the store as well."""
    now = [1000.0]
    config = Config(incidents=Incidents(retention=DAY))
    async with recording(SqliteStore(tmp_path), config, clock=lambda: now[0]) as recorder:
        await record(recorder, "hang", call="WC-old")
        now[0] += DAY + 1
        await record(recorder, "hang", call="WC-new")
        await recorder.tidy()
        assert [each.call_id for each in recorder.incidents.latest()] == ["WC-new"]
    async with recording(SqliteStore(tmp_path), config, clock=lambda: now[0]) as recorder:
        assert [each.call_id for each in recorder.incidents.latest()] == ["WC-new"]


async def test_each_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line for each hang and error, with the call and who and what failed; none again after a restart."""
    caplog.set_level("INFO", "exporter.recording")
    async with recording(SqliteStore(tmp_path)) as recorder:
        await record(recorder, "hang")
        await record(recorder, "hang")
        await record(recorder, "error-llm-rate-limit", **DENIED)
        await record(recorder, "conversation-update", **reply(HANG_MS + 1000))
    async with recording(SqliteStore(tmp_path)):
        pass
    lines = [each for each in caplog.records if each.name == "exporter.recording.incident_log"]
    assert [(line.levelno, line.message) for line in lines] == [
        (logging.WARNING, "voice hang"),
        (logging.ERROR, "voice error"),
    ]
    assert lines[0].__dict__["fields"] == {
        "event": "hang",
        "platform": "interactly",
        "call_id": "WC-1",
        "assistant": "64ab00000000000000000001",
        "component": "llm",
        "provider": "gemini",
        "model": "gemini-3-flash-preview",
        "severity": "high",
    }
    assert lines[1].__dict__["fields"]["error_code"] == "authentication_failed"


async def test_logging_can_be_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """No line where the operator wants none, from a reload on."""
    caplog.set_level("INFO", "exporter.recording")
    async with recording(MemoryStore()) as recorder:
        recorder.configure(Config(incidents=Incidents(log=False)))
        await record(recorder, "hang")
    assert "voice hang" not in caplog.messages


async def test_who_watches_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A watcher that fails is logged without its text, and the event is kept."""

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("Ada Example")

    async with recording(MemoryStore()) as recorder:
        recorder.incidents.watchers.insert(0, failing)
        await record(recorder, "hang")
        assert len(recorder.incidents) == 1
    assert "incidents were not passed on" in caplog.messages
    assert "Ada" not in caplog.text
