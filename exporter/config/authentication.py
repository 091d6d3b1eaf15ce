"""Entries of `webhooks.<platform>.auth`: what the options of one say together, and the entries of a platform."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from exporter.config.auth import Auth
from exporter.config.secret import SECRET_VARIABLE, read_secrets
from exporter.config.settings import SECRET_HEADERS, PlatformConfig
from exporter.errors import Fault
from exporter.platforms import PLATFORMS
from exporter.yamlfile.fields import build
from exporter.yamlfile.schema import Found

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
    "tolerance": ("hmac", "standard", "platform"),
    "timestamp_unit": ("hmac", "standard"),
    **dict.fromkeys(_HMAC, ("hmac",)),
    **dict.fromkeys(("secrets", "secret_files"), ("header", "bearer", "hmac", "standard", "platform")),
}
"""The types of authentication that each option belongs to."""

_PLACEHOLDERS: Final = {
    "timestamp_header": "{timestamp}",
    "timestamp_unit": "{timestamp}",
    "tolerance": "{timestamp}",
    "id_header": "{svix-id}",
}
"""What the payload format must hold for an option of type hmac to have an effect."""


def entries(found: Found, name: str) -> Sequence[Found]:
    """What each entry says; one that says nothing where there is none.

    Args:
        found: what the file says.
        name: the platform's.
    """
    at, usual = f"webhooks.{name}", Auth.usual(name).type
    listed: Sequence[Found] = found.values.get(f"{at}.auth") or [Found({}, {"": found.place(f"{at}.auth")})]
    chosen = f"{at}.auth" in found.nodes
    if f"{at}.header" in found.values:
        chosen, usual = True, "header"
        kind = listed[0].values.get("type", usual)
        if len(listed) > 1 or "header" in listed[0].values:
            found.fault(f"{at}.header", "is short for auth.header, which is there too: remove one of them")
        elif kind not in AUTH_TYPES["header"]:
            found.fault(f"{at}.header", f"belongs to auth.type header or bearer, and type is {kind}: remove it")
        else:
            listed[0].values["header"] = found.values[f"{at}.header"]
    for entry in listed:
        entry.values |= {"explicit": chosen, "type": entry.values.get("type", usual)}
    return listed


def read(entry: Found, name: str, base: Path) -> Auth:
    """The settings of one entry; what is wrong with them goes to its faults.

    Args:
        entry: what it says.
        name: the platform's.
        base: where relative paths start.
    """
    kind = entry.values["type"]
    for option in [option for option in AUTH_TYPES if option in entry.values]:
        if kind not in AUTH_TYPES[option]:
            types = " or ".join(AUTH_TYPES[option])
            entry.fault(option, f"belongs to type {types}, and type is {kind}: change the type or remove it")
    header = entry.values.get("header")
    secrets = read_secrets(entry, "", base)
    values = {**entry.values, "secrets": secrets, "headers": _headers(kind, name, header)}
    if kind == "platform":
        signed = PLATFORMS[name].signature
        if signed is None:
            entry.fault("type", f"platform is of no use here: {name} does not sign by itself; use another type")
        else:
            values = {"tolerance": signed.tolerance, **values, "signed": signed}
    auth = build(Auth, values)
    for option, placeholder in _PLACEHOLDERS.items():
        if kind == "hmac" and option in entry.values and placeholder not in auth.payload_format:
            entry.fault(option, f"has no effect: payload_format does not hold {placeholder}; add it, or remove this")
    return auth


def contradictions(entries: Sequence[Found], platform: PlatformConfig, *, own: bool) -> Iterator[Fault]:
    """What is wrong with the entries and the secrets together.

    Args:
        entries: what each entry says.
        platform: the settings.
        own: whether the platform's section has secrets.
    """
    for entry, (auth, secrets) in zip(entries, platform.credentials, strict=True):
        for message in _contradictions(auth, secrets, platform, own=own):
            yield entry.place("").fault(message)
    if own and all(auth.secrets for auth in platform.auth):
        yield (
            entries[0]
            .place("")
            .fault("leaves the platform's secrets without use, as each entry has its own: remove them")
        )


def _contradictions(auth: Auth, secrets: tuple[bytes, ...], platform: PlatformConfig, *, own: bool) -> Iterator[str]:
    if auth.type == "none":
        if own:
            yield "type none accepts all requests, whatever their secret: remove it, or the secrets"
        if len(platform.auth) > 1:
            yield "type none accepts all requests, whatever the other entries ask for: remove it, or the others"
        return
    if auth.explicit and not secrets:
        remedy = f"add secrets or secret_files, set {SECRET_VARIABLE}, or use type none"
        yield f"type {auth.type} needs a secret, and there is none: {remedy}"
    if auth.type == "bearer" and any(secret.lower().startswith(b"bearer ") for secret in secrets):
        yield "a secret begins with Bearer, which is no part of the token: remove it from the secret"
    try:
        auth.keys(secrets)
    except ValueError as error:
        yield str(error)


def _headers(kind: str, name: str, header: str | None) -> tuple[str, ...]:
    if kind == "bearer":
        return ("authorization",) if header in {None, "authorization"} else ("authorization", str(header))
    if kind != "header":
        return ()
    usual = SECRET_HEADERS[name]
    return usual if header is None or header in usual else (header,)
