import asyncio
import io
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from msgspec import json

from exporter.errors import DeliveryError
from exporter.platforms import PLATFORMS
from exporter.simulate import SCENARIOS, arriving, interleaved, simulate
from exporter.simulate.client import CONNECTIONS, Sender, endpoints
from exporter.simulate.model import Delivery
from exporter.simulate.tally import Tally
from tests.support.pages import ROOT
from tests.support.waiting import reached


class Receiver:
    """A real server that takes webhooks as the exporter would."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[str, float, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.dawdle: Random | None = None
        self.open = self.most_open = 0
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/webhook/{platform}", self._take)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        body = await request.read()
        await self.hold.wait()
        if self.dawdle:
            await asyncio.sleep(self.dawdle.uniform(0, 0.01))
        self.open -= 1
        platform = request.match_info["platform"]
        self.received.append((platform, time.time() * 1000, json.decode(body)["message"]))
        self.headers.append(dict(request.headers))
        return web.json_response({"status": "ok"}, status=self.status)

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.server.make_url("/"))


class Terminal(io.StringIO):
    """Text that thinks somebody watches."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    await receiver.server.start_server()
    yield receiver
    await receiver.server.close()


def past(calls: int = 5, seed: int = 1) -> list[Delivery]:
    """Deliveries that were due long ago, so that they are sent at once."""
    start = int(time.time() * 1000) - 3_600_000
    return list(interleaved(islice(arriving(seed, start, SCENARIOS["normal"]), calls)))


async def test_each_delivery_arrives_once_at_its_platforms_path(receiver: Receiver) -> None:
    """Bodies go to /webhook/<platform> as JSON, and the tally knows what was sent and answered."""
    tally, sent = Tally(), past()
    await Sender(receiver.url, None, tally).send(sent)
    expected = Counter((each.platform, json.encode(each.body["message"])) for each in sent)
    assert Counter((platform, json.encode(message)) for platform, _, message in receiver.received) == expected
    assert {platform for platform, _, _ in receiver.received} == {"interactly", "vapi"}
    assert {headers["Content-Type"] for headers in receiver.headers} == {"application/json"}
    assert tally.answered == {200: len(sent)}
    assert tally.sent == Counter((each.platform, each.body["message"]["type"]) for each in sent)


async def test_the_secret_goes_into_each_platforms_header(receiver: Receiver) -> None:
    """Interactly's and Vapi's documented headers carry it verbatim; without a secret neither is sent."""
    await Sender(receiver.url, "an invented secret", Tally()).send(past())
    names = {"interactly": "x-interactly-secret", "vapi": "x-vapi-secret"}
    for (platform, _, _), headers in zip(receiver.received, receiver.headers, strict=True):
        assert headers[names[platform]] == "an invented secret"
    receiver.headers.clear()
    await Sender(receiver.url, None, Tally()).send(past(1))
    assert not any(name.lower().endswith("secret") for headers in receiver.headers for name in headers)


async def test_deliveries_wait_until_they_are_due(receiver: Receiver) -> None:
    """An event is sent at its time and not before."""
    now = int(time.time() * 1000)
    (first, second, *_) = past()
    due = [
        Delivery(first.platform, now, first.body, first.call),
        Delivery(second.platform, now + 400, second.body, second.call),
    ]
    await Sender(receiver.url, None, Tally()).send(due)
    assert [at >= delivery.at_ms for (_, at, _), delivery in zip(receiver.received, due, strict=True)] == [True, True]


async def test_the_events_of_a_call_keep_their_order(receiver: Receiver) -> None:
    """Although answers take unequal times and calls are served side by side."""
    receiver.dawdle = Random(1)
    sent = past(20)
    await Sender(receiver.url, None, Tally()).send(sent)
    assert in_order(message for _, _, message in receiver.received) == in_order(each.body["message"] for each in sent)
    assert receiver.most_open > 1


