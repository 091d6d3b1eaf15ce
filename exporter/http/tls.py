"""TLS of the exporter's own listener: a server context whose certificates follow their files without a restart."""

import ipaddress
import logging
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, NamedTuple

from exporter.errors import TlsError
from exporter.logs import log

_log = logging.getLogger(__name__)

CIPHERS: Final[Mapping[str, str]] = {
    f"TLS_ECDHE_{auth}_WITH_{go}": f"ECDHE-{auth}-{openssl}"
    for auth in ("ECDSA", "RSA")
    for go, openssl in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
        "CHACHA20_POLY1305": "CHACHA20-POLY1305",
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
    }.items()
}
"""Go's names of its TLS 1.2 suites (https://pkg.go.dev/crypto/tls#CipherSuites), and OpenSSL's."""

TLS13_CIPHERS: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""Always on, here as in Go: neither offers a choice among them."""

CURVES: Final[Mapping[str, str]] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}


@dataclass(frozen=True, slots=True)
class Tls:
    """What ``tls_server_config`` asks for.

    Attributes:
        cert_file: PEM chain of the server; None if it is in ``cert``.
        key_file: PEM private key, without a passphrase; None if it is in ``key``.
        cert: the chain as text.
        key: the key as text.
        client_auth: whether a client shows a certificate, which is then always verified.
        client_ca_file: PEM authorities of the clients; None if they are in ``client_ca``, or are the system's.
        client_ca: the same as text.
        client_allowed_sans: a client's certificate has one of these names; empty allows every name.
        ciphers: OpenSSL names for TLS 1.2; empty for OpenSSL's own choice.
        prefer_server_ciphers: our order of ciphers counts, not the client's.
        min_version: oldest protocol.
        max_version: newest protocol.
        curves: OpenSSL names, in order of preference; empty for OpenSSL's own choice.
    """

    cert_file: Path | None = None
    key_file: Path | None = None
    cert: str = ""
    key: str = field(default="", repr=False)
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_ca_file: Path | None = None
    client_ca: str = ""
    client_allowed_sans: frozenset[str] = frozenset()
    ciphers: tuple[str, ...] = ()
    prefer_server_ciphers: bool = True
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    curves: tuple[str, ...] = ()


def server_context(tls: Tls) -> ssl.SSLContext:
    """A context for a listener; files that changed are read at the next handshake, and bad ones logged but not used.

    Raises:
        TlsError: a file is missing or unusable.
    """
    context = _build(tls)
    context.sni_callback = _Renewal(tls, context).at_handshake
    return context


def client_allowed(tls: Tls, certificate: Mapping[str, Any] | None) -> bool:
    """Whether a verified client certificate, as ``SSLObject.getpeercert`` gives it, has one of the allowed names."""
    if not tls.client_allowed_sans:
        return True
    names = {_plain(value) for _, value in (certificate or {}).get("subjectAltName", ())}
    return not names.isdisjoint(map(_plain, tls.client_allowed_sans))


def _plain(name: str) -> str:
    """The name; an IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


class _Renewal:
    """Exchanges the context of a handshake for a newer one when a file changed since."""

    def __init__(self, tls: Tls, context: ssl.SSLContext) -> None:
        self._tls = tls
        self._context = context
        self._seen = _fingerprint(tls)
        self._since = 0.0

    def at_handshake(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        seen = _fingerprint(self._tls)
        if seen != self._seen:
            self._seen = seen
            self._renew()
        connection.context = self._context
        return ssl.AlertDescription.ALERT_DESCRIPTION_CERTIFICATE_EXPIRED if self._outlived(connection) else None

    def _outlived(self, connection: ssl.SSLObject) -> bool:
        """Whether a resumed session was begun under authorities that have changed since."""
        session = connection.session if self._tls.client_auth and connection.session_reused else None
        return session is not None and session.time <= self._since

    def _renew(self) -> None:
        try:
            self._context = _build(self._tls)
        except TlsError as error:
            log(_log, logging.ERROR, "changed certificates are not used", key=error.key, reason=str(error))
        else:
            self._since = time.time()
            log(_log, logging.INFO, "changed certificates are in use")


def _fingerprint(tls: Tls) -> list[tuple[int, int, int] | None]:
    return [_stat(path) for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path]


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _build(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_chain(context, tls)
    context.verify_mode = tls.client_auth
    if tls.client_auth != ssl.CERT_NONE:
        _load_authorities(context, tls)
    context.minimum_version, context.maximum_version = tls.min_version, tls.max_version
    if not tls.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.ciphers:
        context.set_ciphers(":".join(tls.ciphers))
    if len(tls.curves) == 1:
        context.set_ecdh_curve(tls.curves[0])
    elif tls.curves and hasattr(context, "set_groups"):
        context.set_groups(":".join(tls.curves))  # from Python 3.15 on
    return context


def _load_chain(context: ssl.SSLContext, tls: Tls) -> None:
    with _pem("cert", tls.cert_file, tls.cert) as cert, _pem("key", tls.key_file, tls.key) as key:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert.path)
        except ssl.SSLError:
            raise TlsError(cert.setting, f"{cert.name} holds no PEM certificate") from None
        try:
            # Without a password function OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert.path, key.path, password=lambda: "")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError(key.setting, f"{key.name} is not the key of the certificate in {cert.name}") from None
            raise TlsError(key.setting, f"{key.name} holds no PEM private key without passphrase") from None


class _Pem(NamedTuple):
    """PEM that OpenSSL can read.

    Attributes:
        path: where it is.
        setting: the key of ``tls_server_config`` that gives it.
        name: what a message calls it.
    """

    path: Path
    setting: str
    name: str


@contextmanager
def _pem(setting: str, file: Path | None, text: str) -> Iterator[_Pem]:
    """The file, or the text in a file without a name: `ssl` reads a chain and its key from files only."""
    if file:
        _readable(f"{setting}_file", file)
        yield _Pem(file, f"{setting}_file", str(file))
        return
    with os.fdopen(os.memfd_create(setting), "w") if hasattr(os, "memfd_create") else TemporaryFile("w") as copy:
        copy.write(text)
        copy.seek(0)
        yield _Pem(Path(f"/dev/fd/{copy.fileno()}"), setting, "the text")


def _load_authorities(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.client_ca_file:
        _readable("client_ca_file", tls.client_ca_file)
    elif not tls.client_ca:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        context.load_verify_locations(cafile=tls.client_ca_file, cadata=tls.client_ca or None)
    except (ssl.SSLError, TypeError):
        key, where = ("client_ca_file", tls.client_ca_file) if tls.client_ca_file else ("client_ca", "the text")
        raise TlsError(key, f"{where} holds no PEM certificate") from None


def _readable(key: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TlsError(key, f"cannot read {path}: {error.strerror}") from None
