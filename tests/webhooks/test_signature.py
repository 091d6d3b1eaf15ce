import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from multidict import CIMultiDict

from exporter.config.auth import Algorithm, AuthType, TimestampUnit
from exporter.webhooks.credentials import Credentials
from tests.support.senders import BODY, HMAC, NOW, SECRET, STANDARD, URL, allowed, checker, openssl, signed

# HMAC


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
def test_a_signature_openssl_made_is_accepted(algorithm: Algorithm) -> None:
    """The default payload, timestamp and body, with each algorithm; the body decides, so it is read first."""
    check = checker(replace(HMAC, algorithm=algorithm), SECRET)
    assert allowed(check, signed(b"1700000000." + BODY, algorithm=algorithm))
    assert check.needs_body


def test_each_input_is_covered_by_the_signature() -> None:
    """Changing the body, the timestamp, the signature, the key or the algorithm breaks it."""
    good = signed(b"1700000000." + BODY)
    assert allowed(checker(HMAC, SECRET), good)
    assert not allowed(checker(HMAC, SECRET), good, body=BODY + b" ")
    assert not allowed(checker(HMAC, SECRET), good, body=b"")
    assert not allowed(checker(HMAC, SECRET), {**good, "X-Timestamp": "1700000001"})
    assert not allowed(checker(HMAC, SECRET), {**good, "X-Signature": good["X-Signature"][:-1] + "x"})
    assert not allowed(checker(HMAC, SECRET), {**good, "X-Signature": good["X-Signature"][:-2]})
    assert not allowed(checker(HMAC, b"another"), good)
    assert not allowed(checker(replace(HMAC, algorithm="sha512"), SECRET), good)


