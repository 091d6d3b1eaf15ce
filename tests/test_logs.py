import asyncio
import json
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import logs

CANARY = "CANARY-Ada-Example-555-0100"
LOGGER = logging.getLogger("exporter.test_logs")
LINE = re.compile(r'(?:^| )([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^ ="]*)')


class Lines:
    """The lines that logging writes in one format."""

    def __init__(self, fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._fmt = fmt
        self._capsys = capsys

    def start(self) -> None:
        """Set up; within the test, as pytest exchanges stderr and adds handlers of its own before it."""
        logs.setup("debug", self._fmt)

    def read(self) -> list[dict[str, object]]:
        """The lines written since, read back."""
        read = json.loads if self._fmt == "json" else read_logfmt
        return [read(line) for line in self._capsys.readouterr().err.splitlines()]


@pytest.fixture(params=["logfmt", "json"])
def lines(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Both formats, one after the other."""
    return Lines(request.param, capsys)


def read_logfmt(line: str) -> dict[str, object]:
    """The pairs of a line, which has to consist of nothing else."""
    assert LINE.sub("", line) == ""
    return {key: json.loads(value) if value.startswith('"') else value for key, value in LINE.findall(line)}


def raise_through(text: str) -> None:
    """Raises a ValueError whose text and locals hold the text."""
    held = text
    raise ValueError(held)


def test_a_record_is_time_level_logger_message_and_fields(lines: Lines) -> None:
    """A record becomes one line: when, how bad, where, what, and its fields in order."""
    lines.start()
    LOGGER.warning("stored %d events", 3, extra={"platform": "vapi", "path": "/var/my data"})
    [line] = lines.read()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert list(line.items()) == [
        ("level", "warn"),
        ("logger", "exporter.test_logs"),
        ("msg", "stored 3 events"),
        ("platform", "vapi"),
        ("path", "/var/my data"),
    ]


def test_time_is_utc_to_the_millisecond(capsys: pytest.CaptureFixture[str]) -> None:
    """The time of a record is its own, in UTC."""
    logs.setup("info", "logfmt")
    LOGGER.handle(
        logging.makeLogRecord({"name": "exporter", "msg": "m", "levelno": logging.INFO, "created": 1_700_000_000.1239})
    )
    assert capsys.readouterr().err.startswith("time=2023-11-14T22:13:20.123Z level=")


def test_plain_values_stay_bare(capsys: pytest.CaptureFixture[str]) -> None:
    """What needs no quotes gets none, also beyond ASCII."""
    logs.setup("info", "logfmt")
    logs.log(LOGGER, logging.INFO, "läuft", port=10060, ratio=0.5, ok=True, none=None, empty="", path=r"C:\x")
    assert capsys.readouterr().err.partition("msg=")[2] == (
        "läuft port=10060 ratio=0.5 ok=true none=null " + 'empty="" path=C:\\x\n'
    )


def test_json_keeps_the_types_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers, truth values and null stay what they are; what JSON has no word for becomes text."""
    logs.setup("info", "json")
    logs.log(LOGGER, logging.INFO, "m", port=1, ok=False, none=None, ratio=0.5, nan=float("nan"), listed=[1])
    line = json.loads(capsys.readouterr().err, parse_constant=pytest.fail)
    assert [line[key] for key in ("port", "ok", "none", "ratio", "nan", "listed")] == [
        1,
        False,
        None,
        0.5,
        "nan",
        "[1]",
    ]


@pytest.mark.parametrize(
    "attack",
    [
        "a\ntime=2026-01-01T00:00:00.000Z level=error msg=forged",
        'a" level=error msg="forged',
        'a\\" level=error msg=\\"forged',
        '"}\n{"level": "error"',
        "a level=error",
        "\x1b[2Jred\x1b[31m",
        "a\r\nb\tc\x00d\x7f\x85\u2028\u2029\u202e",
        "\ud800",
        "=",
        '"',
        " ",
    ],
)
def test_values_cannot_forge_lines_or_fields(lines: Lines, attack: str) -> None:
    """Whatever a message or a value holds, it reads back as that one value on one line of printable characters."""
    lines.start()
    LOGGER.info("%s", attack, extra={"value": attack})
    [line] = lines.read()
    assert (line["level"], line["msg"], line["value"]) == ("info", attack, attack)
    assert list(line) == ["time", "level", "logger", "msg", "value"]


@pytest.mark.parametrize("fmt", logs.FORMATS)
def test_lines_hold_nothing_that_moves_a_terminal(capsys: pytest.CaptureFixture[str], fmt: str) -> None:
    """No control or direction character reaches the terminal as itself."""
    logs.setup("info", fmt)
    LOGGER.info("\x1b[2J\r\x07\x9b\u202e\u2028", extra={"value": "\x1b]0;title\x07"})
    assert capsys.readouterr().err.removesuffix("\n").isprintable()


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_reads_back(message: str, value: str) -> None:
    """Any text survives both formats, and stays within its line and field."""
    record = logging.makeLogRecord({"name": "exporter", "msg": message, "fields": {"value": value}})
    for fmt, read in (("logfmt", read_logfmt), ("json", json.loads)):
        line = logs._Formatter(logs.FORMATS[fmt]).format(record)
        assert line.isprintable()
        assert (read(line)["msg"], read(line)["value"]) == (message, value)


def test_field_names_cannot_break_out_or_hide_the_record(lines: Lines) -> None:
    """A field's name is reduced to harmless characters and never replaces what the record itself says."""
    lines.start()
    LOGGER.info("m", extra={"fields": {'a b="c': 1, "": 2, "level": "error", "time": "never"}})
    [line] = lines.read()
    assert (line["level"], line["level_"], line["time_"]) == ("info", "error", "never")
    assert {"a_b__c", "_"} < line.keys()


def test_log_takes_names_that_records_reserve(lines: Lines) -> None:
    """Fields may have names that logging's own extra refuses."""
    lines.start()
    logs.log(LOGGER, logging.ERROR, "m", name="n", module="o", args="p")
    [line] = lines.read()
    assert (line["level"], line["name"], line["module"], line["args"]) == ("error", "n", "o", "p")


def test_an_exception_is_its_type_and_the_way_it_came(lines: Lines) -> None:
    """An exception shows its type and module:line of each step, innermost last; not its text, cause or locals."""
    lines.start()
    try:
        try:
            raise_through(CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError:
        LOGGER.exception("failed")
    [line] = lines.read()
    assert re.fullmatch(rf"KeyError at {re.escape(__name__)}:\d+", str(line["error"]))
    assert CANARY not in str(line)


def test_an_exception_names_every_step() -> None:
    """The steps are in the order of the calls."""
    with pytest.raises(ValueError, match=CANARY) as raised:
        raise_through(CANARY)
    steps = re.fullmatch(r"ValueError at (\S+) > (\S+)", logs.cause(raised.value))
    assert steps
    assert [step.rpartition(":")[0] for step in steps.groups()] == [__name__, __name__]


def test_deep_exceptions_keep_their_innermost_steps() -> None:
    """However deep the recursion, the line stays short."""

    def fall(depth: int) -> None:
        if not depth:
            raise_through("x")
        fall(depth - 1)

    with pytest.raises(ValueError, match="x") as raised:
        fall(100)
    assert logs.cause(raised.value).count(" > ") == 7
    assert logs.cause(raised.value).endswith(f":{raise_through.__code__.co_firstlineno + 3}")


def test_an_exception_that_was_never_raised_is_its_type() -> None:
    """Without a traceback the type is all there is."""
    assert logs.cause(ValueError(CANARY)) == "ValueError"


async def test_asyncio_shows_no_exception_text(lines: Lines) -> None:
    """What asyncio says of a failed callback or task is cut before it prints the exception or its arguments."""
    lines.start()
    loop = asyncio.get_running_loop()
    failed = asyncio.Event()

    def fail(text: str) -> None:
        loop.call_soon(failed.set)
        raise ValueError(text)

    loop.call_soon(fail, CANARY)
    loop.call_exception_handler({"message": "Task was lost", "future": CANARY, "exception": ValueError(CANARY)})
    await failed.wait()
    written = [line for line in lines.read() if line["level"] == "error"]
    assert [line["msg"] for line in written] == ["Task was lost", written[1]["msg"]]
    assert str(written[1]["msg"]).startswith("Exception in callback")
    assert str(written[1]["error"]).startswith("ValueError at ")
    assert CANARY not in str(written)


def test_a_broken_call_site_still_says_its_message(lines: Lines) -> None:
    """Arguments that do not fit their message are left out, not printed with a traceback."""
    lines.start()
    LOGGER.error("%d calls", CANARY)
    [line] = lines.read()
    assert line["msg"] == "%d calls"
    assert CANARY not in str(line)


def test_a_value_that_cannot_be_shown_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A record that fails to render is dropped without a word of its content."""
    logs.setup("info", "logfmt")

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(CANARY)

    LOGGER.info("m", extra={"value": Broken()})
    assert capsys.readouterr() == ("", "")


def test_level_is_a_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    """Records below the level are not written."""
    logs.setup("warn", "logfmt")
    LOGGER.info("quiet")
    LOGGER.warning("loud")
    assert [read_logfmt(line)["msg"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_setup_again_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """After a second setup each record is written once, in the second format."""
    logs.setup("info", "logfmt")
    logs.setup("info", "json")
    LOGGER.info("once")
    assert json.loads(capsys.readouterr().err)["msg"] == "once"


def test_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """The access log of aiohttp, which shows paths and addresses, is off at every level."""
    logs.setup("debug", "logfmt")
    logging.getLogger("aiohttp.access").error(CANARY)
    assert not logging.getLogger("aiohttp.access").isEnabledFor(logging.CRITICAL)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("level", "fmt"), [("loud", "json"), ("info", "xml"), ("INFO", "json")])
def test_unknown_level_or_format_is_refused(level: str, fmt: str) -> None:
    """A level or format that does not exist is named together with those that do."""
    with pytest.raises(
        ValueError, match=r"'(loud|INFO)' is none of debug, info, warn, error|'xml' is none of logfmt, json"
    ):
        logs.setup(level, fmt)


def test_stderr_is_written_and_stdout_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs never mix with what a command prints."""
    logs.setup("info", "logfmt")
    LOGGER.info("m")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.endswith("msg=m\n")


def test_every_call_site_names_an_event_and_its_fields() -> None:
    """No module words lines of its own: each calls `log`, with a name for the event and fields for what varies."""
    direct = re.compile(r"\b_?log(?:ger)?\.(?:debug|info|warning|error|exception|critical|log)\(")
    package = Path(logs.__file__).parent
    modules = [path for path in package.rglob("*.py") if path.name != "logs.py"]

    assert [path.name for path in modules if direct.search(path.read_text())] == []
