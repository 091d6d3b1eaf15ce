"""Signatures as platforms make them by themselves, checked against OpenSSL's."""

import hmac

import pytest
from multidict import CIMultiDict

from exporter.config.auth import Auth
from exporter.platforms import PLATFORMS
from exporter.platforms.platform import SignedHeader
from exporter.webhooks.authenticator import Credentials
from tests.support.senders import BODY, NOW, allowed, checker, openssl

KEY = b"key_of_the_webhook"
SIGNING = {name: platform.signature for name, platform in PLATFORMS.items() if platform.signature}
FORMS = {"retell": "v={ms},d={digest}", "elevenlabs": "t={s},v0={digest}"}
"""The header as each platform writes it."""
each_platform = pytest.mark.parametrize("name", SIGNING)


def header(name: str, body: bytes = BODY, key: bytes = KEY, now: float = NOW) -> dict[str, str]:
    """The signature header of a request."""
    times = {"ms": f"{now * 1000:.0f}", "s": f"{now:.0f}"}
    form, scheme = FORMS[name], SIGNING[name]
    signed = scheme.signed.partition("{body}")
    stamp = times["ms" if "{ms}" in form else "s"]
    before, after = (part.replace("{timestamp}", stamp).encode() for part in (signed[0], signed[2]))
    return {scheme.name: form.format(**times, digest=openssl(key, before + body + after).hex())}


@each_platform
def test_a_signature_openssl_made_is_accepted(name: str) -> None:
    """Any of several keys may have signed, body and time are covered, and hexadecimal digits may be capitals."""
    check, good = checker(Auth.usual(name), b"another", KEY), header(name)
    assert check.needs_body
    assert allowed(check, good)
    assert allowed(check, {key: value.replace(value[-64:], value[-64:].upper()) for key, value in good.items()})
    assert not allowed(check, good, body=BODY + b" ")
    assert not allowed(checker(Auth.usual(name), b"another"), good)
    stamp = good[SIGNING[name].name].partition("=")[2].partition(",")[0]
    assert not allowed(check, {key: value.replace(stamp, str(int(stamp) + 1)) for key, value in good.items()})


@each_platform
def test_time_is_checked_within_the_platforms_own_tolerance(name: str) -> None:
    """Either way, and to the second."""
    check, tolerance = checker(Auth.usual(name), KEY), SIGNING[name].tolerance
    for late in (tolerance, -tolerance):
        assert allowed(check, header(name), now=NOW + late)
        assert not allowed(check, header(name), now=NOW + late * 1.01)


@each_platform
def test_what_is_no_signature_costs_no_digest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Malformed headers are wrong ones, and refused before the body is hashed."""
    check, scheme = checker(Auth.usual(name), KEY), SIGNING[name]
    digest = "a" * 64
    monkeypatch.setattr(hmac, "digest", lambda *_: pytest.fail("hashed"))
    for value in ("", "=", ",", digest, f"{scheme.digest}={digest}", f"{scheme.timestamp}=1700000000", "\udcff=1"):
        assert not allowed(check, {scheme.name: value})
    for stamp, signature in (("x", digest), ("1", digest), ("1700000000", digest[:-1]), ("1" * 99, digest)):
        assert not allowed(check, {scheme.name: f"{scheme.timestamp}={stamp},{scheme.digest}={signature}"})
    twice = f"{scheme.timestamp}=1700000000,{scheme.timestamp}=1700000000,{scheme.digest}={digest}"
    assert not allowed(check, {scheme.name: twice})


@each_platform
def test_a_rejection_is_explained(name: str) -> None:
    """The operator learns what is wrong, in words that show nothing of the request."""
    check, sent = checker(Auth.usual(name), KEY), SIGNING[name].name
    old, mine = header(name, now=NOW - 1e6), header(name, key=b"of somebody else")
    told = {
        f"no signature in {sent}": {},
        f"{sent} holds no digest": {sent: "secret words"},
        f"the timestamp in {sent} is unreadable, or too far from the time here": old,
        f"the signature in {sent} is of another secret": mine,
    }
    for words, headers in told.items():
        assert check.explain(Credentials("POST", "/", CIMultiDict(headers), BODY), NOW) == words
    assert check.wants == f"signature in {sent}"


def test_several_digests_are_several_keys() -> None:
    """While keys change, a header has the digest of each."""
    scheme = SignedHeader("x-signed", "t", "v0", "{timestamp}.{body}", 60)
    good = openssl(KEY, b"1700000000." + BODY).hex()
    value = f"t=1700000000,v0={'b' * 64},v0={good}"
    assert allowed(checker(Auth("platform", tolerance=60, signed=scheme), KEY), {"x-signed": value})
