import pytest

from exporter import config


@pytest.fixture(autouse=True)
def _no_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(config.SECRET_VARIABLE, raising=False)
