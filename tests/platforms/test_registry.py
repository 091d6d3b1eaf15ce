"""A platform is one object: a third one, in the tests only, is everywhere where the other two are."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from exporter.calls.assistants import SHARED_LABELS
from exporter.config import Config
from exporter.errors import InvalidEvent
from exporter.metrics.catalogue import ASSISTANT_INFO, EVENT_SUBSCRIBED
from exporter.platforms import HANGS_UNKNOWN, PLATFORMS
from exporter.recording.recorder import Recorder
from exporter.replay.origin import platform_of
from exporter.store.memory import MemoryStore
from grafana.builder.colours import PLATFORMS as COLOURS
from tests.calls.tally import FIXTURES
from tests.conftest import StartExporter
from tests.support.pages import ROOT

MODULES = ("tests.platforms.invented", "exporter")
SECRET = "an invented secret"
BEGUN = {"invented": "begun", "at": 1772702473000, "talk": "t-1", "bot": "front-desk"}
OVER = {"invented": "over", "at": 1772702533000, "talk": "t-1"}
STARTED = 'voice_calls_started_total{platform="invented",assistant_id="front-desk"} 1\n'


def command(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter that knows the third platform."""
    line = [sys.executable, "-m", *MODULES, *arguments]
    return subprocess.run(line, input=text, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


async def post(url: str, body: object, secret: str | None = SECRET) -> int:
    """Post a body to the platform's webhook: the status."""
    headers = {"x-invented-secret": secret} if secret else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/webhook/invented", json=body, headers=headers) as answer,
    ):
        return answer.status


async def test_serve_counts_its_events_behind_its_own_secret(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Its header lets requests in, and what needs an answer is refused while there is no relay."""
    path = tmp_path / "exporter.yml"
    path.write_text(f"webhooks: {{invented: {{secrets: ['{SECRET}']}}}}\n")
    exporter = start_exporter(f"--config.file={path}", modules=MODULES)

    assert await post(exporter.url, BEGUN) == 200
    assert await post(exporter.url, OVER) == 200
    assert await post(exporter.url, BEGUN, None) == 401
    assert await post(exporter.url, BEGUN, "another") == 401
    assert await post(exporter.url, {"invented": "may-i"}) == 501
    assert await post(exporter.url, {}) == 400

    async with aiohttp.ClientSession() as session, session.get(f"{exporter.url}/metrics") as answer:
        text = await answer.text()
    assert STARTED in text
    assert 'voice_exporter_webhooks_total{platform="invented",event="may-i",outcome="unanswerable"} 1\n' in text
    assert 'voice_assistant_info{platform="invented",assistant_id="other",' in text


def test_check_config_knows_its_keys(tmp_path: Path) -> None:
    """All keys that a platform has, and no others."""
    path = tmp_path / "exporter.yml"
    path.write_text("webhooks: {invented: {secrets: [s3cr3t-of-autumn], relay: {url: 'http://127.0.0.1:8080/'}}}\n")
    assert command("check-config", str(path)).returncode == 0
    path.write_text("webhooks: {invented: {secret: x}}\n")
    done = command("check-config", str(path))
    assert done.returncode == 2
    assert "webhooks.invented.secret" in done.stderr


def test_replay_knows_its_recordings() -> None:
    """They are told from the others' by their fields."""
    done = command("replay", "-", text=f"{json.dumps(BEGUN)}\n{json.dumps(OVER)}\n")
    assert done.returncode == 0, done.stderr
    assert STARTED in done.stdout


def test_docs_name_it() -> None:
    """The pages that are generated list it."""
    build = (
        "import runpy, tests.platforms.invented.__main__;"
        "print(*(page() for page in runpy.run_path('docs/build.py')['PAGES'].values()))"
    )
    pages = subprocess.run(
        [sys.executable, "-c", build], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert ", `invented` |" in pages.stdout
    assert re.search(r"--platform \{[a-z,]*invented[a-z,]*\}", pages.stdout)


@pytest.mark.parametrize("name", PLATFORMS)
def test_names_are_where_they_are_looked_for(name: str) -> None:
    """A platform is registered under its own name, and its colour on the boards is no other one's."""
    platform = PLATFORMS[name]
    assert platform.name == name
    assert platform.counted <= platform.events
    assert platform.needs_answer <= platform.events
    assert [other for other, colour in COLOURS.items() if colour == platform.colour] == [name]


@pytest.mark.parametrize("name", PLATFORMS)
async def test_platforms_without_hang_events_say_so(name: str) -> None:
    """That no hang event comes does not mean that nothing hangs: the metric is 0."""
    recorder = Recorder(Config(), MemoryStore())
    recorder.load()
    await recorder.start()
    for path in (FIXTURES / name).glob("*.json"):
        with suppress(InvalidEvent):
            await recorder.record(PLATFORMS[name].parse(path.read_bytes()))
    await recorder.stop()
    rows = [labels for labels, subscribed in dict(recorder.derived())[EVENT_SUBSCRIBED] if not subscribed]
    hangs = {assistant for _, assistant, event in rows if event == "hang"}
    known = {labels[1] for labels, _ in dict(recorder.derived())[ASSISTANT_INFO]} - SHARED_LABELS
    assert (name in HANGS_UNKNOWN) == ("hang" not in PLATFORMS[name].counted)
    if name in HANGS_UNKNOWN:
        assert hangs == known != set()


@pytest.mark.parametrize("name", PLATFORMS)
def test_recordings_are_told_apart(name: str) -> None:
    """Every fixture is recognised by the platform that it is of, before any other."""
    paths = [path for path in (FIXTURES / name).glob("*.json") if path.stem != "schemas"]
    assert [path.stem for path in paths if platform_of(path.read_bytes()) != name] == []
    assert paths


def test_a_body_of_nobody_is_the_first_platforms() -> None:
    """So that its complaint is given, whatever it is."""
    for body in (b"", b"[]", b"no JSON", b"{}", b'{"message": {"type": "hang"}}'):
        assert platform_of(body) == next(iter(PLATFORMS))
