import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from exporter import config
from exporter.config import Config
from exporter.config.reference import reference_keys
from exporter.errors import ConfigError
from tests.config.files import CANARY, FIXTURES
from tests.support.effort import effort

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10s", "0", "hmac", "none", "http://127.0.0.1/", "c2VjcmV0", "UTC", "x-a", "{body}", "3", 3, 5])
)
KEYS = [replace(key, path=key.path.replace("<platform>", "vapi")) for key in reference_keys() if "[]" not in key.path]
NAMES = st.sampled_from(sorted({name for key in KEYS for name in key.path.split(".")})) | st.text(max_size=4)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
VALUES = st.dictionaries(st.sampled_from([key.path for key in KEYS]), LEAVES | st.lists(LEAVES, max_size=3), max_size=5)
CONTRACT = (FIXTURES / "valid" / "contract.yml").read_text()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for many examples."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "one-secret").write_text("s3cr3t-from-a-file")
    (folder / "etc").mkdir()
    return folder / "etc" / "voice.yml"


def accepted(file: Path, data: bytes) -> bool:
    """Whether the file is a configuration; if not, each fault is one clear line that holds no secret."""
    file.write_bytes(data)
    error = None
    try:
        assert isinstance(config.load(file), Config)
    except ConfigError as raised:
        error = raised
    lines = str(error).split("\n") if error else []
    assert len(lines) == len(error.faults if error else [])
    for line in lines:
        assert re.match(rf"{re.escape(str(file))}(:\d+)?: \S", line)
        assert line.isprintable()
        assert CANARY not in line
    return error is None


@effort(60)
@given(st.binary(max_size=60))
@example(b"")
@example(b"\xff\xfe")
@example("calls: {max_retries: 5}".encode("utf-16"))
def test_any_bytes_are_a_configuration_or_a_fault(file: Path, data: bytes) -> None:
    """Whatever bytes a file holds, it loads or is refused with its faults."""
    accepted(file, data)


@effort(60)
@given(DOCUMENTS)
def test_any_document_is_a_configuration_or_a_fault(file: Path, document: object) -> None:
    """Whatever YAML a file holds, it loads or is refused with its faults."""
    accepted(file, yaml.safe_dump(document).encode())


@effort(60)
@given(VALUES)
@example({"webhooks.vapi.auth": "hmac", "webhooks.vapi.secrets": [3]})
@example({"webhooks.vapi.auth.type": "hmac", "webhooks.vapi.auth": "none"})
def test_any_values_are_a_configuration_or_a_fault(file: Path, values: dict[str, object]) -> None:
    """Whatever stands behind the keys there are, the file loads or is refused with its faults."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *sections, name = path.split(".")
        here = tree
        for section in sections:
            inner = here.setdefault(section, {})
            here = inner if isinstance(inner, dict) else {}
        here[name] = value
    accepted(file, yaml.safe_dump(tree).encode())


@effort(60)
@given(
    st.integers(0, len(CONTRACT)), st.integers(0, 30), st.text(max_size=6) | st.sampled_from([": ", "[", "]", "}", "*"])
)
def test_any_slip_of_the_pen_is_a_configuration_or_a_fault(file: Path, at: int, cut: int, typed: str) -> None:
    """A good file with something cut out or typed in somewhere loads or is refused, and shows none of its secrets."""
    slipped = CONTRACT[:at] + typed + CONTRACT[at + cut :]
    accepted(file, slipped.encode("utf-8", "surrogatepass"))


def test_the_fuzzed_file_is_good_to_begin_with(file: Path) -> None:
    """What the slips start from loads, so that they can do harm."""
    assert accepted(file, CONTRACT.encode())
