"""One platform's part of the configuration: its secrets, what is done with them, and the relay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exporter.config.kinds import secret_of
from exporter.config.settings import SECRET_HEADERS, Auth, Platform, Relay
from exporter.errors import ConfigError
from exporter.webhooks.authenticator import Authenticator
from exporter.yamlfile.schema import Found
from exporter.yamlfile.tree import read_limited

MAX_SECRET_BYTES: Final = 4096
"""Half of what aiohttp takes as a header."""

_HMAC: Final = (
    "algorithm",
    "signature_header",
    "timestamp_header",
    "id_header",
    "payload_format",
    "encoding",
    "prefix",
    "secret_is_base64",
)
AUTH_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "header": ("header", "bearer"),
    "tolerance": ("hmac", "standard"),
    "timestamp_unit": ("hmac", "standard"),
    **dict.fromkeys(_HMAC, ("hmac",)),
}
"""The types of authentication that each option belongs to."""


def platform(found: Found, name: str, base: Path, shared: tuple[bytes, ...]) -> Platform:
    """The settings of one platform; what is wrong with them goes to the faults.

    Args:
        found: what the file says.
        name: the platform's.
        base: where relative paths start.
        shared: secrets that every platform has.
    """
    at, faults = f"webhooks.{name}", len(found.faults)
    auth = _auth(found, at, name)
    own = (*found.values.get(f"{at}.secrets", ()), *_from_files(found, at, base))
    relay = found.section(f"{at}.relay")
    if f"{at}.relay" in found.nodes and "url" not in relay:
        found.fault(f"{at}.relay.url", "is missing: say where the application listens")
    settings = Platform((*own, *shared), auth, Relay(**relay) if "url" in relay else None)
    if len(found.faults) == faults:
        _check_secrets(found, at, settings, own)
    return settings


def _from_files(found: Found, at: str, base: Path) -> list[bytes]:
    secrets = []
    for path, node in found.values.get(f"{at}.secret_files", ()):
        try:
            data = read_limited(base / path, MAX_SECRET_BYTES)
            secrets.append(secret_of(data.removesuffix(b"\n").removesuffix(b"\r")))
        except ConfigError as error:
            # Its path is not shown: who mistakes this key for the other one writes a secret here.
            found.faults.append(node.fault(f"the file {error.faults[0].message}"))
        except ValueError:
            found.faults.append(
                node.fault("the file holds no secret: it is empty, or has several lines or spaces around the secret")
            )
    return secrets


def _auth(found: Found, at: str, name: str) -> Auth:
    options = found.section(f"{at}.auth")
    kind = options.pop("type", found.values.get(f"{at}.auth", "header"))
    for option in options:
        if kind not in AUTH_TYPES[option]:
            types = " or ".join(AUTH_TYPES[option])
            found.fault(
                f"{at}.auth.{option}", f"belongs to type {types}, and type is {kind}: change the type or remove it"
            )
    header = options.pop("header", None)
    if f"{at}.header" in found.values:
        header = _short_header(found, at, kind, header)
    explicit = f"{at}.auth" in found.nodes or header is not None
    return Auth(type=kind, headers=_headers(kind, name, header), explicit=explicit, **options)


def _short_header(found: Found, at: str, kind: str, header: str | None) -> str:
    if header is not None:
        found.fault(f"{at}.header", "is short for auth.header, which is there too: remove one of them")
    if kind not in AUTH_TYPES["header"]:
        found.fault(f"{at}.header", f"belongs to auth.type header or bearer, and type is {kind}: remove it")
    return str(found.values[f"{at}.header"])


def _headers(kind: str, name: str, header: str | None) -> tuple[str, ...]:
    if kind == "bearer":
        return ("authorization",) if header in {None, "authorization"} else ("authorization", str(header))
    if kind != "header":
        return ()
    usual = SECRET_HEADERS[name]
    return usual if header is None or header in usual else (header,)


def _check_secrets(found: Found, at: str, settings: Platform, own: tuple[bytes, ...]) -> None:
    kind = settings.auth.type
    if kind == "none" and own:
        found.fault(f"{at}.auth", "type none accepts all requests, whatever their secret: remove it, or the secrets")
    if kind != "none" and settings.auth.explicit and not settings.secrets:
        remedy = "add secrets or secret_files, set VOICE_EXPORTER_WEBHOOK_SECRET, or use type none"
        found.fault(f"{at}.auth", f"type {kind} needs a secret, and there is none: {remedy}")
        return
    try:
        Authenticator(settings)
    except ValueError as error:
        option, _, message = str(error).partition(": ")
        path = f"{at}.auth.{option}"
        found.fault(*((path, message) if path in found.values else (f"{at}.auth", str(error))))