def test_a_guess_costs_no_digest_of_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a signature, or comes at the wrong time, is refused before the body is hashed."""
    check, good = checker(HMAC, SECRET), signed(b"1700000000." + BODY)
    monkeypatch.setattr(hmac, "digest", lambda *_: pytest.fail("hashed"))
    assert not allowed(check, {**good, "X-Signature": good["X-Signature"][1:]})
    assert not allowed(check, good, now=NOW + 301)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"X-Signature": ""}, "no signature in x-signature"),
        ({"X-Signature": "canary"}, "x-signature holds no digest of the configured algorithm, encoding and prefix"),
        ({"X-Timestamp": ""}, "no x-timestamp beside the signature"),
        ({"X-Timestamp": "1600000000"}, "x-timestamp is unreadable, or too far from the time here"),
        ({"X-Timestamp": "canary"}, "x-timestamp is unreadable, or too far from the time here"),
        ({"X-Signature": "c" * 64}, "the signature in x-signature is of another secret or payload format"),
    ],
    ids=str,
)
def test_a_rejection_is_explained_without_showing_the_request(change: dict[str, str], reason: str) -> None:
    """The operator reads which header is at fault, and nothing of what was sent."""
    request = Credentials("POST", URL, CIMultiDict({**signed(b"1700000000." + BODY), **change}), BODY)

    assert not checker(HMAC, SECRET).allows(request, NOW)
    assert checker(HMAC, SECRET).explain(request, NOW) == reason


def test_hex_in_either_case() -> None:
    """Hexadecimal digits are the same number in capitals."""
    good = signed(b"1700000000." + BODY)
    assert allowed(checker(HMAC, SECRET), {**good, "X-Signature": good["X-Signature"].upper()})


def test_base64_signature() -> None:
    """Base64 is accepted as the encoding, exactly as it is written."""
    value = base64.b64encode(openssl(SECRET, b"1700000000." + BODY)).decode()
    check = checker(replace(HMAC, encoding="base64"), SECRET)
    stamp = {"X-Timestamp": "1700000000"}
    assert allowed(check, {**stamp, "X-Signature": value})
    for wrong in (value.swapcase(), value.rstrip("="), f"{value}=", "", "====", "not base64 at all!"):
        assert not allowed(check, {**stamp, "X-Signature": wrong})
    assert not allowed(checker(HMAC, SECRET), {**stamp, "X-Signature": value})


def test_prefix_and_header_names() -> None:
    """A prefix must be there, and signature and timestamp come from the configured headers."""
    check = checker(replace(HMAC, prefix="sha256=", signature_header="X-Sig", timestamp_header="X-When"), SECRET)
    digest = signed(b"1700000000." + BODY)["X-Signature"]
    assert allowed(check, {"x-sig": f"sha256={digest}", "x-when": "1700000000"})
    assert not allowed(check, {"x-sig": digest, "x-when": "1700000000"})
    assert not allowed(check, {"x-signature": f"sha256={digest}", "x-timestamp": "1700000000"})


def test_every_placeholder() -> None:
    """Method, URL, id, timestamp and body can all be signed, among literal text."""
    check = checker(replace(HMAC, payload_format="v0:{method} {url}|{svix-id}|{timestamp}|{body}|é"), SECRET)
    payload = f"v0:POST {URL}|msg_1|1700000000|".encode() + BODY + "|é".encode()
    good = {**signed(payload), "Svix-Id": "msg_1"}
    assert allowed(check, good)
    assert not allowed(check, good, method="PUT")
    assert not allowed(check, good, url=URL + "1")
    assert not allowed(check, {**good, "Svix-Id": "msg_2"})
    assert not allowed(check, signed(payload.replace(b"msg_1", b"")))


def test_a_url_is_known_behind_a_proxy_that_ends_tls() -> None:
    """The platform signed https, the proxy forwards http."""
    check = checker(replace(HMAC, payload_format="{url}{body}"), SECRET)
    assert allowed(
        check, signed(b"https://exporter.example/webhook/vapi" + BODY), url="http://exporter.example/webhook/vapi"
    )


def test_braces_in_the_body_are_not_placeholders() -> None:
    """What a client sends never becomes part of the template."""
    check = checker(replace(HMAC, payload_format="{timestamp}.{body}"), SECRET)
    body = b"{timestamp}{method}"
    assert allowed(check, signed(b"1700000000." + body), body=body)


def test_base64_secret() -> None:
    """A base64 secret is decoded, padded or not, with whsec_ or without."""
    key = b"\x00\xfe binary key"
    text = base64.b64encode(key)
    for secret in (text, text.rstrip(b"="), b"whsec_" + text):
        assert allowed(checker(replace(HMAC, secret_is_base64=True), secret), signed(b"1700000000." + BODY, key))
    assert not allowed(checker(HMAC, text), signed(b"1700000000." + BODY, key))


@pytest.mark.parametrize(
    ("timestamp", "unit", "right"),
    [
        ("1700000000", "auto", True),
        ("1699999700", "auto", True),
        ("1700000300", "auto", True),
        ("1699999699", "auto", False),
        ("1700000301", "auto", False),
        ("1700000000123", "auto", True),
        ("1699999699999", "auto", False),
        ("1700000000.5", "s", True),
        ("1700000000123", "ms", True),
        ("1700000000123", "s", False),
        ("1700000000", "ms", False),
        ("0", "auto", False),
        ("-1700000000", "auto", False),
        ("+1700000000", "auto", False),
        ("1.7e9", "auto", False),
        ("1_700_000_000", "auto", False),
        (" 1700000000", "auto", False),
        ("\uff11700000000", "auto", False),
        ("nan", "auto", False),
        ("inf", "auto", False),
        ("9" * 5000, "auto", False),
        ("", "auto", False),
        ("2023-11-14T22:13:20Z", "auto", True),
        ("2023-11-14T22:13:20.123Z", "ms", True),
        ("2023-11-14T23:13:20+01:00", "s", True),
        ("2023-11-14T22:13:20", "auto", True),
        ("2023-11-14T22:18:21Z", "auto", False),
        ("2023-11-14T22:13:20+01:00", "auto", False),
        ("2023-11-14T25:13:20Z", "auto", False),
        ("yesterday", "auto", False),
    ],
)
def test_timestamp(timestamp: str, unit: TimestampUnit, right: bool) -> None:
    """A signed timestamp, in seconds, milliseconds or ISO 8601, counts up to the tolerance before and after now."""
    check = checker(replace(HMAC, timestamp_unit=unit), SECRET)
    assert allowed(check, signed(timestamp.encode() + b"." + BODY, timestamp=timestamp)) is right


@pytest.mark.parametrize("prefix", ["", "sha256=", "SHA256=", "v1=", "v0="])
def test_a_usual_prefix_needs_no_configuration(prefix: str) -> None:
    """Many senders write the algorithm or a version before the digest; with both encodings that is no part of it."""
    digest = openssl(SECRET, BODY)
    bare = replace(HMAC, payload_format="{body}")
    assert allowed(checker(bare, SECRET), {"X-Signature": prefix + digest.hex()})
    encoded = base64.b64encode(digest).decode()
    assert allowed(checker(replace(bare, encoding="base64"), SECRET), {"X-Signature": prefix + encoded})


@pytest.mark.parametrize("prefix", ["sha512=", "sha256:", "v=", "v123=", "sha256=sha256=", "=", "hmac "])
def test_another_prefix_is_no_digest(prefix: str) -> None:
    """What names another algorithm, or is no usual prefix, is wrong unless it is configured."""
    digest = openssl(SECRET, BODY).hex()
    bare = replace(HMAC, payload_format="{body}")
    assert not allowed(checker(bare, SECRET), {"X-Signature": prefix + digest})
    assert allowed(checker(replace(bare, prefix=prefix), SECRET), {"X-Signature": prefix + digest})
    assert not allowed(checker(replace(bare, prefix=prefix), SECRET), {"X-Signature": digest})


def test_tolerance_zero_takes_any_time() -> None:
    """Without a tolerance an old signature is fine, but the timestamp has to be one."""
    check = checker(replace(HMAC, tolerance=0.0), SECRET)
    assert allowed(check, signed(b"1." + BODY, timestamp="1"))
    assert not allowed(check, signed(b"x." + BODY, timestamp="x"))


def test_a_timestamp_that_is_not_signed_is_not_asked_for() -> None:
    """With a template of the body alone there is no timestamp to check."""
    digest = signed(BODY)["X-Signature"]
    assert allowed(checker(replace(HMAC, payload_format="{body}"), SECRET), {"X-Signature": digest})


def test_a_missing_timestamp_is_refused() -> None:
    """A signature that should cover a timestamp does not count without one."""
    good = signed(b"1700000000." + BODY)
    assert not allowed(checker(HMAC, SECRET), {"X-Signature": good["X-Signature"]})
    assert not allowed(checker(HMAC, SECRET), {"X-Signature": openssl(SECRET, b"." + BODY).hex()})


def test_several_signatures_are_refused() -> None:
    """One request has one HMAC signature; a second, in the same header or another, makes it ambiguous."""
    good = signed(b"1700000000." + BODY)
    assert not allowed(checker(HMAC, SECRET), {**good, "X-Signature": f"{good['X-Signature']},{good['X-Signature']}"})
    twice = CIMultiDict(good)
    twice.add("X-Signature", good["X-Signature"])
    assert not allowed(checker(HMAC, SECRET), twice)


def test_rotation_of_signing_keys() -> None:
    """Any of several keys may have signed."""
    check = checker(HMAC, b"old", b"new")
    assert allowed(check, signed(b"1700000000." + BODY, b"old"))
    assert allowed(check, signed(b"1700000000." + BODY, b"new"))
    assert not allowed(check, signed(b"1700000000." + BODY, b"neither"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{timestamp}.{boddy}",
            "unknown placeholder; known are {timestamp}, {body}, {method}, {url}, {svix-id}",
        ),
        ("{}{body}", "unknown placeholder"),
        ("{body", "a brace without its partner"),
        ("{{body}}", "a brace without its partner"),
        ("{timestamp}", "add {body}"),
        ("", "add {body}"),
    ],
)
def test_an_unusable_template_is_an_error(template: str, message: str) -> None:
    """A template is refused at construction, with a message that says what is wrong with it."""
    with pytest.raises(ValueError, match=re.escape(message)):
        checker(replace(HMAC, payload_format=template), SECRET)


@pytest.mark.parametrize("kind", ["hmac", "standard"])
@pytest.mark.parametrize("secret", [b"not base64!", b"whsec_", b"\xff\xff"])
def test_a_secret_that_is_not_base64_is_an_error(kind: AuthType, secret: bytes) -> None:
    """It is refused at construction, and the message does not show it."""
    with pytest.raises(ValueError, match="a secret is not base64") as caught:
        checker(replace(HMAC, type=kind, secret_is_base64=True), secret)
    assert "not base64!" not in str(caught.value)


# Standard Webhooks

# The example that the reference libraries of Standard Webhooks are tested with.
STANDARD_SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_NOW = 1614265330.0
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def standard_allows(headers: Mapping[str, str], *, body: bytes = STANDARD_BODY, now: float = STANDARD_NOW) -> bool:
    """What the check of the published secret says."""
    return allowed(checker(STANDARD, STANDARD_SECRET), headers, body=body, now=now)


def test_the_published_vector_is_accepted() -> None:
    """The specification's own example verifies, under the standard's header names and Svix's older ones."""
    assert standard_allows(SIGNED)
    assert standard_allows({name.replace("webhook", "svix"): value for name, value in SIGNED.items()})
    assert allowed(checker(STANDARD, STANDARD_SECRET[6:]), SIGNED, body=STANDARD_BODY, now=STANDARD_NOW)


