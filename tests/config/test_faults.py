import sys
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exporter import config
from exporter.errors import ConfigError
from tests.config.files import CANARY, FIXTURES, faults, write

INVALID = sorted((FIXTURES / "invalid").iterdir())


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_fault_is_one_line_with_place_and_remedy(path: Path) -> None:
    """Each of these files has one fault; its first line is what has to be said of it, and no secret is."""
    expected = path.read_bytes().decode("latin-1").splitlines()[0].removeprefix("# expect: ")
    assert faults(path) == expected
    assert CANARY not in expected


def test_faults_carry_their_parts() -> None:
    """A fault says its file, YAML path, line and message, apart as well as in one line."""
    path = FIXTURES / "invalid" / "auth-unknown-type.yml"
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    [fault] = raised.value.faults
    assert (fault.file, fault.path, fault.line) == (str(path), "webhooks.vapi.auth.type", 3)
    assert fault.message == "expected one of none, header, bearer, hmac, standard, platform"
    assert str(fault) == f"{path}:3: webhooks.vapi.auth.type: {fault.message}"


def test_all_faults_are_told_at_once_in_order_of_lines(tmp_path: Path) -> None:
    """Who has several faults in a file need not find them one by one."""
    text = """
        calls: {max_retries: 0, retention: 5}
        webhooks:
          vapi: {secrets: ["", 5, good], auth: {type: x}, relay: {url: 5}}
        labls: {}
        timezone: Nowhere
    """
    assert [line.split(": ")[:2] for line in faults(write(tmp_path, text)).splitlines()] == [
        ["2", "calls.max_retries"],
        ["2", "calls.retention"],
        ["4", "webhooks.vapi.secrets[0]"],
        ["4", "webhooks.vapi.secrets[1]"],
        ["4", "webhooks.vapi.auth.type"],
        ["4", "webhooks.vapi.relay.url"],
        ["5", "labls"],
        ["6", "timezone"],
    ]


def test_faults_of_both_platforms_are_told(tmp_path: Path) -> None:
    """What only the keys together show is told of each platform."""
    text = "webhooks:\n  vapi: {auth: hmac}\n  interactly: {auth: bearer, relay: {}, secret_files: [nowhere]}\n"
    assert [line.split(": ")[1] for line in faults(write(tmp_path, text)).splitlines()] == [
        "webhooks.vapi.auth",
        "webhooks.interactly.secret_files[0]",
        "webhooks.interactly.relay.url",
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere/voice.yml", "cannot be read: No such file or directory; name a file that this user may read"),
        ("/", "is not a regular file; name one that this user may read"),
        ("/dev/zero", "is not a regular file; name one that this user may read"),
        ("/proc/self/mem", "cannot be read: Input/output error; name a file that this user may read"),
        ("/etc/passwd/voice.yml", "cannot be read: Not a directory; name a file that this user may read"),
        ("/etc/\0", "cannot be read: no valid path; name a file that this user may read"),
        ("/" + "x" * 300, "cannot be read: File name too long; name a file that this user may read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(path: str, message: str) -> None:
    """What keeps a file from being read is one line, without a line number."""
    with pytest.raises(ConfigError) as raised:
        config.load(Path(path))
    assert str(raised.value) == f"{path}: {message}".replace("\0", "\\x00")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """A file that is no configuration by its size is not parsed."""
    assert faults(write(tmp_path, "#" * 1_048_577)) == "is larger than 1048576 bytes; is it the right file?"


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 200_000, "- " * 200_000, "? " * 200_000, "a: &a [*a]"])
def test_a_file_without_an_end_is_refused(tmp_path: Path, text: str) -> None:
    """What nests deeper than Python calls functions is a fault and no traceback."""
    assert faults(write(tmp_path, text)) == "nests without end: is an alias inside of what it names?"


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    """A key of any length and content leaves its fault readable."""
    assert faults(write(tmp_path, '"\\e[2J' + "x" * 900 + '": 1')).startswith(
        '1: "\\u001b[2J' + "x" * 60 + '": unknown key;'
    )


def test_without_time_zone_data_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without time zone data UTC still works, and anything else says what to install."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        written = write(tmp_path, "timezone: Europe/Berlin")
        assert faults(written) == (
            "1: timezone: this machine has no time zone data: install the package tzdata, or use UTC"
        )
        utc = config.load(write(tmp_path, "timezone: UTC")).timezone
        noon = datetime(2026, 7, 1, 12, tzinfo=utc)
        assert (utc.key, noon.utcoffset(), noon.tzname()) == ("UTC", timedelta(0), "UTC")
        assert config.load(None).timezone.key == "UTC"
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()