def in_order(messages: Iterable[dict[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    """Type and time of the messages, call by call."""
    calls: dict[str, list[tuple[str, int]]] = {}
    for message in messages:
        calls.setdefault(message["call"]["id"], []).append((message["type"], message["timestamp"]))
    return calls


async def test_a_slow_exporter_is_not_swamped(receiver: Receiver) -> None:
    """While answers are outstanding, only so many requests are open; all arrive in the end."""
    receiver.hold.clear()
    sent = past(20)
    sending = asyncio.create_task(Sender(receiver.url, None, Tally()).send(sent))
    calls = len({delivery.body["message"]["call"]["id"] for delivery in sent[:64]})
    await reached("all calls are open", lambda: receiver.open == calls)
    receiver.hold.set()
    await sending
    assert len(receiver.received) == len(sent) > 200
    assert receiver.most_open <= 64


async def test_a_refused_secret_stops_the_traffic_with_a_remedy(receiver: Receiver) -> None:
    """401 ends the sending; the message names the environment variable and not the secret."""
    receiver.status = 401
    with pytest.raises(DeliveryError, match="VOICE_EXPORTER_WEBHOOK_SECRET") as caught:
        await Sender(receiver.url, "an invented secret", Tally()).send(past(20))
    assert "invented" not in str(caught.value)
    assert len(receiver.received) < 200


async def test_an_exporter_that_goes_away_is_counted_and_not_the_end(receiver: Receiver) -> None:
    """Once something was answered, unreachable is an outcome like others."""
    tally = Tally()
    sender = Sender(receiver.url, None, tally)
    await sender.send(past(1))
    await receiver.server.close()
    await sender.send(past(1))
    assert tally.unreachable == len(past(1))
    assert "unreachable" in tally.line()


async def test_simulate_sends_live_traffic_and_sums_it_up(receiver: Receiver) -> None:
    """No event arrives before the time that it states; the calls end; the summary counts all; exit code 0."""
    out, err = io.StringIO(), io.StringIO()
    code = await simulate(receiver.url, 240, 1, "normal", 1, out=out, err=err, time_scale=50, platforms=("interactly",))
    assert (code, err.getvalue()) == (0, "")
    assert all(at > message["timestamp"] for _, at, message in receiver.received)
    kinds = Counter(message["type"] for _, _, message in receiver.received)
    queued = sum(message["call"]["status"] == "queued" for _, _, message in receiver.received)
    assert kinds["end-of-call-report"] == queued > 1
    summary = out.getvalue()
    assert f"answered 200: {len(receiver.received)}" in summary
    assert [line.split() for line in summary.splitlines()[1:]] == [
        ["interactly", kind, str(kinds[kind])] for kind in sorted(kinds)
    ]
    assert "\r" not in summary


async def test_progress_shows_on_a_terminal(receiver: Receiver) -> None:
    """A line that is rewritten in place, and wiped before the summary."""
    out = Terminal()
    running = asyncio.create_task(simulate(receiver.url, 60, None, "normal", 1, out=out))
    await reached("progress is shown", lambda: "\r" in out.getvalue())
    running.cancel()
    await running
    nothing, *lines, summary = out.getvalue().split("\r\x1b[K")
    assert not nothing
    assert lines[0].startswith("0 events sent")
    assert "\n" not in "".join(lines)
    assert " sent, " in summary


async def test_cancelling_ends_with_the_summary(receiver: Receiver) -> None:
    """Endless traffic that is cancelled says what it sent and counts as a success."""
    out = io.StringIO()
    running = asyncio.create_task(simulate(receiver.url, 6000, None, "normal", 1, out=out, time_scale=50))
    await reached("some are answered", lambda: some_answered(receiver))
    running.cancel()
    assert await running == 0
    assert "answered 200" in out.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_ends_with_the_summary(receiver: Receiver, number: signal.Signals) -> None:
    """By either signal: a container sends SIGTERM, a terminal SIGINT."""
    command = [sys.executable, "-m", "exporter", "simulate", f"--url={receiver.url}", "--calls-per-minute=6000"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    await reached("some are answered", lambda: some_answered(receiver))
    process.send_signal(number)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert "answered 200" in out.decode()


async def test_an_exporter_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    """The line names the URL, the reason and what to check."""
    out, err, port = io.StringIO(), io.StringIO(), unused_port()
    assert await simulate(f"http://127.0.0.1:{port}", 60, 1, "normal", 1, out=out, err=err) == 1
    line = err.getvalue()
    assert line.count("\n") == 1
    assert f"http://127.0.0.1:{port}/webhook/" in line
    assert "connection refused" in line
    assert "voice-exporter serve" in line


async def test_a_refused_secret_is_one_line_and_exit_code_1(receiver: Receiver) -> None:
    """The line says how to give the secret."""
    receiver.status = 401
    out, err = io.StringIO(), io.StringIO()
    assert await simulate(receiver.url, 60, 1, "normal", 1, out=out, err=err) == 1
    assert err.getvalue().count("\n") == 1
    assert "VOICE_EXPORTER_WEBHOOK_SECRET" in err.getvalue()
    assert "answered 401: " in out.getvalue()


async def test_a_secret_refused_later_is_exit_code_1_as_well(receiver: Receiver) -> None:
    """What was delivered before does not hide it."""
    err = io.StringIO()
    running = asyncio.create_task(
        simulate(receiver.url, 6000, None, "normal", 1, out=io.StringIO(), err=err, time_scale=50)
    )
    await reached("some are answered", lambda: some_answered(receiver))
    receiver.status = 401
    assert await running == 1
    assert "answered 401" in err.getvalue()


async def test_nothing_delivered_is_exit_code_1(receiver: Receiver) -> None:
    """Answers without a success are no delivery."""
    receiver.status = 503
    out = io.StringIO()
    running = asyncio.create_task(simulate(receiver.url, 6000, None, "normal", 1, out=out, time_scale=50))
    await reached("some are answered", lambda: some_answered(receiver))
    running.cancel()
    assert await running == 1
    assert "answered 503" in out.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "127.0.0.1:10060"}, "no http:// or https:// URL"),
        ({"url": "http://"}, "no http:// or https:// URL"),
        ({"calls_per_minute": 0}, "calls_per_minute must be above 0"),
        ({"duration": -1}, "duration must be above 0"),
        ({"time_scale": float("nan")}, "time_scale must be above 0"),
        ({"scenario": "calm"}, "none of normal, "),
        ({"secret": "two\nlines"}, "line break"),
    ],
)
async def test_unusable_arguments_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    """Nothing is sent, and the error says which argument and why."""
    usual = {"url": "http://127.0.0.1:1", "calls_per_minute": 1, "duration": 1, "scenario": "normal", "seed": 1}
    with pytest.raises(ValueError, match=message):
        await simulate(**{**usual, **change}, out=io.StringIO())


@pytest.mark.parametrize(
    "url",
    [
        "http://h:1",
        "http://h:1/",
        " http://h:1 ",
        "http://h:1/webhook",
        "http://h:1/webhook/vapi",
        "http://h:1/webhook/",
    ],
)
def test_an_exporters_url_leads_to_each_webhook(url: str) -> None:
    """With or without a slash or a webhook path at its end."""
    found = {platform: str(endpoint) for platform, endpoint in endpoints(url).items()}
    assert found == {platform: f"http://h:1/webhook/{platform}" for platform in PLATFORMS}


def test_a_path_prefix_is_kept() -> None:
    """An exporter behind a proxy may live below a path."""
    assert str(endpoints("https://h/voice/")["vapi"]) == "https://h/voice/webhook/vapi"


def some_answered(receiver: Receiver) -> bool:
    """Whether the sender must have had an answer: it had more to send than it sends at once."""
    return len(receiver.received) > CONNECTIONS
