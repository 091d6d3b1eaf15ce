"""Configuration files of tests, good and bad."""

from pathlib import Path
from typing import Final

import pytest

from exporter import config
from exporter.errors import ConfigError

FIXTURES: Final = Path(__file__).parent.parent / "fixtures" / "config"

CANARY: Final = "s3cr3t"
"""In every secret of the fixtures."""


def write(folder: Path, text: str) -> Path:
    """A configuration file with that text."""
    path = folder / "voice.yml"
    path.write_text(text)
    return path


def valid(name: str) -> config.Config:
    """The configuration of a good fixture."""
    return config.load(FIXTURES / "valid" / f"{name}.yml")


def faults(path: Path) -> str:
    """What is wrong with a file, without the file's name."""
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    return "\n".join(line.removeprefix(str(path)).lstrip(": ") for line in str(raised.value).splitlines())
