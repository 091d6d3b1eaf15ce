"""A process that is told to reload its configuration."""

import signal
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Running, StartExporter
from tests.service.processes import metrics, value
from tests.support.waiting import until
from tests.webhooks.posting import HANG, post

# --- reload ---


async def reloaded(running: Running, done: Callable[[str], bool]) -> str:
    """Send SIGHUP and wait until the log says what is waited for: a scrape."""
    seen = len(running.log)
    running.signal(signal.SIGHUP)
    until("the outcome of the reload in the log", lambda: done(running.log[seen:]))
    return await metrics(running.url)


async def test_secrets_are_rotated_without_a_restart(start_exporter: StartExporter, tmp_path: Path) -> None:
    """SIGHUP takes a new secret, and the one that went is refused from then on."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter(f"--config.file={config}")
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 200
    assert value(await metrics(running.url), "voice_exporter_config_last_reload_successful") == 1
    config.write_text("webhooks: {interactly: {secrets: [winter]}}")

    scrape = await reloaded(running, lambda log: 'msg="configuration reloaded"' in log)

    assert value(scrape, "voice_exporter_config_last_reload_successful") == 1
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 401
    assert (await post(running.url, HANG, x_interactly_secret="winter"))[0] == 200
    assert "autumn" not in running.log
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ("nonsense: 1", "nonsense"),
        ("buckets: {llm_response_seconds: [1, 3, 5]}", "buckets.llm_response_seconds"),
        ("labels: {max_series: 7}", "labels.max_series"),
    ],
)
async def test_a_reload_that_cannot_be_leaves_everything_as_it_was(
    start_exporter: StartExporter, tmp_path: Path, changed: str, key: str
) -> None:
    """A fault, or what takes effect at a restart only: metric, log, and the old secret still in force."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter(f"--config.file={config}")
    success = value(await metrics(running.url), "voice_exporter_config_last_reload_success_timestamp_seconds")
    config.write_text(f"webhooks: {{interactly: {{secrets: [winter]}}}}\n{changed}\n")

    scrape = await reloaded(running, lambda log: 'msg="configuration not reloaded"' in log)

    assert key in running.log
    assert value(scrape, "voice_exporter_config_last_reload_successful") == 0
    assert value(scrape, "voice_exporter_config_last_reload_success_timestamp_seconds") == success
    assert (await post(running.url, HANG, x_interactly_secret="autumn"))[0] == 200
    assert (await post(running.url, HANG, x_interactly_secret="winter"))[0] == 401


async def test_a_reload_cannot_open_a_public_webhook(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Secrets that vanish from the file do not open the door."""
    config = tmp_path / "voice.yml"
    config.write_text("webhooks: {interactly: {secrets: [autumn]}}")
    running = start_exporter("--web.listen-address=0.0.0.0:0", f"--config.file={config}")
    config.write_text("")

    await reloaded(running, lambda log: 'msg="configuration not reloaded"' in log)

    assert (await post(running.url, HANG))[0] == 401


async def test_a_reload_by_http(start_exporter: StartExporter, tmp_path: Path) -> None:
    """The same with ``--web.enable-lifecycle``: the answer says what is wrong."""
    config = tmp_path / "voice.yml"
    config.write_text("")
    running = start_exporter(f"--config.file={config}", "--web.enable-lifecycle")
    config.write_text("labels:\n  ttl: soon\n")
    async with aiohttp.ClientSession() as session, session.post(f"{running.url}/-/reload") as answer:
        assert answer.status == 400
        assert (await answer.text()).startswith(f"{config}:2: labels.ttl: ")
    config.write_text("calls: {max_retries: 5}")
    async with aiohttp.ClientSession() as session, session.post(f"{running.url}/-/reload") as answer:
        assert answer.status == 200
