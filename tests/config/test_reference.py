from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter import config
from exporter.config import Config
from exporter.config.keys import KEYS, REFERENCE
from exporter.config.platform import AUTH_TYPES
from exporter.yamlfile.durations import parse_duration
from exporter.yamlfile.schema import Key
from tests.config.files import write

VAPI: Final = "webhooks.vapi"


def test_the_reference_lists_every_key_once() -> None:
    """Each key has its row, those of the platforms in one for both."""
    rows = [line.split(" | ") for line in config.reference().splitlines()[2:]]
    paths = [row[0].removeprefix("| ").strip("`") for row in rows]
    assert len(set(paths)) == len(paths)
    assert all(len(row) == 5 for row in rows)
    expanded = {path.replace("<platform>", name) for path in paths for name in ("interactly", "vapi")}
    assert expanded == {key.path for key in KEYS}


def test_the_reference_shows_the_defaults_in_force() -> None:
    """The defaults come from the settings themselves."""
    rows = {line.split("`")[1]: line.split(" | ")[2] for line in config.reference().splitlines()[2:]}
    assert rows["webhooks.<platform>.relay.timeout"] == "18s"
    assert rows["webhooks.<platform>.auth.payload_format"] == "{timestamp}.{body}"
    assert rows["webhooks.<platform>.auth.secret_is_base64"] == "false"
    assert rows["labels.max_values.error_code"] == "100"
    assert parse_duration(rows["calls.retention"]) == Config().calls.retention
    assert (rows["timezone"], rows["limits.rate_limit"]) == ("UTC", "none")


def build(*entries: tuple[str, str]) -> str:
    """A file with keys given as path and YAML."""
    tree: dict[str, Any] = {}
    for path, written in entries:
        here = tree
        *sections, name = path.split(".")
        for section in sections:
            here = here.setdefault(section, {})
        here[name] = yaml.safe_load(written)
    return yaml.safe_dump(tree)


def needs(path: str) -> list[tuple[str, str]]:
    """What has to stand beside a key of Vapi's for it to mean anything."""
    option = path.rpartition(".")[2]
    if ".auth." in path and option != "type":
        return [(f"{VAPI}.secrets", "[c2VjcmV0]"), (f"{VAPI}.auth.type", AUTH_TYPES[option][0])]
    if ".relay." in path and option != "url":
        return [(f"{VAPI}.relay.url", "http://127.0.0.1:1/")]
    if option == "header":
        return [("webhooks.interactly.secrets", "[c2VjcmV0]")]
    return [(f"{VAPI}.secrets", "[c2VjcmV0]")] if path.endswith(".auth.type") else []


@pytest.mark.parametrize("key", REFERENCE, ids=lambda key: key.path)
def test_the_references_examples_work(tmp_path: Path, key: Key) -> None:
    """Each example, beside what it needs, is accepted and makes a difference."""
    (tmp_path / "interactly").write_text("s3cr3t-from-a-file")
    path, example = key.path.replace("<platform>", "vapi"), key.example.replace("/run/secrets", str(tmp_path))
    without = config.load(write(tmp_path, build(*needs(path))))
    assert config.load(write(tmp_path, build(*needs(path), (path, example)))) != without
