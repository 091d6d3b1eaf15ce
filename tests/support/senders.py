"""Webhook requests as platforms send them, for tests of who may post."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace

from multidict import CIMultiDict

from exporter.config import Auth, PlatformConfig
from exporter.webhooks.authenticator import Authenticator, Credentials

NOW = 1_700_000_000.0
BODY = b'{"message":{"type":"hang","note":"caf\xc3\xa9 \xff\x00"}}'
URL = "http://exporter.example/webhook/vapi?x=1"
SECRET = b"s3cret-of-the-webhook"


# The defaults are those that Vapi documents for an HMAC credential.
HMAC = Auth(type="hmac", headers=("x-vapi-secret",), explicit=True)
HEADER = replace(HMAC, type="header")
BEARER = replace(HMAC, type="bearer")
STANDARD = replace(HMAC, type="standard")


def checker(how: Auth, *secrets: bytes) -> Authenticator:
    """A check of the given kind and secrets."""
    return Authenticator(PlatformConfig(secrets=secrets, auth=(how,)))


def allowed(
    check: Authenticator,
    headers: Mapping[str, str] | CIMultiDict[str],
    *,
    body: bytes = BODY,
    now: float = NOW,
    method: str = "POST",
    url: str = URL,
) -> bool:
    """What a check says to a request."""
    return check.allows(Credentials(method, url, CIMultiDict(headers), body), now)


def openssl(key: bytes, payload: bytes, algorithm: str = "sha256") -> bytes:
    """The digest as OpenSSL's command line computes it, independent of the code under test."""
    command = ["openssl", "dgst", f"-{algorithm}", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return subprocess.run(command, input=payload, check=True, capture_output=True).stdout


def signed(
    payload: bytes, key: bytes = SECRET, algorithm: str = "sha256", timestamp: str = "1700000000"
) -> dict[str, str]:
    """Headers of a request whose signed payload this is."""
    return {"X-Timestamp": timestamp, "X-Signature": openssl(key, payload, algorithm).hex()}
