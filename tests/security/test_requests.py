"""Requests that try to be something else: another path, another request, another sender."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Final

import bcrypt
import pytest

from tests.calls.tally import FIXTURES
from tests.conftest import Running, StartExporter
from tests.security.counters import scraped
from tests.security.raw import Connection, ask, request
from tests.security.siege import HEADERS, SECRET
from tests.support.senders import signed

HANG: Final = (FIXTURES / "vapi" / "hang.json").read_bytes()
USER: Final = b"Authorization: Basic " + base64.b64encode(b"ada:a password of this test")


@pytest.fixture
def guarded(start_exporter: StartExporter, tmp_path: Path) -> Running:
    """An exporter whose pages want a password and whose webhooks have a listener of their own."""
    users = {"ada": bcrypt.hashpw(b"a password of this test", bcrypt.gensalt(4)).decode()}
    web = tmp_path / "web.yml"
    web.write_text(json.dumps({"basic_auth_users": users}))
    flags = (f"--web.config.file={web}", "--webhook.listen-address=127.0.0.1:0", "--web.enable-lifecycle")
    return start_exporter(*flags, VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)


def answers(url: str, data: bytes, *, several: bool = False) -> list[bytes]:
    """Status lines of all that is answered to the bytes."""
    connection = Connection(url)
    connection.send(data)
    received = connection.whatever(several=several)
    connection.close()
    return re.findall(rb"HTTP/1\.[01] (\d{3})", received)


# --- paths ---

MASKS: Final = [
    *(
        "/%s/",
        "//%s",
        "/./%s",
        "/x/../%s",
        "/%s/.",
        "/%s/x/..",
        "/%s;x",
        "/%s%00",
        "/%s%20",
        "/%s%2f",
        "/%2f%s",
        "/%s#",
    ),
    *("/webhook/../%s", "/webhook/%2e%2e/%s", "/webhook/vapi/../../%s", "/-/ready/../../%s", "/%s/../%s", "\\%s"),
    *("%s", "*", "http://%s", "http://exporter//%s"),
]


def masked(path: bytes) -> list[bytes]:
    """Spellings that some server or proxy may take for the path."""
    bare = path[1:]
    spelled = [mask.encode().replace(b"%s", bare) for mask in MASKS]
    return [*spelled, b"/%" + bare[:1].hex().encode() + bare[1:], path.upper(), path + b"?" + path, path + b".json"]


def test_no_spelling_of_a_page_passes_the_password(guarded: Running) -> None:
    """Each is 401, malformed or unknown; with the password, only the plain spelling is the page."""
    wrong = (), (USER.replace(b"Basic", b"Bearer"),), (USER[:-4],), (USER, USER), (USER + b"\0",)
    for page in (b"/metrics", b"/-/reload", b"/-/ready"):
        method = b"POST" if page == b"/-/reload" else b"GET"
        found = []
        for path in (page, *masked(page)):
            hidden = {b"404"} if path.startswith(b"/webhook/") else {b"401"}
            for headers in wrong:
                assert set(answers(guarded.url, request(path, *headers, method=method))) <= {*hidden, b"400"}, path
            status, _ = ask(guarded.url, request(path, USER, b"Connection: close", method=method))
            found += [path] if status == 200 else []
        assert found == [page, page + b"?" + page]


def test_each_listener_knows_its_own_paths_only(guarded: Running) -> None:
    """However they are spelled, there are no pages where the webhooks are, and no webhooks where the pages are."""
    pages, webhooks = (f"http://{address}" for address in guarded.addresses)
    for page in (b"/metrics", b"/", b"/-/ready", b"/-/healthy", b"/-/reload"):
        for path in (page, *masked(page)):
            for method in (b"GET", b"POST"):
                assert set(answers(webhooks, request(path, USER, *HEADERS, method=method))) <= {
                    b"404",
                    b"405",
                    b"400",
                }, path
    for path in (b"/webhook/vapi", *masked(b"/webhook/vapi")):
        assert set(answers(pages, request(path, USER, *HEADERS, body=HANG))) <= {b"404", b"405", b"400"}, path
        status, _ = ask(webhooks, request(path, body=HANG))
        assert status in {400, 401, 404, 405}, path
    assert not scraped(pages, USER)


# --- requests in requests ---


MISPLACED: Final = [
    request(b"/webhook/vapi\r\nX-Vapi-Secret: " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", b"X-Other: 1\nX-Vapi-Secret: " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", b"X-Other: 1\rX-Vapi-Secret: " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", b"X-Vapi-Secret:\r\n " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", b"X-Vapi-Secret : " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", HEADERS[0] + b"\0", body=HANG),
    request(b"/webhook/vapi", b"X_Vapi_Secret: " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", HEADERS[0], b"X-Vapi-Secret: wrong", body=HANG),
    request(b"/webhook/vapi", b"X-Vapi-Secret: wrong, " + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi?X-Vapi-Secret=" + SECRET.encode().replace(b" ", b"+"), body=HANG),
    request(b"/webhook/vapi", b"Cookie: X-Vapi-Secret=" + SECRET.encode(), body=HANG),
    request(b"/webhook/vapi", b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n" + HEADERS[0] + b"\r\n\r\n"),
]


def test_a_secret_in_the_wrong_place_is_none(start_exporter: StartExporter) -> None:
    """Not in the path, in another header's value, folded, twice, in a query, a cookie or a trailer."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)
    for data in MISPLACED:
        assert set(answers(exporter.url, data)) <= {b"400", b"401"}, data
        assert not scraped(exporter.url), data


