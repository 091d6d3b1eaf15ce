"""Large YAML files, which LibYAML reads and writes ten times as fast as Python."""

from typing import Any

import yaml


def loaded(text: str, *, strings: bool = False) -> Any:  # noqa: ANN401 - whatever is in it
    """What a file says; with ``strings``, every scalar as it is written."""
    return yaml.load(text, yaml.CBaseLoader if strings else yaml.CSafeLoader)  # noqa: S506 - both are safe


def dumped(content: object) -> str:
    """A file that says so, one line a string."""
    written: str = yaml.dump(content, Dumper=yaml.CSafeDumper, width=1_000_000, sort_keys=False)
    return written
