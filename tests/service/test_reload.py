"""Reloads are all or nothing."""

from functools import partial
from pathlib import Path

import pytest

from exporter import config
from exporter.errors import ConfigError, Fault
from exporter.http.access import AccessControl, WebConfig
from exporter.service.app import is_webhook
from exporter.service.reload import Files, Reloader, Take
from tests.conftest import Serve
from tests.service.test_app import get
from tests.support.service import Service, running
from tests.webhooks.posting import HANG, post

USERS = "basic_auth_users: {ada: $2b$04$RzqhdjaKXdhm1R7IcyWkuux3QjPQYTfWO5RUd7rVjUBdrdHmW9RZK}\n"


def reloader(service: Service, guard: AccessControl, folder: Path, last: Exception | None = None) -> Reloader:
    """What the process reloads with, whose last part fails with that error."""

    def prepare_last(_files: Files) -> Take:
        if last:
            raise last
        return partial(setattr, service, "fault", "taken")

    return Reloader(
        config_file=folder / "voice.yml",
        web_config_file=folder / "web.yml",
        public=False,
        current=config.Config(),
        parts=(
            lambda files: guard.prepare(files.web),
            lambda files: service.webhooks.prepare(files.config, files.closed),
            lambda files: partial(service.recorder.configure, files.config),
            prepare_last,
        ),
        metrics=service.recorder.metrics,
    )


@pytest.mark.parametrize("fails", [True, False])
async def test_a_fault_in_the_last_part_leaves_all_parts_as_they_were(
    serve: Serve, tmp_path: Path, fails: bool
) -> None:
    """Every part builds what it needs before the first one takes anything; without a fault all of them take it."""
    (tmp_path / "voice.yml").write_text("webhooks: {interactly: {secrets: [s3cr3t-of-autumn]}}")
    (tmp_path / "web.yml").write_text(USERS)
    guard = AccessControl(WebConfig(), is_webhook)
    fault = ConfigError(Fault("voice.yml", "", None, "is refused by the last part"))
    async with running() as service:
        guard.install(service.app)
        url = await serve(service.app)

        said = reloader(service, guard, tmp_path, fault if fails else None).reload()

        assert said == ("voice.yml: is refused by the last part" if fails else None)
        assert (await get(url, "/metrics"))[0].status == (200 if fails else 401)
        assert (await post(url, HANG))[0] == (200 if fails else 401)
        assert service.fault == (None if fails else "taken")
        assert service.sample("voice_exporter_config_last_reload_successful") == (0 if fails else 1)
