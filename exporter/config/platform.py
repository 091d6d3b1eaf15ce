"""One platform's part of the configuration: its secrets, what is done with them, and the relay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from exporter.config.auth import Auth
from exporter.config.kinds import secret_of
from exporter.config.settings import SECRET_HEADERS, Platform, Relay
from exporter.errors import ConfigError
from exporter.yamlfile.fields import build
from exporter.yamlfile.schema import Found
from exporter.yamlfile.tree import Node, read_limited

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
    **dict.fromkeys(("secrets", "secret_files"), ("header", "bearer", "hmac", "standard")),
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
    own = _secrets(found, at, base)
    ways = found.values.get(f"{at}.auth") or [Found({}, {"": found.place(f"{at}.auth")})]
    explicit = f"{at}.auth" in found.nodes
    if f"{at}.header" in found.values:
        explicit = True
        _put_header(found, at, ways)
    auth = tuple(_auth(way, name, base, explicit=explicit) for way in ways)
    found.faults += (fault for way in ways for fault in way.faults)
    relay = found.section(f"{at}.relay")
    if f"{at}.relay" in found.nodes and "url" not in relay:
        found.fault(f"{at}.relay.url", "is missing: say where the application listens")
    settings = Platform(
        secrets=(*own, *shared),
        secret_files=found.values.get(f"{at}.secret_files", ()),
        auth=auth,
        header=found.values.get(f"{at}.header"),
        relay=build(Relay, found.values, f"{at}.relay.") if "url" in relay else None,
    )
    if len(found.faults) == faults:
        for place, (way, secrets) in zip(ways, settings.credentials, strict=True):
            _check_secrets(place, way, secrets, own)
            if way.type == "none" and len(ways) > 1:
                place.fault(
                    "", "type none accepts all requests, whatever the other entries ask for: remove it, or the others"
                )
        found.faults += (fault for way in ways for fault in way.faults)
    return settings


def _secrets(found: Found, at: str, base: Path) -> tuple[bytes, ...]:
    """Those of the file and of the files that it names."""
    prefix = f"{at}." if at else ""
    secrets = list(found.values.get(f"{prefix}secrets", ()))
    if paths := found.values.get(f"{prefix}secret_files"):
        nodes = found.nodes[f"{prefix}secret_files"].value
        secrets += _from_files(found, paths, nodes if isinstance(nodes, list) else [], base)
    return tuple(secrets)


def _from_files(found: Found, paths: Sequence[Path], nodes: Sequence[Node], base: Path) -> list[bytes]:
    secrets = []
    for path, node in zip(paths, nodes, strict=True):
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


def _put_header(found: Found, at: str, ways: Sequence[Found]) -> None:
    """Give the one way the header that is written beside it."""
    kind = ways[0].values.get("type", "header")
    if len(ways) > 1 or "header" in ways[0].values:
        found.fault(f"{at}.header", "is short for auth.header, which is there too: remove one of them")
    elif kind not in AUTH_TYPES["header"]:
        found.fault(f"{at}.header", f"belongs to auth.type header or bearer, and type is {kind}: remove it")
    else:
        ways[0].values["header"] = found.values[f"{at}.header"]


def _auth(way: Found, name: str, base: Path, *, explicit: bool) -> Auth:
    kind = way.values.setdefault("type", "header")
    for option in way.values.keys() - {"type"}:
        if kind not in AUTH_TYPES[option]:
            types = " or ".join(AUTH_TYPES[option])
            way.fault(option, f"belongs to type {types}, and type is {kind}: change the type or remove it")
    values = {
        **way.values,
        "secrets": _secrets(way, "", base),
        "headers": _headers(kind, name, way.values.get("header")),
        "explicit": explicit,
    }
    return build(Auth, values)


def _headers(kind: str, name: str, header: str | None) -> tuple[str, ...]:
    if kind == "bearer":
        return ("authorization",) if header in {None, "authorization"} else ("authorization", str(header))
    if kind != "header":
        return ()
    usual = SECRET_HEADERS[name]
    return usual if header is None or header in usual else (header,)


def _check_secrets(place: Found, auth: Auth, secrets: tuple[bytes, ...], own: tuple[bytes, ...]) -> None:
    if auth.type == "none":
        if own:
            place.fault("", "type none accepts all requests, whatever their secret: remove it, or the secrets")
        return
    if auth.explicit and not secrets:
        remedy = "add secrets or secret_files, set VOICE_EXPORTER_WEBHOOK_SECRET, or use type none"
        place.fault("", f"type {auth.type} needs a secret, and there is none: {remedy}")
    try:
        auth.keys(secrets)
    except ValueError as error:
        place.fault("", str(error))
