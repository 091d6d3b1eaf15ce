"""Sentiment: each user message once, whatever comes of the analyser; no event is lost, and off means off."""

import asyncio
import json
import signal
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from exporter.config.sentiment import Sentiment
from exporter.config.settings import Config
from exporter.errors import InvalidEvent
from exporter.metrics import exposition
from exporter.metrics.catalogue import CALLS_STARTED
from exporter.metrics.metric import Metric
from exporter.platforms import PLATFORMS
from exporter.recording.batch import awaited
from exporter.recording.ingest import Ingest
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.recording.sentiment_analysis import MAX_TEXT, MAX_WAITING
from exporter.service import incidents_page
from exporter.simulate import SCENARIOS, Traffic, generate_call
from exporter.simulate.model import PLATFORMS as PLATFORMS_WITH_UPDATES
from exporter.simulate.traffic import MONDAY
from exporter.store.memory import MemoryStore
from tests.calls.tally import FIXTURES, payload
from tests.conftest import StartExporter
from tests.security.raw import get
from tests.security.test_fuzz import bodies as mutated
from tests.security.test_fuzz import tries
from tests.sentiment import analysers
from tests.support.waiting import until

LONG = 1_000_000
SPEAKING = [name for name, platform in PLATFORMS.items() if platform.said]


class Counting:
    """Records bodies, with sentiment as it is configured."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - of any key
        config = Config(sentiment=Sentiment(**settings))
        self.recorder = Recorder(config, MemoryStore())
        self.ingest = Ingest(self.recorder, RecentActivity())
        self.ingest.sentiment.prepare(config.sentiment)()

    async def post(self, platform: str, *bodies: object) -> None:
        """Record bodies, one after another."""
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            assert await awaited(partial(self.ingest.record_body, platform, data)) is None

    def samples(self, name: str) -> dict[str, float]:
        """Values of a family's samples, by the last of their labels or their suffix."""
        text = b"".join(exposition.render(self.recorder.table, exposition.Format.TEXT, frozenset({name}), ()))
        return {
            (sample.labels.get("sentiment") or sample.labels.get("outcome") or sample.name.rpartition("_")[2]): value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if (value := sample.value) and not sample.name.endswith(("_created", "_bucket"))
        }

    @property
    def sentiments(self) -> dict[str, float]:
        """Messages by sentiment."""
        return self.samples("voice_message_sentiment_total")

    @property
    def analyses(self) -> dict[str, float]:
        """Analyses by outcome."""
        return self.samples("voice_exporter_sentiment_analyses_total")


@asynccontextmanager
async def counting(analyser: str = "by_length", **settings: Any) -> AsyncIterator[Counting]:  # noqa: ANN401 - any key
    """Counts with an analyser of these tests, until the block ends."""
    usual = {"enabled": True, "analyser": f"tests.sentiment.analysers:{analyser}", "timeout": 20.0}
    made = Counting(**{**usual, **settings})
    made.recorder.load()
    await made.recorder.start()
    try:
        yield made
    finally:
        await made.recorder.stop()


@pytest.fixture
def gate() -> Iterator[None]:
    """The analyser `patient` waits in this test."""
    analysers.GATE.clear()
    yield
    analysers.GATE.set()


