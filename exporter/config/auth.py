"""How a platform's requests prove who sent them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from exporter.config import kinds
from exporter.config.secret import SECRET
from exporter.config.signing import decode_secret
from exporter.platforms import PLATFORMS
from exporter.platforms.platform import SignedHeader
from exporter.yamlfile.fields import Doc
from exporter.yamlfile.kinds import BOOLEAN, TEXT, choice, duration, listed

AuthType = Literal["none", "header", "bearer", "hmac", "standard", "platform"]
Algorithm = Literal["sha256", "sha512", "sha1"]
Encoding = Literal["hex", "base64"]
TimestampUnit = Literal["auto", "s", "ms"]

_SIGNING: Final = {name: each.signature for name, each in PLATFORMS.items() if each.signature}

Flag = Annotated[bool, BOOLEAN]
Secrets = Annotated[tuple[bytes, ...], listed(SECRET, "secrets")]
Paths = Annotated[tuple[Path, ...], listed(kinds.PATH, "paths")]
_Header = Annotated[str, kinds.HEADER]


@dataclass(frozen=True, slots=True)
class Auth:
    """One way in which a platform's requests prove who sent them. Its repr shows no secret.

    The defaults of signatures are those of Vapi's credentials.

    Attributes:
        headers: lower case; each may carry the secret of type header, or the token of type bearer.
        signed: the header of type platform.
        explicit: whether the operator chose this, rather than said nothing.
    """

    type: Annotated[
        AuthType,
        kinds.AUTH_TYPE,
        Doc(
            "The secret arrives in a header or as a bearer token, or signs the request: `hmac` as Vapi's credentials"
            " do, `standard` as Standard Webhooks does, `platform` as the platform itself does. `none` accepts all"
            " requests.",
            "hmac",
            "platform where the platform signs (" + ", ".join(_SIGNING) + "), else header",
        ),
    ] = "header"
    header: Annotated[
        _Header | None,
        kinds.HEADER,
        Doc(
            "Types header and bearer: the header that is read instead of the default; bearer reads it beside"
            " `Authorization`. Either of Interactly's two spellings stands for both.",
            "x-webhook-secret",
            "; ".join(f"{name}: {' and '.join(platform.secret_headers)}" for name, platform in PLATFORMS.items()),
        ),
    ] = None
    algorithm: Annotated[Algorithm, choice("sha256", "sha512", "sha1"), Doc("Type hmac: digest.", "sha512")] = "sha256"
    signature_header: Annotated[_Header, Doc("Type hmac: header of the signature.", "x-vapi-signature")] = "x-signature"
    timestamp_header: Annotated[_Header, Doc("Type hmac: header of the timestamp.", "x-vapi-timestamp")] = "x-timestamp"
    id_header: Annotated[_Header, Doc("Type hmac: header of what `{svix-id}` stands for.", "webhook-id")] = "svix-id"
    payload_format: Annotated[
        str,
        kinds.PAYLOAD_FORMAT,
        Doc(
            "Type hmac: what is signed, with any of `{timestamp}` `{body}` `{method}` `{url}` `{svix-id}`.",
            '"{svix-id}.{timestamp}.{body}"',
        ),
    ] = "{timestamp}.{body}"
    encoding: Annotated[
        Encoding, choice("hex", "base64"), Doc("Type hmac: how the signature is written.", "base64")
    ] = "hex"
    prefix: Annotated[
        str,
        TEXT,
        Doc(
            "Type hmac: what stands before the signature.", '"hmac "', "the algorithm or a version and `=`, or nothing"
        ),
    ] = ""
    secret_is_base64: Annotated[Flag, Doc("Type hmac: the key is the decoded secret.", "true")] = False
    tolerance: Annotated[
        float,
        duration(zero=True),
        Doc(
            "Types hmac, standard and platform: how far the timestamp may be from now, either way; 0 leaves it"
            " unchecked.",
            "1m",
            "; ".join(["5m", *(f"{name}: {signed.tolerance / 60:.0f}m" for name, signed in _SIGNING.items())]),
        ),
    ] = 300.0
    timestamp_unit: Annotated[
        TimestampUnit,
        choice("auto", "s", "ms"),
        Doc(
            "Types hmac and standard: seconds or milliseconds of a number; `auto` goes by size. ISO 8601 is read, too.",
            "ms",
        ),
    ] = "auto"
    secrets: Annotated[
        Secrets,
        Doc(
            "What this way takes instead of the platform's `secrets`.",
            '["s3cr3t-of-these-assistants"]',
            "the platform's",
        ),
    ] = field(default=(), repr=False)
    secret_files: Annotated[Paths, Doc("The same in files.", "[/run/secrets/vapi]", "the platform's")] = ()
    headers: tuple[str, ...] = ()
    signed: SignedHeader | None = None
    explicit: bool = False

    @classmethod
    def usual(cls, name: str) -> "Auth":
        """How a platform's requests prove who sent them where the operator says nothing."""
        platform = PLATFORMS[name]
        if platform.signature:
            return cls("platform", tolerance=platform.signature.tolerance, signed=platform.signature)
        return cls(headers=platform.secret_headers)

    def keys(self, secrets: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What the sender signs with, or sends.

        Raises:
            ValueError: a secret that should be base64 is not; the message does not show it.
        """
        if self.type == "standard" or (self.type == "hmac" and self.secret_is_base64):
            return tuple(map(decode_secret, secrets))
        return secrets
