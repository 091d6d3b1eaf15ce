import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.config import PlatformConfig
from exporter.config.auth import AuthType
from exporter.webhooks.authenticator import Authenticator, Credentials
from tests.support.senders import BEARER, BODY, HEADER, HMAC, SECRET, STANDARD, URL, allowed, checker, openssl

# Shared secrets


@pytest.mark.parametrize("name", ["x-interactly-secret", "X-INTERACTLY.AI-SECRET", "X-Interactly-Secret"])
def test_a_secret_is_taken_from_any_accepted_header(name: str) -> None:
    """Each accepted header may carry the secret, in any case."""
    check = checker(replace(HEADER, headers=("x-interactly-secret", "x-interactly.ai-secret")), SECRET)
    assert allowed(check, {name: SECRET.decode()})
    assert not check.needs_body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-vapi-secret": ""},
        {"x-vapi-secret": "s3cret-of-the-webhoo"},
        {"x-vapi-secret": "s3cret-of-the-webhook2"},
        {"x-vapi-secret": "S3CRET-OF-THE-WEBHOOK"},
        {"x-vapi-secret": "caf\u00e9 \udcff"},
        {"x-vapi-secret": "\ud800"},
        {"x-other": SECRET.decode()},
    ],
    ids=repr,
)
def test_a_wrong_secret_is_refused(headers: dict[str, str]) -> None:
    """Missing, empty, different, cut, non-ASCII and misplaced secrets are all wrong."""
    assert not allowed(checker(HEADER, SECRET), headers)


def test_what_is_wanted_is_said_in_words() -> None:
    """Of each way, for the operator who connects a platform."""
    assert checker(HEADER, SECRET).wants == "secret in x-vapi-secret"
    assert checker(BEARER, SECRET).wants == "bearer token in authorization or x-vapi-secret"
    both = Authenticator(PlatformConfig(secrets=(SECRET,), auth=(HEADER, HMAC)))
    assert both.wants == "secret in x-vapi-secret, or signature in x-signature"
    request = Credentials("POST", URL, CIMultiDict({"authorization": "Basic canary"}), BODY)
    assert both.explain(request, 0.0) == "no secret in x-vapi-secret; no signature in x-signature"


def test_a_header_sent_twice_is_refused() -> None:
    """Two values of one header are ambiguous, even if one of them is right."""
    twice = CIMultiDict([("x-vapi-secret", SECRET.decode()), ("X-Vapi-Secret", "other")])
    assert not allowed(checker(HEADER, SECRET), twice)


def test_every_secret_of_a_rotation_works() -> None:
    """While secrets rotate the old and the new one are both accepted, and nothing else."""
    check = checker(HEADER, b"old", b"new")
    assert [allowed(check, {"x-vapi-secret": s}) for s in ("old", "new", "older", "oldnew")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_secret_may_hold_any_bytes() -> None:
    """A secret that is not ASCII is compared as the bytes on the wire."""
    check = checker(HEADER, "pässwörd".encode(), b"\xff\xfe")
    assert allowed(check, {"x-vapi-secret": "pässwörd"})
    assert allowed(check, {"x-vapi-secret": "\udcff\udcfe"})


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("Bearer s3cret-of-the-webhook", True),
        ("bEARER   s3cret-of-the-webhook", True),
        ("s3cret-of-the-webhook", False),
        ("Basic s3cret-of-the-webhook", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("Bearer s3cret-of-the-webhook x", False),
    ],
)
def test_bearer_token(value: str, right: bool) -> None:
    """A bearer token counts after the scheme, whose case does not matter."""
    check = checker(BEARER, SECRET)
    assert allowed(check, {"Authorization": value}) is right
    assert not check.needs_body


def test_a_bearer_token_in_another_header() -> None:
    """Vapi can send the token under a name of the operator's choice."""
    check = checker(replace(BEARER, headers=("x-token",)), SECRET)
    assert allowed(check, {"X-Token": "Bearer s3cret-of-the-webhook"})
    assert not allowed(check, {"X-Token": "s3cret-of-the-webhook"})


# No secret

# What a request shows that knows the empty secret.
EMPTY = {
    "x-vapi-secret": "",
    "Authorization": "Bearer ",
    "X-Timestamp": "1700000000",
    "X-Signature": hmac.digest(b"", b"1700000000." + BODY, "sha256").hex(),
}