def test_one_signature_of_a_list_is_enough() -> None:
    """Keys rotate at the sender by several signatures; versions that we do not know are passed over."""
    good, other = SIGNED["webhook-signature"], "v1," + base64.b64encode(bytes(32)).decode()
    assert standard_allows({**SIGNED, "webhook-signature": f"v1a,AAAA {other} {good} v2,x"})
    assert not standard_allows({**SIGNED, "webhook-signature": f"{other} v1a,{good[3:]} v2,{good[3:]} v1:{good[3:]}"})


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,G0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": ""},
    ],
    ids=repr,
)
def test_a_tampered_standard_webhook_is_refused(change: dict[str, str]) -> None:
    """Id, timestamp and signature all belong to what was signed."""
    assert not standard_allows({**SIGNED, **change})


def test_a_standard_webhook_has_all_its_headers() -> None:
    """A missing header, a changed body or another secret's request is refused."""
    for name in SIGNED:
        assert not standard_allows({key: value for key, value in SIGNED.items() if key != name})
    assert not standard_allows(SIGNED, body=STANDARD_BODY + b" ")
    assert not allowed(checker(STANDARD, b"AAAA"), SIGNED, body=STANDARD_BODY, now=STANDARD_NOW)


def test_a_standard_webhook_grows_stale() -> None:
    """It is accepted within the tolerance, before and after."""
    assert standard_allows(SIGNED, now=STANDARD_NOW + 300)
    assert standard_allows(SIGNED, now=STANDARD_NOW - 300)
    assert not standard_allows(SIGNED, now=STANDARD_NOW + 301)
    assert not standard_allows(SIGNED, now=STANDARD_NOW - 301)
