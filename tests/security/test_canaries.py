"""Nothing private gets out: marked content goes in everywhere, and is looked for everywhere."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from exporter.errors import InvalidEvent
from exporter.platforms import PLATFORMS
from exporter.sentiment import DEFAULT
from tests.calls.tally import FIXTURES
from tests.conftest import StartExporter
from tests.security.canaries import LABEL, TEXT, Canaries, stuffed
from tests.security.faulty import FAULTS
from tests.security.hostile import requests
from tests.security.raw import Connection, ask, get, request
from tests.support.waiting import until

LABELS = """\
interactly message.assistant.assistantModel
interactly message.assistant.assistantProvider
interactly message.assistant.config.speech.stt.vendor
interactly message.assistant.config.speech.ttsData[].vendor
interactly message.call.assistantId
interactly message.error.code
interactly message.error.provider
interactly message.phone.provider.name
vapi assistant.model.model
vapi assistant.model.provider
vapi assistant.transcriber.provider
vapi assistant.voice.provider
vapi call.assistantId
vapi message.assistant.model.model
vapi message.assistant.model.provider
vapi message.assistant.transcriber.provider
vapi message.assistant.voice.provider
vapi message.call.assistantId
vapi message.call.transport.provider
vapi message.costs[].model.model
vapi message.costs[].model.provider
vapi message.costs[].provider
vapi message.costs[].transcriber.provider
vapi message.costs[].voice.provider
vapi message.messages[].toolCalls[].function.name
retell call.agent_id
retell call.transcript_with_tool_calls[].name
elevenlabs data.agent_id
elevenlabs data.transcript[].conversation_turn_metrics.convai_asr_provider
elevenlabs data.transcript[].tool_results[].tool_name
events assistant.id
events assistant.llm_model
events assistant.llm_provider
events assistant.stt_provider
events assistant.tts_provider
events costs[].provider
events error.code
events error.provider
""".splitlines()
"""Where label values come from: ids of assistants, providers, models, error codes, tools. Nothing else may show."""

NAMES = [
    "interactly message.assistant.name",
    "vapi assistant.name",
    "vapi message.assistant.name",
    "retell call.agent_name",
    "elevenlabs data.agent_name",
    "events assistant.name",
]
"""Names of assistants, which may be any text."""

RESULT = "vapi message.messages[].name"
"""A tool's name as its result has it: remembered until the call of the tool is known."""

CALLS = [
    "interactly message.call.id",
    "vapi call.id",
    "vapi message.call.id",
    "retell call.call_id",
    "elevenlabs data.conversation_id",
    "events call_id",
]
"""Ids of calls: exemplars and incidents where they have the form of a label value."""

ROOM = "{assistant_id: 100000, provider: 100000, model: 100000, error_code: 100000, tool: 100000}"
OPENMETRICS = b"Accept: application/openmetrics-text"


def bodies(canaries: Canaries) -> dict[str, list[bytes]]:
    """Every fixture of all platforms, stuffed."""
    found = {name: sorted((FIXTURES / name).glob("*.json")) for name in PLATFORMS}
    read = {name: [json.loads(path.read_text()) for path in paths] for name, paths in found.items()}
    return {
        name: [
            body
            for fixture in fixtures
            if {"message", "type", "event"} & fixture.keys()
            for body in stuffed(name, fixture, canaries)
        ]
        for name, fixtures in read.items()
    }


async def post(url: str, by_platform: dict[str, list[bytes]]) -> str:
    """Post the bodies of each platform in their order: all that was answered."""
    answers = []

    async def send(session: aiohttp.ClientSession, name: str) -> None:
        for body in by_platform[name]:
            async with session.post(f"{url}/webhook/{name}", data=body) as answer:
                answers.append(f"{answer.status} {answer.headers} {await answer.text()}")

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session, name) for name in by_platform))
    return "\n".join(answers)


def stored(folder: Path) -> bytes:
    """All bytes of a storage directory, once it rests: a checkpoint moves them from file to file."""

    def read() -> bytes:
        return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))

    return until("the storage rests", lambda: found if (found := read()) == read() else None)