@pytest.mark.parametrize("secrets", [(), (SECRET,)])
def test_auth_none_allows_everybody(secrets: tuple[bytes, ...]) -> None:
    """An explicit none is what it says."""
    assert allowed(checker(replace(HMAC, type="none"), *secrets), {})


def test_without_any_secret_everybody_may_post() -> None:
    """Nothing configured leaves it open: the caller listens on loopback only then."""
    assert allowed(checker(replace(HEADER, explicit=False)), {})


@pytest.mark.parametrize("kind", ["header", "bearer", "hmac", "standard"])
def test_an_explicit_type_without_a_secret_allows_nobody(kind: AuthType) -> None:
    """Asking for a check and giving nothing to check against is closed, not open."""
    assert not allowed(checker(replace(HMAC, type=kind)), EMPTY)


@pytest.mark.parametrize("kind", ["header", "bearer", "hmac"])
def test_an_empty_secret_matches_nothing(kind: AuthType) -> None:
    """An empty secret file neither opens the webhook nor is a secret that an empty header has."""
    assert not allowed(checker(replace(HMAC, type=kind, explicit=False), b""), EMPTY)
    assert not allowed(checker(replace(HMAC, type=kind, explicit=False), b""), {})


# Everything

_CHECKS = [
    checker(replace(HEADER, headers=("x-vapi-secret", "x-timestamp")), SECRET),
    checker(BEARER, SECRET),
    checker(replace(HMAC, payload_format="{method}{url}{svix-id}{timestamp}{body}"), SECRET),
    checker(replace(HMAC, encoding="base64", prefix="sha256=", timestamp_unit="ms"), SECRET),
    checker(STANDARD, b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
]
_NAMES = [
    "x-vapi-secret",
    "authorization",
    "x-signature",
    "x-timestamp",
    "svix-id",
    "svix-signature",
    "webhook-signature",
]
_VALUES = st.one_of(
    st.text(),
    st.sampled_from(
        ["1700000000", "v1,", "Bearer ", "sha256=", "a" * 64, "v1," + "A" * 43 + "=", "sha256=" + "A" * 43 + "="]
    ),
)


@given(
    headers=st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES)),
    method=st.text(),
    url=st.text(),
    body=st.binary(),
    now=st.floats(),
)
def test_no_stranger_gets_in_and_nothing_is_raised(
    headers: list[tuple[str, str]], method: str, url: str, body: bytes, now: float
) -> None:
    """Whatever the headers hold, without the secret the answer is no."""
    request = Credentials(method, url, CIMultiDict(headers), body)
    assert [check.allows(request, now) for check in _CHECKS] == [False] * len(_CHECKS)


def test_every_secret_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is the same whichever secret matches, and if none does."""
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(presented: bytes, known: bytes) -> bool:
        compared.append(known)
        return real(presented, known)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    check = checker(HEADER, b"first", b"second", b"third")
    for secret in ("first", "second", "third", "wrong"):
        allowed(check, {"x-vapi-secret": secret})
        assert sorted(compared) == [b"first", b"second", b"third"]
        compared.clear()


def test_secrets_do_not_show() -> None:
    """Neither a check nor the credentials of a request show a secret when they are printed."""
    for kind in ("header", "bearer", "hmac"):
        assert SECRET.decode() not in repr(vars(checker(replace(HMAC, type=kind), SECRET)))
    assert SECRET.decode() not in repr(
        Credentials("POST", URL, CIMultiDict({"x-vapi-secret": SECRET.decode()}), SECRET)
    )


def test_any_one_of_several_ways_is_enough() -> None:
    """Some assistants send a secret, others sign: either is good with its own secret, and with no other's."""
    ways = (replace(HEADER, secrets=(b"of the header",)), replace(HMAC, payload_format="{body}"))
    check = Authenticator(PlatformConfig(secrets=(SECRET,), auth=ways))
    assert check.needs_body
    assert allowed(check, {"X-Vapi-Secret": "of the header"})
    assert allowed(check, {"X-Signature": openssl(SECRET, BODY).hex()})
    assert not allowed(check, {"X-Vapi-Secret": SECRET.decode()})
    assert not allowed(check, {"X-Signature": openssl(b"of the header", BODY).hex()})
    assert not allowed(check, {})
