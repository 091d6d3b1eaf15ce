"""Traffic of every platform: what its bodies say is what happened, whatever went wrong."""

import io
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from exporter.platforms import PLATFORMS
from exporter.replay.origin import platform_of
from exporter.simulate import SCENARIOS, Traffic, arriving, interleaved, simulate
from exporter.simulate.cast import ASSISTANTS
from exporter.simulate.model import EVERY_PLATFORM, Delivery, PlatformName
from exporter.simulate.traffic import MONDAY, encode
from tests.calls.tally import Tally
from tests.conftest import StartExporter
from tests.support.pages import ROOT

SECRET = "a secret of this test"
NEW: tuple[PlatformName, ...] = ("retell", "elevenlabs", "events")
REJECTED = "voice_exporter_rejected_values_total"


def deliveries(platform: PlatformName, scenario: str, calls: int = 40) -> list[Delivery]:
    """The webhooks of so many calls of a platform."""
    traffic = Traffic(platforms=(platform,))
    return list(interleaved(islice(arriving(5, MONDAY, SCENARIOS[scenario], traffic), calls)))


def test_every_platform_has_traffic() -> None:
    """The registry's, and each has assistants of its own."""
    assert set(EVERY_PLATFORM) == PLATFORMS.keys()
    assert {assistant.platform for assistant in ASSISTANTS} == PLATFORMS.keys()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("platform", NEW)
def test_each_body_is_the_platforms_and_counts(platform: PlatformName, scenario: str) -> None:
    """Every call starts and ends once, and no value is one that can't be."""
    sent, tally = deliveries(platform, scenario), Tally()
    bodies = [encode(each.body) for each in sent]
    assert {platform_of(body) for body in bodies} == {platform}
    tally.deliver(*bodies, platform=platform)
    assert tally.total("voice_calls_started_total") == tally.total("voice_calls_ended_total") == 40
    assert tally.total("voice_calls_active") == 0
    assert tally.total(REJECTED) == 0
    assert len(tally.values("voice_response_seconds")) > 40
    assert tally.total("voice_call_cost_dollars_total") > 0
    ids = {labels[1] for labels in tally.series("voice_calls_started_total")}
    assert ids <= {assistant.id for assistant in ASSISTANTS if assistant.platform == platform}


@pytest.mark.parametrize("platform", NEW)
def test_what_goes_wrong_shows(platform: PlatformName) -> None:
    """Slow replies in a hang storm, errors of the LLM where it refuses; hangs where the platform can tell them."""
    storm, limit = Tally(), Tally()
    storm.deliver(*(encode(each.body) for each in deliveries(platform, "hang-storm")), platform=platform)
    limit.deliver(*(encode(each.body) for each in deliveries(platform, "llm-rate-limit")), platform=platform)
    assert storm.total("voice_slow_replies_total") >= 5
    assert (storm.total("voice_hangs_total") > 0) == ("hang" in PLATFORMS[platform].counted)
    assert limit.total("voice_errors_total") >= 3
    assert limit.total("voice_calls_ended_total", outcome="error") >= 3
    assert max(storm.values("voice_response_seconds")) < 30


@pytest.mark.parametrize("platform", NEW)
def test_costs_add_up(platform: PlatformName) -> None:
    """What a call costs in all is the sum of its parts."""
    tally = Tally()
    tally.deliver(*(encode(each.body) for each in deliveries(platform, "normal")), platform=platform)
    per_call = sum(tally.values("voice_cost_per_call_dollars"))
    assert tally.total("voice_call_cost_dollars_total") == pytest.approx(per_call, rel=0.001)


async def test_an_exporter_takes_them_with_its_secret(start_exporter: StartExporter) -> None:
    """Retell's and ElevenLabs' are signed, the others carry it; nothing is refused."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)
    out = io.StringIO()
    code = await simulate(
        exporter.url, 6000, 0.3, "normal", 3, SECRET, out=out, err=out, time_scale=1000, platforms=EVERY_PLATFORM
    )
    assert code == 0, out.getvalue()
    assert "answered 200" in out.getvalue()
    assert "answered 4" not in out.getvalue()
    assert "answered 5" not in out.getvalue()
    sent = {line.split()[0] for line in out.getvalue().splitlines()[1:]}
    assert sent <= PLATFORMS.keys()


def test_the_command_takes_platforms(start_exporter: StartExporter, tmp_path: Path) -> None:
    """--platform may be repeated; without it, it is the two that there always were."""
    exporter = start_exporter()
    command = [sys.executable, "-m", "exporter", "simulate", f"--url={exporter.url}", "--calls-per-minute=6000"]
    command += ["--duration=1s", "--time-scale=1000", "--platform=elevenlabs", "--platform=events"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == {"elevenlabs", "events"}