@pytest.mark.parametrize("form", [LABEL, TEXT], ids=["label", "text"])
async def test_of_a_body_only_label_sources_show(start_exporter: StartExporter, tmp_path: Path, form: str) -> None:
    """Whatever field a name, number, transcript, prompt, secret or token is in, as value or as key: nobody sees it."""
    config = tmp_path / "config.yml"
    config.write_text(f"labels: {{max_series: 1000000, max_values: {ROOM}}}\n")
    canaries = Canaries(form)
    exporter = start_exporter(f"--config.file={config}", "--log.level=debug")
    answers = await post(exporter.url, bodies(canaries))
    assert len(canaries) > 2000
    shown, calls = ({*LABELS, *NAMES}, {*CALLS}) if form == LABEL else ({*NAMES}, set())

    assert canaries.in_(get(exporter.url)) == shown
    assert canaries.in_(get(exporter.url, "/metrics", OPENMETRICS)) == shown | calls
    assert canaries.in_(get(exporter.url, "/")) == set()
    for accept in (b"Accept: text/html", b"Accept: application/json"):
        assert calls <= canaries.in_(get(exporter.url, "/incidents", accept)) <= shown | calls
    assert canaries.in_(answers) == set()
    assert canaries.in_(stored(tmp_path / "data")) - {RESULT} == shown | calls
    exporter.signal(signal.SIGKILL)
    exporter.wait()
    assert canaries.in_(stored(tmp_path / "data")) - {RESULT} == shown | calls
    again = start_exporter("--log.level=debug")
    assert again.stop() == 0
    assert canaries.in_(stored(tmp_path / "data")) - {RESULT} == shown | calls
    # A line for each hang and error, which names no assistant but by its id.
    assert calls <= canaries.in_(exporter.log) <= (shown | calls) - {*NAMES}
    assert canaries.in_(again.log) == set()


@pytest.mark.parametrize("analyser", [DEFAULT, "tests.sentiment.analysers:indiscreet"], ids=["default", "indiscreet"])
async def test_of_a_judged_text_only_its_sentiment_shows(
    start_exporter: StartExporter, aiohttp_server: AiohttpServer, tmp_path: Path, analyser: str
) -> None:
    """Where texts are decoded and judged, they get nowhere, even if the analyser raises an error that holds them."""
    config, pushed, told = tmp_path / "config.yml", list[str](), asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        pushed.append(await request.text())
        if "VoiceNegativeSentiment" in pushed[-1]:
            told.set()
        return web.Response()

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/api/v2/alerts", take)
    alertmanager = await aiohttp_server(app)
    config.write_text(
        f"sentiment: {{enabled: true, analyser: '{analyser}', alert_above: 0}}\n"
        f"alertmanager: {{urls: ['{alertmanager.make_url('/')}']}}\n"
    )
    canaries = Canaries(f"This is terrible. {TEXT}")
    exporter = start_exporter(f"--config.file={config}", "--log.level=debug")
    answers = await post(exporter.url, bodies(canaries))
    shown = {*NAMES}

    if analyser == DEFAULT:
        await asyncio.wait_for(told.wait(), 20)
    assert pushed
    assert canaries.in_("".join(pushed)) <= shown
    metrics = get(exporter.url)
    judged = {outcome for outcome in ("judged", "failed") if f'analyses_total{{outcome="{outcome}"}} 0' not in metrics}
    assert judged == ({"judged"} if analyser == DEFAULT else {"failed"})
    assert ('sentiment="negative"' in metrics) == (analyser == DEFAULT)
    assert canaries.in_(metrics) == shown
    assert canaries.in_(get(exporter.url, "/metrics", OPENMETRICS)) == shown
    assert canaries.in_(get(exporter.url, "/")) == set()
    for accept in (b"Accept: text/html", b"Accept: application/json"):
        page = get(exporter.url, "/incidents", accept)
        assert ("sentiment: negative" in page or '"kind": "sentiment"' in page) == (analyser == DEFAULT)
        assert canaries.in_(page) <= shown
    assert canaries.in_(answers) == set()
    assert canaries.in_(stored(tmp_path / "data")) - {RESULT} == shown
    assert exporter.stop() == 0
    assert canaries.in_(stored(tmp_path / "data")) - {RESULT} == shown
    assert canaries.in_(exporter.log) == set()


