"""Requests that are refused at every stage, with a canary in each place that a request has."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from exporter.platforms import PLATFORMS
from tests.security.canaries import Canaries
from tests.security.raw import request

Canary: TypeAlias = Callable[[str], bytes]

WEBHOOKS: Final = [b"/webhook/" + name.encode() for name in PLATFORMS]
PAGES: Final = [b"/", b"/metrics", b"/-/healthy", b"/-/ready", b"/-/reload"]
METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS")
SECRETS: Final = (b"X-Vapi-Secret", b"X-Interactly-Secret", b"X-Interactly.ai-Secret", b"Authorization", b"X-Signature")
MEANINGFUL: Final = (
    *(b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Content-Type", b"Expect", b"Upgrade"),
    *(b"Connection", b"Accept", b"Accept-Encoding", b"Range", b"Cookie", b"User-Agent", b"Referer"),
    *(b"X-Forwarded-For", b"X-Request-Id", b"Traceparent"),
)


def requests(canaries: Canaries, *secrets: bytes) -> Iterator[bytes]:
    """All of them. Those with broken bodies carry the secrets, so that their bodies are looked at."""

    def canary(place: str) -> bytes:
        return canaries.new(place).encode()

    yield canary("no request at all") + b"\r\n\r\n"
    yield request(b"/metrics?name[]=" + canary("name filter"), method=b"GET")
    for path in (*WEBHOOKS, *PAGES):
        yield from _lines(path, canary)
        yield from _headers(path, canary)
    for path in WEBHOOKS:
        for body in _bodies(canary):
            yield request(path, *secrets, body=body)
        for packing, encoding in ((gzip.compress, b"gzip"), (zlib.compress, b"deflate"), (bytes, b"gzip")):
            packed = packing(canary("packed body") * 100)[:-1]
            yield request(path, b"Content-Encoding: " + encoding, *secrets, body=packed)
        yield request(path, b"Content-Length: 5000", *secrets, body=b'{"a":"' + canary("cut short"))
        yield request(path, b"Transfer-Encoding: chunked", *secrets, body=b"5;" + canary("chunk extension"))
        yield request(
            path, b"Transfer-Encoding: chunked", *secrets, body=b"2\r\n{}\r\n0\r\n" + canary("trailer") + b": x"
        )
        yield request(path, b"Transfer-Encoding: chunked", *secrets, body=canary("chunk size") + b"\r\n{}")


def _lines(path: bytes, canary: Canary) -> Iterator[bytes]:
    for method in METHODS:
        yield request(path + b"?" + canary("query name") + b"=" + canary("query value"), method=method)
        yield request(path + b"/" + canary("path"), method=method)
        yield request(path + b"#" + canary("fragment"), method=method)
        yield request(b"http://" + canary("authority") + path, method=method)
        yield request(path, method=method, host=canary("host"))
        yield request(path, method=method, host=b"exporter:" + canary("port"))
    yield request(path, method=canary("method"))
    yield b"POST " + path + b" HTTP/1.1" + canary("version") + b"\r\n\r\n"


def _headers(path: bytes, canary: Canary) -> Iterator[bytes]:
    yield request(path, b"X-" + canary("header name") + b": " + canary("header value"))
    yield request(path, b"Host: " + canary("second host"))
    yield request(path, b"X-Folded: a\r\n " + canary("folded header"))
    yield request(path, b"X-Broken: \0" + canary("behind a control character"))
    yield request(path, canary("line without a colon"))
    yield request(path, b"X-Long: " + canary("long header") * 1000)
    for name in (*SECRETS, *MEANINGFUL):
        yield request(path, name + b": " + canary(f"header {name.decode()}"))


def _bodies(canary: Canary) -> Iterator[bytes]:
    mark = canary("broken body").replace(b"\\", b"").replace(b'"', b"")
    yield mark
    yield b'"' + mark + b'"'
    yield b'["' + mark + b'"]'
    yield b'{"' + mark
    yield b'{"message":{"type":"hang","a":"' + mark
    yield b'{"message":{"type":"' + mark + b'"}}'
    yield b'{"message":{"type":["' + mark + b'"]}}'
    yield b'{"event":"' + mark + b'"}'
    yield b'{"type":"' + mark + b'"}'
    yield b'{"message":"' + mark + b'"}'
    yield b'{"a":NaN,"message":{"type":"hang","' + mark + b'":"' + mark + b'"}}'
    yield b'{"message":{"type":"hang","call":"' + mark + b'\xff\xfe"}}'
    yield b'{"message":{"type":"hang","call":"' + mark + b'\\ud800"}}'
    yield b'{"message":{"type":"hang","timestamp":"' + mark + b'","call":["' + mark + b'"]}}'
    yield b'{"message":{"type":"conversation-update","messages":"' + mark + b'"}}'
    yield b'{"message":{"type":"conversation-update","call":{"id":"1"},"messages":["' + mark + b'",5,{"role":1}]}}'
    yield b'{"' + mark + b'":' + b"[" * 5000 + b'"' + mark + b'"' + b"]" * 5000 + b"}"
