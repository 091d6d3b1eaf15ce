"""The file of ``--web.config.file``: who may read, over TLS or not. `exporter.config.web_keys` says what is in it."""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.config.web_keys import KEYS
from exporter.errors import ConfigError, TlsError, WebConfigError
from exporter.http.access import WebConfig
from exporter.http.tls import Tls, server_context
from exporter.logs import log
from exporter.yamlfile.schema import Found, check
from exporter.yamlfile.tree import read_tree

_TLS = "tls_server_config"

_log = logging.getLogger(__name__)


def load(path: Path | None) -> WebConfig:
    """Read and check the file, and the certificates that it names; relative paths start at its directory.

    Raises:
        WebConfigError: something in it cannot be used.
    """
    if path is None:
        return WebConfig()
    try:
        found = check(read_tree(path), KEYS)
    except ConfigError as error:
        raise WebConfigError(*error.faults) from None
    tls = _tls(found, path.parent)
    if found.faults:
        raise WebConfigError(*found.faults)
    _log_what_has_no_effect(found, tls)
    headers = found.section("http_server_config.headers")
    interval, burst = (found.values.get(f"rate_limit.{key}", 0) for key in ("interval", "burst"))
    rate_limit = (interval, burst) if interval else None
    return WebConfig(str(path), tls, headers, found.values.get("basic_auth_users", {}), rate_limit)


def _log_what_has_no_effect(found: Found, tls: Tls | None) -> None:
    if found.values.get("http_server_config.http2"):
        _no_effect("http_server_config.http2", "clients get HTTP/1.1")
    if tls and _value(found, f"{_TLS}.client_auth_type") == "RequestClientCert":
        _no_effect(f"{_TLS}.client_auth_type", "nothing depends on a certificate that clients need not have")
    if tls and len(tls.curves) > 1 and not hasattr(ssl.SSLContext, "set_groups"):
        _no_effect(f"{_TLS}.curve_preferences", "this Python can set one curve, not several")
    if tls and tls.client_auth and not (tls.client_ca_file or tls.client_ca):
        log(
            _log,
            logging.WARNING,
            "the system's authorities verify client certificates",
            missing=f"{_TLS}.client_ca_file",
        )


def _no_effect(key: str, reason: str) -> None:
    log(_log, logging.WARNING, "a setting has no effect", key=key, reason=reason)


def _value(found: Found, path: str) -> object:
    """What stands in the file."""
    return found.nodes[path].value if path in found.nodes else None


def _tls(found: Found, folder: Path) -> Tls | None:
    values = found.section(_TLS)
    if not values or found.faults:
        return None
    for key, message in _contradictions(values):
        found.fault(f"{_TLS}.{key}", message)
    if found.faults:
        return None
    tls = _settings(values, folder)
    try:
        server_context(tls)
    except TlsError as error:
        found.fault(f"{_TLS}.{error.key}", str(error))
    return tls


def _settings(values: Mapping[str, Any], folder: Path) -> Tls:
    suites = [cipher for cipher in values.get("cipher_suites", ()) if cipher]
    oldest = values.get("min_version", ssl.TLSVersion.TLSv1_2)
    if values.get("cipher_suites") and not suites:
        # None is left for TLS 1.2, and those of TLS 1.3 can't be chosen.
        oldest = ssl.TLSVersion.TLSv1_3

    def file(name: str) -> Path | None:
        return folder / values[name] if values.get(name) else None

    return Tls(
        cert_file=file("cert_file"),
        key_file=file("key_file"),
        cert=values.get("cert", ""),
        key=values.get("key", ""),
        client_auth=values.get("client_auth_type", ssl.CERT_NONE),
        client_ca_file=file("client_ca_file"),
        client_ca=values.get("client_ca", ""),
        client_allowed_sans=frozenset(values.get("client_allowed_sans", ())),
        ciphers=tuple(suites),
        prefer_server_ciphers=values.get("prefer_server_cipher_suites", True),
        min_version=oldest,
        max_version=values.get("max_version", ssl.TLSVersion.TLSv1_3),
        curves=values.get("curve_preferences", ()),
    )


def _contradictions(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys that cannot be as they are because of others, with what to do about it."""
    auth = values.get("client_auth_type", ssl.CERT_NONE)
    oldest = values.get("min_version", ssl.TLSVersion.TLSv1_2)
    newest = values.get("max_version", ssl.TLSVersion.TLSv1_3)
    suites = values.get("cipher_suites", ())
    authorities = [key for key in ("client_ca_file", "client_ca") if values.get(key)]
    rules = [
        ("cert_file", not _given(values, "cert"), "is missing: TLS needs the server's certificate"),
        ("key_file", not _given(values, "key"), "is missing: TLS needs the key of the certificate"),
        *(
            (name, len(_given(values, name)) > 1, f"is given beside {name}_file: keep one of them")
            for name in ("cert", "key", "client_ca")
        ),
        (
            "client_auth_type",
            authorities and not auth,
            "leaves the clients' authorities without effect: set it to RequireAndVerifyClientCert",
        ),
        (
            "client_allowed_sans",
            "client_allowed_sans" in values and (auth != ssl.CERT_REQUIRED or not values["client_allowed_sans"]),
            "needs a name at least, and client_auth_type: RequireAndVerifyClientCert",
        ),
        ("max_version", newest < oldest, "is older than min_version"),
        (
            "cipher_suites",
            suites and not any(suites) and newest < ssl.TLSVersion.TLSv1_3,
            "names none for TLS 1.2: add one, or leave max_version out",
        ),
    ]
    return [(key, message) for key, wrong, message in rules if wrong]


def _given(values: Mapping[str, Any], name: str) -> list[str]:
    """The keys that give it: a file, or the text itself."""
    return [key for key in (f"{name}_file", name) if values.get(key)]
