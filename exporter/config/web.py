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
    if found.values.get("http_server_config.http2"):
        _log.warning("http_server_config.http2 has no effect: clients get HTTP/1.1")
    headers = found.section("http_server_config.headers")
    return WebConfig(str(path), tls, headers, found.values.get("basic_auth_users", {}))


def _tls(found: Found, folder: Path) -> Tls | None:
    values = found.section(_TLS)
    if _TLS not in found.nodes or found.faults:
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
    ca_file = values.get("client_ca_file")
    return Tls(
        cert_file=folder / values["cert_file"],
        key_file=folder / values["key_file"],
        client_auth=values.get("client_auth_type", ssl.CERT_NONE),
        client_ca_file=folder / ca_file if ca_file else None,
        client_ca=values.get("client_ca", ""),
        client_allowed_sans=frozenset(values.get("client_allowed_sans", ())),
        ciphers=tuple(cipher for cipher in values.get("cipher_suites", ()) if cipher),
        prefer_server_ciphers=values.get("prefer_server_cipher_suites", True),
        min_version=values.get("min_version", ssl.TLSVersion.TLSv1_2),
        max_version=values.get("max_version", ssl.TLSVersion.TLSv1_3),
        curve="".join(values.get("curve_preferences", ())),
    )


def _contradictions(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys that cannot be as they are because of others, with what to do about it."""
    auth = values.get("client_auth_type", ssl.CERT_NONE)
    authorities = [key for key in ("client_ca_file", "client_ca") if values.get(key)]
    oldest = values.get("min_version", ssl.TLSVersion.TLSv1_2)
    suites = values.get("cipher_suites", ())
    rules = {
        "cert_file": ("cert_file" not in values, "is missing: TLS needs the server's certificate"),
        "key_file": ("key_file" not in values, "is missing: TLS needs the key of the certificate"),
        "client_ca": (len(authorities) > 1, "is given beside client_ca_file: keep one of them"),
        "client_auth_type": (
            bool(authorities) and not auth,
            "leaves the clients' authorities without effect: set it to RequireAndVerifyClientCert",
        ),
        "client_ca_file": (auth and not authorities, "is missing: name the authorities of the clients' certificates"),
        "client_allowed_sans": (
            "client_allowed_sans" in values and (auth != ssl.CERT_REQUIRED or not values["client_allowed_sans"]),
            "needs a name at least, and client_auth_type: RequireAndVerifyClientCert",
        ),
        "max_version": (values.get("max_version", ssl.TLSVersion.TLSv1_3) < oldest, "is older than min_version"),
        "cipher_suites": (
            suites and not any(suites) and oldest < ssl.TLSVersion.TLSv1_3,
            "names none for TLS 1.2: add one, or set min_version: TLS13",
        ),
        "curve_preferences": (len(values.get("curve_preferences", ())) > 1, "takes one curve only: keep the first"),
    }
    return [(key, message) for key, (wrong, message) in rules.items() if wrong]