def test_of_a_refused_request_nothing_shows(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Headers, queries, paths, hosts, methods and broken bodies leave no trace, nor do the secrets."""
    canaries = Canaries(LABEL)
    secret = canaries.new("the secret").encode()
    exporter = start_exporter("--log.level=debug", VOICE_EXPORTER_WEBHOOK_SECRET=secret.decode())
    headers = [name + b": " + secret for name in (b"X-Vapi-Secret", b"X-Interactly-Secret")]
    answers = []
    for data in requests(canaries, *headers):
        connection = Connection(exporter.url)
        connection.send(data)
        answers.append(connection.whatever())
        connection.close()

    assert len(canaries) > 400
    assert sum(answer.startswith(b"HTTP/1.") for answer in answers) > 400
    assert canaries.in_(b"\n".join(answers)) == set()
    assert (
        canaries.in_(get(exporter.url) + get(exporter.url, "/metrics", OPENMETRICS) + get(exporter.url, "/")) == set()
    )
    assert canaries.in_(stored(tmp_path / "data")) == set()
    assert exporter.stop() == 0
    assert canaries.in_(stored(tmp_path / "data")) == set()
    assert canaries.in_(exporter.log) == set()


async def test_only_the_queue_of_a_relay_holds_bodies(start_exporter: StartExporter, tmp_path: Path) -> None:
    """What waits for an application that is down is in its one file; no log, page or answer shows it, or its URL."""
    canaries, urls = Canaries(TEXT), Canaries(LABEL)
    relay = {"url": f"http://127.0.0.1:1/{urls.new('path')}?token={urls.new('query')}", "ack": "exporter"}
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"webhooks": {name: {"relay": relay} for name in PLATFORMS}}))
    exporter = start_exporter(f"--config.file={config}", "--log.level=debug")
    answers = await post(exporter.url, {name: sent[:40] for name, sent in bodies(canaries).items()})
    until("the application is missed", lambda: "level=warn" in exporter.log.partition("msg=ready")[2])

    assert canaries.in_(get(exporter.url) + get(exporter.url, "/") + answers) <= {*NAMES}
    assert canaries.in_(exporter.log) == set()
    queue = [path for path in (tmp_path / "data").iterdir() if "queue" in path.name]
    assert canaries.in_(b"".join(path.read_bytes() for path in queue))
    rest = [path for path in (tmp_path / "data").iterdir() if path not in queue]
    assert canaries.in_(b"".join(path.read_bytes() for path in rest)) <= {*NAMES}


@pytest.mark.parametrize("form", [LABEL, TEXT], ids=["label", "text"])
def test_no_exception_shows_a_body(form: str) -> None:
    """What a parser raises names a place and no content, in its text, its repr and its traceback."""
    canaries = Canaries(form)
    raised = []
    for name, stuffed_bodies in bodies(canaries).items():
        for body in stuffed_bodies[::3]:
            for broken in (
                body,
                body[: len(body) // 2],
                body.replace(b"message", b"massage"),
                body[::-1],
                b"\xff" + body,
            ):
                try:
                    PLATFORMS[name].parse(broken)
                except InvalidEvent as error:
                    raised.append("".join(traceback.format_exception(error)) + repr(error) + str(error.args))

    assert len(raised) > 500
    assert canaries.in_("\n".join(raised)) == set()


@pytest.mark.parametrize("fmt", ["logfmt", "json"])
def test_not_even_a_defect_shows_a_body(tmp_path: Path, fmt: str) -> None:
    """An exception that holds a body, in whatever part of the exporter, is logged by its type and place."""
    log, canaries, answers = tmp_path / "log", Canaries(TEXT), []
    flags = ["--web.listen-address=127.0.0.1:0", f"--storage.path={tmp_path / 'data'}", f"--log.format={fmt}"]
    command = [sys.executable, "-m", "tests.security.faulty", "serve", "--log.level=debug", *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until("ready in the log", lambda: "ready" in log.read_text())
        address = re.findall(r"127\.0\.0\.1:\d+", log.read_text())[0]
        for fault in FAULTS:
            body = {"message": {"type": "hang", "timestamp": 1, "text": canaries.new(fault), "fault": f"fault-{fault}"}}
            sent = request(b"/webhook/vapi", body=json.dumps(body).encode())
            answers.append(ask(f"http://{address}", sent))
    finally:
        process.kill()
        process.wait()

    assert [status for status, _ in answers] == [503] * len(FAULTS)
    assert canaries.in_(b"".join(body for _, body in answers)) == set()
    assert canaries.in_(stored(tmp_path / "data")) == set()
    assert log.read_text().count("RuntimeError at ") == len(FAULTS)
    assert canaries.in_(log.read_text()) == set()