def call(platform: str, seed: int) -> list[dict[str, Any]]:
    """The bodies of a call, as they are sent."""
    for name in PLATFORMS_WITH_UPDATES:
        if name == platform:
            traffic = Traffic(platforms=(name,), turns=6)
            return [each.body for each in generate_call(Random(seed), MONDAY, SCENARIOS["normal"], traffic=traffic)]
    return [json.loads(path.read_text()) for path in sorted((FIXTURES / platform).glob("*.json"))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("platform", SPEAKING)
async def test_each_user_message_counts_once(platform: str, seed: int) -> None:
    """Duplicates, order and lost updates change nothing."""
    bodies, rng = call(platform, seed), Random(seed)
    async with counting() as clean, counting() as mangled:
        await clean.post(platform, *bodies)
        sent = [body for body in bodies for _ in range(rng.choice((1, 1, 2, 3)))]
        rng.shuffle(sent)
        await mangled.post(platform, *sent)
        assert clean.sentiments
        assert mangled.sentiments == clean.sentiments
        name = "voice_message_negative_confidence_ratio"
        assert mangled.samples(name) == clean.samples(name)
        assert clean.samples(name).get("count", 0) == clean.sentiments.get("negative", 0)


@pytest.mark.parametrize("platform", SPEAKING)
def test_texts_have_the_keys_of_their_messages(platform: str) -> None:
    """What is judged belongs to a message that is counted; every user message of a fixture with a text has one."""
    for body in call(platform, 1):
        data = json.dumps(body).encode()
        event, said = PLATFORMS[platform].parse(data), PLATFORMS[platform].said
        assert said
        keys = {each.key for each in said(data)} - {None}
        messages = [message for fact in event.facts for message in getattr(fact, "messages", None) or ()]
        if messages and platform in PLATFORMS_WITH_UPDATES:
            assert keys == {message.key for message in messages if message.role == "user"}


async def test_the_text_that_is_judged() -> None:
    """The user's alone, and no more of it than the limit."""
    body = payload("conversation-update")
    body["message"]["messages"][1]["text"] = "y" * (MAX_TEXT + 1)
    analysers.HEARD.clear()
    async with counting("listening") as counted:
        await counted.post("interactly", body)
    user = [message["text"][:MAX_TEXT] for message in body["message"]["messages"] if message["role"] == "user"]
    assert user == analysers.HEARD
    assert max(map(len, user)) == MAX_TEXT


@pytest.mark.parametrize("analyser", ["indiscreet", "quitting", "vague"])
async def test_an_analyser_that_fails(analyser: str) -> None:
    """Its messages count without a sentiment, and that is counted."""
    async with counting(analyser) as counted:
        await counted.post("interactly", payload("conversation-update"))
        assert counted.sentiments == {}
        assert set(counted.analyses) == {"failed"}
        before, another = counted.analyses["failed"], payload("conversation-update")
        another["message"]["call"]["id"] = "WC-another"
        await counted.post("interactly", another)
        assert counted.analyses == {"failed": 2 * before}
        assert counted.samples("voice_messages_total")


@pytest.mark.usefixtures("gate")
async def test_an_analyser_that_never_answers() -> None:
    """An event waits for it for so long and counts; later ones do not wait, once too many do."""
    async with counting("patient", timeout=0.05) as counted:
        body = payload("conversation-update")
        bodies = []
        for number in range(MAX_WAITING + 6):
            body["message"]["call"]["id"] = f"WC-{number}"
            bodies.append(json.dumps(body).encode())
        await asyncio.gather(*(counted.post("interactly", each) for each in bodies))
        assert counted.analyses.keys() == {"timeout", "skipped"}
        assert counted.sentiments == {}
        assert counted.recorder.table.value(*_calls()) == len(bodies)


async def test_a_slow_analyser_gets_what_it_had_time_for() -> None:
    """What is judged in time counts, the rest is counted as not."""
    async with counting("by_length", timeout=0.000001) as counted:
        await counted.post("interactly", payload("conversation-update"))
        assert counted.sentiments == {}
        assert counted.analyses.keys() == {"timeout"}


async def test_a_text_that_can_not_be_decoded_costs_no_event() -> None:
    """The event counts, as it does where no text is decoded."""
    data = json.dumps(payload("conversation-update")).encode().replace(b'"Hello."', b'"\xff\xfe"')
    assert b"\xff" in data
    async with counting() as counted:
        await counted.post("interactly", data)
        assert counted.analyses.keys() == {"failed"}
        assert counted.recorder.table.value(*_calls()) == 1


async def test_of_a_growing_conversation_only_what_is_new_is_decoded() -> None:
    """A text that can't be read, in a part that was counted before, does not matter any more."""
    body = payload("conversation-update")
    said = [message for message in body["message"]["messages"] if message["role"] == "user"]
    grown = payload("conversation-update")
    last = body["message"]["messages"][-1]
    grown["message"]["messages"].append({**last, "messageId": "user-99", "role": "user", "text": "Thank you."})
    async with counting() as counted:
        for each in (body, grown):
            await counted.post("interactly", json.dumps(each).encode().replace(b'"Hello."', b'"\xff\xfe"'))
        assert counted.analyses == {"failed": len(said), "judged": 1}


@pytest.mark.parametrize("platform", SPEAKING)
def test_off_no_text_is_decoded(platform: str) -> None:
    """A parse may copy the bytes of a body; of a text with an emoji, a decoded character takes four times as much."""
    said = PLATFORMS[platform].said
    assert said
    body = next(
        each for each in reversed(call(platform, 1)) if any(text for _, text in said(json.dumps(each).encode()))
    )
    data = _lengthened(body, platform)
    tracemalloc.start()
    PLATFORMS[platform].parse(data)
    _, parsed = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert max(len(each.text) for each in said(data)) > LONG
    _, decoded = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parsed < 3 * LONG
    assert decoded > 4 * LONG


async def test_off_nothing_is_judged() -> None:
    """Neither counted nor asked."""
    analysers.HEARD.clear()
    async with counting("listening", enabled=False) as counted:
        await counted.post("interactly", payload("conversation-update"))
        assert counted.sentiments == {}
        assert counted.analyses == {}
        assert counted.ingest.sentiment.analyser == ""
    assert analysers.HEARD == []


async def test_a_reload_switches_it() -> None:
    """On, to another analyser, and off."""
    async with counting(enabled=False) as counted:
        first = Sentiment(enabled=True, analyser="tests.sentiment.analysers:upset")
        body = payload("conversation-update")
        counted.ingest.sentiment.prepare(first)()
        await counted.post("interactly", body)
        assert counted.sentiments.keys() == {"negative"}
        counted.ingest.sentiment.prepare(Sentiment())()
        body["message"]["call"]["id"] = "WC-another"
        before = counted.sentiments
        await counted.post("interactly", body)
        assert counted.sentiments == before
        with pytest.raises(ValueError, match="no module"):
            counted.ingest.sentiment.prepare(Sentiment(enabled=True, analyser="nowhere.at:all"))


async def test_a_clearly_negative_message_is_an_incident() -> None:
    """Once, with its call; what is not above the threshold is none."""
    async with counting("upset") as counted, counting("upset", alert_above=0.96) as calmer:
        for each in (counted, calmer):
            await each.post("interactly", payload("conversation-update"), payload("conversation-update"))
        found = counted.recorder.incidents.latest()
        messages = payload("conversation-update")["message"]["messages"]
        assert len(found) == sum(message["role"] == "user" for message in messages)
        assert {(each.kind, each.what, each.severity, each.call_id) for each in found} == {
            ("sentiment", "negative", "high", payload("conversation-update")["message"]["call"]["id"])
        }
        assert calmer.recorder.incidents.latest() == []
        shown = json.loads(incidents_page.to_json(found, lambda _platform, _assistant: ""))["incidents"][0]
        assert (shown["kind"], shown["sentiment"], shown["error_type"]) == ("sentiment", "negative", None)
        assert "sentiment: negative" in incidents_page.render(found, {}, lambda _platform, _assistant: "")
        assert calmer.sentiments == counted.sentiments


async def test_a_conversation_told_at_its_end_is_one_incident() -> None:
    """Retell brings all messages at once, and twice."""
    async with counting("upset") as counted:
        await counted.post("retell", payload("call_ended", "retell"), payload("call_analyzed", "retell"))
        assert counted.sentiments == {"negative": 2}
        assert [each.kind for each in counted.recorder.incidents.latest()] == ["sentiment"]


@pytest.mark.parametrize("relay", ["", "{url: 'http://127.0.0.1:1/'}"], ids=["plain", "relay"])
async def test_what_was_judged_survives_a_crash(start_exporter: StartExporter, tmp_path: Path, relay: str) -> None:
    """After kill -9 each message still counts once, behind a relay as well, and a scrape shows the same."""
    config = tmp_path / "config.yml"
    config.write_text(
        "sentiment: {enabled: true, analyser: 'tests.sentiment.analysers:by_length'}\n"
        + (f"webhooks: {{interactly: {{relay: {relay}}}}}\n" if relay else "")
    )
    exporter = start_exporter(f"--config.file={config}")
    status = 502 if relay else 200
    assert await _post(exporter.url, payload("conversation-update")) == status
    until("it is counted", lambda: "voice_message_sentiment_total{" in get(exporter.url))
    before = _judged(get(exporter.url))
    exporter.signal(signal.SIGKILL)
    exporter.wait()
    again = start_exporter(f"--config.file={config}")
    assert _judged(get(again.url)) == before
    for _ in range(2):
        assert await _post(again.url, payload("conversation-update")) == status
    assert _judged(get(again.url)) == before
    assert "Sentiment is on: tests.sentiment.analysers:by_length" in get(again.url, "/")


@tries(30)
@given(mutated())
def test_a_mutated_body_has_texts_or_is_invalid(sent: tuple[str, bytes]) -> None:
    """Whatever a client sends, reading its texts gives texts or `InvalidEvent`."""
    platform, body = sent
    said = PLATFORMS[platform].said
    with suppress(InvalidEvent):
        assert all(isinstance(each.text, str) for each in (said(body) if said else ()))


async def _post(url: str, body: dict[str, Any]) -> int:
    async with aiohttp.ClientSession() as http, http.post(f"{url}/webhook/interactly", json=body) as answer:
        return answer.status


def _judged(metrics: str) -> list[str]:
    names = ("voice_message_sentiment", "voice_message_negative")
    return [line for line in metrics.splitlines() if line.startswith(names)]


def _calls() -> tuple[Metric, tuple[str, str]]:
    return CALLS_STARTED, ("interactly", payload("conversation-update")["message"]["call"]["assistantId"])


def _lengthened(body: dict[str, Any], platform: str) -> bytes:
    """The body with one long text, of a user."""
    name = {"interactly": "text", "retell": "content"}.get(platform, "message")
    left = ["z" * LONG + "\N{GRINNING FACE}"]

    def walk(node: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("role") == "user" and node.get(name) and left:
            return {**node, name: left.pop()}
        return {key: walk(value) for key, value in node.items()}

    return json.dumps(walk(body), ensure_ascii=False).encode()
