"""One value in each notation that senders have for it: both decoders and replay read all of them alike."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from exporter.config import Config
from exporter.metrics import exposition
from exporter.platforms import PLATFORMS
from exporter.replay import Replay
from exporter.replay.bodies import bodies
from tests.calls.tally import FIXTURES, Tally

Place: TypeAlias = tuple[str | int, ...]

RECORDED: Final = sorted(path for name in PLATFORMS for path in (FIXTURES / name).glob("*.json"))
EXAMPLES: Final = [path for path in RECORDED if path.stem != "schemas"]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FROM_2000: Final = 946_684_800_000
each_example: Final = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")


def leaves(value: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    """Every scalar of a JSON value with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*place, index))
    else:
        yield place, value


def written(value: object) -> dict[str, object]:
    """A scalar as others write it, by the name of the notation."""
    match value:
        case bool():
            return {"word": str(value).lower()}
        case int() | float() if value > FROM_2000:
            return times(EPOCH + timedelta(milliseconds=value))
        case int() | float():
            return {"text": repr(value), "float": float(value), "exponent": f"{value!r}e0"}
        case str() if value[:1] == "2" and value[-1:] == "Z":
            return times(datetime.fromisoformat(value))
        case _:
            return {}


def times(moment: datetime) -> dict[str, object]:
    """A time, exact to the millisecond, in each notation."""
    ms = (moment - EPOCH) // timedelta(milliseconds=1)
    iso = partial(datetime.isoformat, timespec="milliseconds")
    return {
        "milliseconds": ms,
        "milliseconds, float": float(ms),
        "seconds": ms / 1000,
        "digits": str(ms),
        "digits of seconds": f"{ms // 1000}.{ms % 1000:03}",
        "ISO 8601, Z": iso(moment).replace("+00:00", "Z"),
        "ISO 8601, microseconds": moment.isoformat(timespec="microseconds"),
        "ISO 8601, another zone": iso(moment.astimezone(timezone(timedelta(hours=-7)))),
        "ISO 8601, no zone": iso(moment.replace(tzinfo=None)),
        "ISO 8601, basic": moment.strftime("%Y%m%dT%H%M%S") + f".{ms % 1000:03}Z",
        "RFC 3339, space": iso(moment).replace("T", " ").replace("+00:00", " UTC"),
    }


def put(body: object, place: Place, value: object) -> Any:  # noqa: ANN401 - a JSON value
    """The body with another value at a place."""
    copy: Any = json.loads(json.dumps(body))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return copy


def variants(body: object) -> list[tuple[str, dict[str, Any]]]:
    """The body once for each notation of each of its scalars."""
    return [
        (f"{'.'.join(map(str, place))} as {name}", put(body, place, notation))
        for place, value in leaves(body)
        for name, notation in written(value).items()
    ]


def counted(platform: str, body: dict[str, Any]) -> object:
    """What a body comes to."""
    tally = Tally()
    tally.deliver(body, platform=platform)
    return tally.snapshot()


def replayed(platform: str, *sent: object) -> tuple[list[str], int]:
    """What the metrics of the calls have beyond 0 after a replay, and how many bodies counted."""
    replay = Replay(Config(), platform, pytest.fail)
    file = io.StringIO("".join(json.dumps(body) + "\n" for body in sent))

    async def run() -> None:
        await replay.begin()
        await replay.feed("recording", bodies(file))
        await replay.finish()

    asyncio.run(run())
    text = b"".join(exposition.render(replay.recorder.table, exposition.Format.TEXT, None, replay.recorder.derived()))
    shown = text.decode().splitlines()
    counters = [line for line in shown if line.startswith("voice_") and not line.startswith("voice_exporter_")]
    lines = [line for line in counters if not line.endswith(" 0") and "_created{" not in line]
    return lines, replay.summary.counted


@each_example
def test_decoders_read_every_notation_alike(path: Path) -> None:
    """A time in seconds, as digits or as ISO 8601, a number as text, a truth value in words: they say the same."""
    body = json.loads(path.read_text())
    expected = counted(path.parent.name, body)
    for name, other in variants(body):
        assert counted(path.parent.name, other) == expected, name


@each_example
def test_replay_reads_every_notation_alike(path: Path) -> None:
    """Recorded once in each notation, an event is the same one each time: the first counts, and nothing else does."""
    body = json.loads(path.read_text())
    once, first = replayed(path.parent.name, body)
    again, count = replayed(path.parent.name, body, *(other for _, other in variants(body)))
    assert (again, count) == (once, first)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("interactly/conversation-update", ("message", "messages", 1, "metrics", "stt", "confidence")),
        ("interactly/end-of-call-report", ("message", "call", "cost", "totalCost")),
        ("interactly/hang", ("message", "timestamp")),
        ("vapi/conversation-update", ("message", "messages", 1, "time")),
        ("vapi/end-of-call-report", ("message", "costs", 1, "cost")),
        ("vapi/hang", ("message", "timestamp")),
    ],
)
def test_fields_matter(name: str, place: Place) -> None:
    """The comparison above sees such fields: without one of them, something else is counted."""
    body, platform = json.loads((FIXTURES / f"{name}.json").read_text()), name.partition("/")[0]
    assert counted(platform, put(body, place, None)) != counted(platform, body)
