"""Whatever is sent: no 500, no hang, and counters move for valid events only, exactly as the fold says."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.platforms import PLATFORMS
from tests.calls.tally import FIXTURES
from tests.conftest import StartExporter
from tests.security.canaries import paths
from tests.security.counters import Model, put, scraped
from tests.security.raw import Connection, ask, request
from tests.support.effort import effort

BODIES: Final = [
    (name, json.loads(path.read_text()))
    for name in PLATFORMS
    for path in sorted((FIXTURES / name).glob("*.json"))
    if path.name != "schemas.json"
]
SECRET: Final = b"a secret of this test"
HEADER: Final = b"X-Vapi-Secret: " + SECRET
UNREADABLE: Final = (
    b'{"message":{"type":"conversation-update","call":{"id":"1"},"messages":[{"role":"\xff","messageId":"m"}]}}'
)
"""Its messages are skipped at first and read when they are folded."""
STATUSES: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")


def tries(examples: int) -> settings:
    """So many examples, or as many more as were asked for, of large bodies."""
    return settings(
        effort(examples),
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# --- bodies ---

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**25, -(10**400), 1_700_000_000_000, 2**63, 1e308, "NaN", "\ud800", "", "x" * 70])
    | st.floats()
    | st.text(max_size=20)
)
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A fixture with some of its values exchanged for others, and now and then with some bytes."""
    platform, fixture = draw(st.sampled_from(BODIES))
    body: Any = deepcopy(fixture)
    for choice, junk in draw(st.lists(st.tuples(st.integers(0), JUNK), max_size=3)):
        places = paths(body)
        body = put(body, places[choice % len(places)], deepcopy(junk))
    text = json.dumps(body).encode()
    for choice, piece in draw(st.lists(st.tuples(st.integers(0), st.binary(max_size=3)), max_size=1)):
        at = choice % (len(text) + 1)
        text = text[:at] + piece + text[at + draw(st.integers(0, 3)) :]
    return platform, text


def test_mutated_bodies_are_answered_and_counted_as_they_should_be(start_exporter: StartExporter) -> None:
    """Each is answered as its parser says, and the scrape shows what the fold makes of those that are valid."""
    exporter, model = start_exporter(), Model()

    @tries(60)
    @given(bodies())
    @example(("vapi", b'{"message":{"type":"hang","timestamp":' + b"9" * 400 + b"}}"))
    @example(("interactly", b'{"message":' * 100_000))
    @example(("interactly", UNREADABLE))
    @example(("interactly", b'{"message":{"type":"error","zz":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"))
    def check(sent: tuple[str, bytes]) -> None:
        platform, body = sent
        status, answer = ask(exporter.url, request(f"/webhook/{platform}".encode(), body=body))
        assert status == model.deliver(platform, body), answer
        assert json.loads(answer).keys() == ({"status"} if status == 200 else {"error"})
        assert scraped(exporter.url) == model.totals()

    check()
    assert exporter.stop() == 0
    # An incident of a call is none of ours.
    errors = [line for line in exporter.log.splitlines() if "level=error" in line]
    assert [line for line in errors if "logger=exporter.recording.incident_log" not in line] == []


# --- encodings and headers ---

ENCODINGS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"identity": bytes,
    b"br": bytes,
    b"x-gzip": gzip.compress,
    b"gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    b"": bytes,
}
TOKENS = st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True)
VALUES = st.binary(max_size=30).map(lambda value: re.sub(rb"[\r\n\0]", b"", value))


@st.composite
def packed(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Headers and body of a hang: encoded truly or not, cut or not, in chunks or in one piece, beside any headers."""
    body = (FIXTURES / "vapi" / "hang.json").read_bytes()
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    data = ENCODINGS[draw(st.sampled_from([encoding, b"gzip", b"identity"]))](body)
    data = data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data
    headers = [b"Content-Encoding: " + encoding] if encoding else []
    extra = draw(st.dictionaries(TOKENS, VALUES, max_size=4))
    known = (b"content-", b"transfer-", b"expect", b"host", b"x-vapi", b"connection", b"upgrade")
    headers += [name + b": " + value for name, value in extra.items() if not name.lower().startswith(known)]
    if draw(st.booleans()):
        size = draw(st.integers(1, 500))
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        headers.append(b"Transfer-Encoding: chunked")
    return headers, data


def test_any_encoding_beside_any_header_is_read_or_refused(start_exporter: StartExporter) -> None:
    """What can't be understood is 400; what can is the event that it is."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET.decode())

    @tries(60)
    @given(packed())
    def check(sent: tuple[list[bytes], bytes]) -> None:
        headers, body = sent
        length = [] if b"Transfer-Encoding: chunked" in headers else [b"Content-Length: %d" % len(body)]
        status, _ = ask(exporter.url, request(b"/webhook/vapi", HEADER, *headers, *length, body=body))
        assert status in {200, 400}

    check()
    assert scraped(exporter.url)["voice_hangs_total"] == 1e9
    assert exporter.stop() == 0
    assert "level=error" not in exporter.log


# --- bytes ---


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Something like a request without the secret, or like several, with bytes put in, taken out and repeated."""
    path = draw(st.sampled_from([b"/webhook/vapi", b"/webhook/interactly", b"/metrics", b"/", b"/-/ready"]) | VALUES)
    headers = draw(st.lists(st.tuples(TOKENS, VALUES).map(b": ".join), max_size=3))
    body = draw(st.sampled_from([b"", (FIXTURES / "vapi" / "hang.json").read_bytes()]) | st.binary(max_size=50))
    data = request(path, *headers, method=draw(st.sampled_from([b"POST", b"GET"]) | TOKENS), body=body)
    for choice, piece, dropped in draw(st.lists(st.tuples(st.integers(0), st.binary(max_size=5), st.integers(0, 9)))):
        at = choice % (len(data) + 1)
        data = data[:at] + piece + data[at + dropped :]
    return data * draw(st.integers(1, 3))


def test_any_bytes_without_the_secret_move_nothing(start_exporter: StartExporter) -> None:
    """No answer is 500, every connection ends, and the next client is served."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET.decode())

    @tries(40)
    @given(requests() | st.binary(max_size=200))
    @example(request(b"/webhook/vapi", host=b"x:abc"))
    @example(request(b"/webhook/vapi", host=b"x:99999999"))
    @example(request(b"/webhook/vapi", host=b"[::1]:80:90"))
    @example(request(b"/webhook/vapi", host=b"\xff\xfe"))
    def check(data: bytes) -> None:
        connection = Connection(exporter.url)
        connection.send(data)
        statuses = {int(status) for status in STATUSES.findall(connection.whatever())}
        connection.close()
        assert statuses <= {200, 400, 401, 403, 404, 405, 413, 417, 431}
        assert not scraped(exporter.url)

    check()
    status, _ = ask(
        exporter.url, request(b"/webhook/vapi", HEADER, body=(FIXTURES / "vapi" / "hang.json").read_bytes())
    )
    assert status == 200
    assert exporter.stop() == 0
    assert "level=error" not in exporter.log
