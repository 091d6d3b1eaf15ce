from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter import config
from exporter.config import Config
from exporter.config.authentication import AUTH_TYPES
from exporter.config.reference import reference_keys
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
    assert paths == [key.path for key in reference_keys()]
    assert {"webhooks.<platform>.auth.type", "webhooks.<platform>.relay.targets[].url", "labels.ttl"} <= set(paths)


def test_the_reference_says_what_changes_at_a_restart_only() -> None:
    """What `restart_only_changes` refuses is marked, and nothing else."""
    rows = [line for line in config.reference().splitlines() if "Changes at a restart only." in line]
    assert [row.split("`")[1] for row in rows] == [
        "labels.assistant_id",
        "labels.max_values",
        "labels.max_series",
        "labels.ttl",
        "buckets",
    ]


def test_the_reference_shows_the_defaults_in_force() -> None:
    """The defaults come from the settings themselves."""
    rows = {line.split("`")[1]: line.split(" | ")[2] for line in config.reference().splitlines()[2:]}
    assert rows["webhooks.<platform>.relay.timeout"] == "18s"
    assert rows["webhooks.<platform>.auth.payload_format"] == "{timestamp}.{body}"
    assert rows["webhooks.<platform>.auth.secret_is_base64"] == "false"
    assert rows["labels.max_values"] == "assistant_id 500, provider 50, model 50, error_code 100, tool 50"
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


_PUSHING: Final = {
    "alertmanager.basic_auth.username": [("alertmanager.basic_auth.password_file", "interactly")],
    "alertmanager.basic_auth.password_file": [("alertmanager.basic_auth.username", "voice")],
}
"""What has to stand beside the key of a user."""


def needs(path: str) -> list[tuple[str, str]]:
    """What has to stand beside a key for it to mean anything."""
    option = path.rpartition(".")[2]
    if ".auth.secret" in path and "base64" not in path:
        return []
    if option == "id_header":
        return [*needs(f"{VAPI}.auth.payload_format"), (f"{VAPI}.auth.payload_format", '"{svix-id}.{body}"')]
    if ".auth." in path and option != "type":
        return [(f"{VAPI}.secrets", "[c2VjcmV0]"), (f"{VAPI}.auth.type", AUTH_TYPES[option][0])]
    if ".relay." in path and option != "url":
        return [(f"{VAPI}.relay.url", "http://127.0.0.1:1/")]
    if option == "header":
        return [("webhooks.vapi.secrets", "[c2VjcmV0]")]
    return [(f"{VAPI}.secrets", "[c2VjcmV0]")] if path.endswith(".auth.type") else _PUSHING.get(path, [])


@pytest.mark.parametrize("key", [key for key in reference_keys() if "[]" not in key.path], ids=lambda key: key.path)
def test_the_references_examples_work(tmp_path: Path, key: Key) -> None:
    """Each example, beside what it needs, is accepted and makes a difference."""
    for name in ("interactly", "vapi", "alertmanager", "own-ca.pem"):
        (tmp_path / name).write_text("s3cr3t-from-a-file")
    path, example = key.path.replace("<platform>", "vapi"), key.example.replace("/run/secrets", str(tmp_path))
    # Half a user is none.
    without = Config() if key.path in _PUSHING else config.load(write(tmp_path, build(*needs(path))))
    assert config.load(write(tmp_path, build(*needs(path), (path, example)))) != without