INNER: Final = request(b"/webhook/vapi", *HEADERS, body=HANG)


FRAMINGS: Final = [
    (b"Content-Length: 0", b"Content-Length: %d" % len(INNER)),
    (b"Content-Length: %d" % len(INNER), b"Transfer-Encoding: chunked"),
    (b"Content-Length: %d" % len(INNER), b"Transfer-Encoding: identity"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    (b"Transfer-Encoding: identity, chunked",),
    (b"Transfer-Encoding: xchunked",),
    (b"Transfer-Encoding:\x0bchunked",),
    (b"Content-Length: +%d" % len(INNER),),
    (b"Content-Length: -1",),
    (b"Content-Length: 0x10",),
    (b"Content-Length: 1_0",),
    (b"Content-Length: 18446744073709551617",),
    (b"Content-Length:",),
]


def test_no_request_hides_in_another(start_exporter: StartExporter) -> None:
    """Where the length of a body can be read in two ways, what a proxy took for a body is never taken for a request."""
    exporter = start_exporter(VOICE_EXPORTER_WEBHOOK_SECRET=SECRET)
    for framing in FRAMINGS:
        answers(exporter.url, request(b"/webhook/vapi", *framing) + INNER, several=True)
        assert not scraped(exporter.url), framing
    assert answers(exporter.url, request(b"/webhook/vapi") + INNER, several=True) == [b"401", b"200"]
    assert scraped(exporter.url)["voice_hangs_total"] == 10**9


def test_no_answer_repeats_a_line_break(start_exporter: StartExporter) -> None:
    """What comes as %0d%0a, or as a bare line feed, splits no answer."""
    exporter = start_exporter()
    for split in (b"%0d%0aX-Injected:%201", b"\nX-Injected: 1", b"\rX-Injected: 1", b"\xc4\x8d\xc4\x8aX-Injected: 1"):
        for path in (b"/", b"/metrics", b"/webhook/vapi", b"/-/reload"):
            for data in (request(path + split), request(path + b"?" + split), request(path, b"Accept: " + split)):
                connection = Connection(exporter.url)
                connection.send(data)
                assert b"injected" not in connection.whatever().lower()
                connection.close()


# --- senders ---


def test_a_signature_is_good_for_its_own_request_only(start_exporter: StartExporter, tmp_path: Path) -> None:
    """Wrong, changed, cut, moved, too old or too new: 401. Replayed in time: 200, and nothing is counted again."""
    config = tmp_path / "config.yml"
    config.write_text("webhooks: {vapi: {auth: {type: hmac}, secrets: [a secret of this test]}}\n")
    exporter = start_exporter(f"--config.file={config}")

    def post(body: bytes, headers: dict[str, str]) -> int:
        lines = [f"{name}: {value}".encode() for name, value in headers.items()]
        return ask(exporter.url, request(b"/webhook/vapi", *lines, body=body))[0]

    def sign(body: bytes, seconds: int, key: bytes = SECRET.encode()) -> dict[str, str]:
        return signed(f"{seconds}.".encode() + body, key, timestamp=str(seconds))

    now = int(time.time())
    good = sign(HANG, now)
    wrong = [
        {},
        sign(HANG, now, b"another secret"),
        sign(HANG + b" ", now),
        sign(HANG, now - 400),
        sign(HANG, now + 400),
        {**good, "X-Timestamp": str(now - 1)},
        {**good, "X-Timestamp": ""},
        {**good, "X-Timestamp": f"{now}0" * 1000},
        {**good, "X-Timestamp": f"{now}.0e0"},
        {**good, "X-Signature": good["X-Signature"][:-1]},
        {**good, "X-Signature": good["X-Signature"] + "0"},
        {**good, "X-Signature": ""},
        {**good, "X-Signature": "é" * 64},
        {**good, "X-Signature": "0" * 64, "X-Signature ": good["X-Signature"]},
    ]
    assert {post(HANG, headers) for headers in wrong} <= {400, 401}
    assert not scraped(exporter.url)

    assert [post(HANG, good) for _ in range(5)] == [200] * 5
    assert scraped(exporter.url)["voice_hangs_total"] == 10**9
    assert post(HANG + b" ", good) == 401
