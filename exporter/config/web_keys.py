"""The keys of the web configuration: exporter-toolkit's, as far as Python's TLS and aiohttp can do what they ask.

The format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import bcrypt

from exporter.errors import Invalid
from exporter.http.tls import CIPHERS, CURVES, TLS13_CIPHERS
from exporter.yamlfile.kinds import BOOLEAN, TEXT, integer, kind, listed, text
from exporter.yamlfile.schema import Key, Kind
from exporter.yamlfile.tree import Node

MIN_COST: Final = 4
MAX_COST: Final = 18
"""Of a bcrypt hash: a wrong password costs 2 to its power rounds, at 18 some ten seconds of a core."""

_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_AMOUNT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"0|(?:{_AMOUNT.pattern})+")
_BCRYPT: Final = re.compile(r"\$2[abxy]\$([0-9]{2})\$([./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")


def _one_of(values: Mapping[str, Any], hint: str = "") -> Kind:
    """What one of some names stands for."""

    def convert(value: object) -> object:
        if value not in values:
            raise ValueError
        return values[text(value)]

    return kind(f"one of {', '.join(name for name in values if name)}{hint}", convert)


def _interval(value: object) -> float:
    """Seconds of a duration as Go's time.ParseDuration takes it."""
    if value == 0 and type(value) is int:
        return 0.0
    if not _DURATION.fullmatch(text(value)):
        raise ValueError
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _AMOUNT.findall(text(value)))


def _path(value: object) -> Path:
    if not text(value).isprintable() or not value:
        raise ValueError
    return Path(text(value))


def _header(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not (text(value).isascii() and text(value).isprintable()):
        raise ValueError
    return text(value)


def _hash(value: object) -> bytes:
    found = _BCRYPT.fullmatch(text(value))
    if not found or not MIN_COST <= int(found[1]) <= MAX_COST:
        raise ValueError
    # A salt that bcrypt cannot read is found now, at the lowest cost, and not when somebody asks.
    bcrypt.hashpw(b"", b"$2b$04$" + found[2].encode())
    return text(value).encode()


def _users(node: Node) -> Mapping[str, bytes]:
    if not isinstance(node.value, dict | None):
        raise Invalid(node.fault("expected user names, with a bcrypt hash each"))
    users, faults = {}, []
    for name, inner in (node.value or {}).items():
        # Without the name: what stands in the wrong place may be a password.
        place = Node(node.file, node.path, inner.line, inner.value)
        if not name or ":" in name:
            faults.append(place.fault("a user name cannot be empty or hold a colon"))
        try:
            users[name] = _HASH.read(place)
        except Invalid as error:
            faults += error.faults
    if faults:
        raise Invalid(*faults)
    return MappingProxyType(users)


_FILE: Final = kind("the path of a file", _path)
_OR_NONE: Final = ', or "" to leave the header out'
_VALUE: Final = kind(f"ASCII text{_OR_NONE}", _header)
_FRAMES: Final = _one_of({name: name for name in ("deny", "sameorigin", "")}, _OR_NONE)
_NOSNIFF: Final = _one_of({name: name for name in ("nosniff", "")}, _OR_NONE)
_HASH: Final = kind(f"a bcrypt hash of cost {MIN_COST} to {MAX_COST}: make one with htpasswd -nBC 10 ''", _hash)
_VERSION: Final = _one_of(
    {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}, "; what is older is not safe (RFC 8996)"
)
_CLIENT_AUTH: Final = _one_of(
    {
        "NoClientCert": ssl.CERT_NONE,
        "RequestClientCert": ssl.CERT_NONE,
        "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
        "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    },
    "; RequireAnyClientCert is left out on purpose: a certificate that nothing verifies can be made by any client",
)
_CIPHER: Final = _one_of({**CIPHERS, **dict.fromkeys(TLS13_CIPHERS, "")})


def _tls(name: str, takes: Kind, help_: str, example: str, default: str = "none") -> Key:
    return Key(f"tls_server_config.{name}", takes, help_, example, default)


def _headers(name: str, takes: Kind, example: str) -> Key:
    return Key(f"http_server_config.headers.{name}", takes, "Set on every answer but a webhook's.", example)


KEYS: Final = (
    _tls("cert_file", _FILE, "The server's certificate and its chain, in PEM.", "server.pem"),
    _tls("key_file", _FILE, "Its private key, in PEM without a passphrase.", "server.key"),
    _tls(
        "client_auth_type",
        _CLIENT_AUTH,
        "Whether clients show a certificate.",
        "RequireAndVerifyClientCert",
        "NoClientCert",
    ),
    _tls("client_ca_file", _FILE, "Authorities of the clients' certificates, in PEM.", "clients.pem"),
    _tls("client_ca", TEXT, "The same, written here.", '"-----BEGIN CERTIFICATE-----..."'),
    _tls(
        "client_allowed_sans",
        listed(TEXT, "names"),
        "A client's certificate must have one of them.",
        "[prometheus]",
        "any",
    ),
    _tls("min_version", _VERSION, "Oldest protocol.", "TLS13", "TLS12"),
    _tls("max_version", _VERSION, "Newest protocol.", "TLS12", "TLS13"),
    _tls(
        "cipher_suites",
        listed(_CIPHER, "Go's names of cipher suites"),
        "For TLS 1.2; those of TLS 1.3 are always on.",
        "[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]",
        "OpenSSL's",
    ),
    _tls("prefer_server_cipher_suites", BOOLEAN, "Their order counts, not the client's.", "false", "true"),
    _tls(
        "curve_preferences",
        listed(_one_of(CURVES), "curves"),
        "Of several, OpenSSL's own choice is taken where Python can't set them, before 3.15.",
        "[X25519]",
        "OpenSSL's",
    ),
    _tls("cert", TEXT, "The certificate, written here instead of `cert_file`.", '"-----BEGIN CERTIFICATE-----..."'),
    _tls("key", TEXT, "The key, written here instead of `key_file`.", '"-----BEGIN PRIVATE KEY-----..."'),
    Key("http_server_config.http2", BOOLEAN, "Taken, but HTTP/1.1 is all that is spoken.", "false", "false"),
    _headers("Content-Security-Policy", _VALUE, "\"default-src 'none'\""),
    _headers("X-Frame-Options", _FRAMES, "deny"),
    _headers("X-Content-Type-Options", _NOSNIFF, "nosniff"),
    _headers("X-XSS-Protection", _VALUE, '"0"'),
    _headers("Strict-Transport-Security", _VALUE, '"max-age=31536000"'),
    Key("basic_auth_users", Kind("bcrypt hashes by user name", _users), "Who may read.", 'prometheus: "$2y$10$..."'),
    Key(
        "rate_limit.interval",
        kind("a duration such as 1s, 500ms or 1m30s", _interval),
        "Time between requests to anything but webhooks, from all clients together; 0 for no limit.",
        "1s",
        "0",
    ),
    Key("rate_limit.burst", integer(0), "Requests that may come at once.", "20", "0"),
)
