"""Webhook secrets as operators give them: what an editor or a shell added is told from what was meant."""

import codecs
import os
import re
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError, Fault, Invalid
from exporter.yamlfile.kinds import text
from exporter.yamlfile.schema import Found, Kind
from exporter.yamlfile.tree import Node, read_limited

SECRET_VARIABLE: Final = "VOICE_EXPORTER_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable, not a secret
"""Environment variable with one secret for every platform."""

MIN_SECRET_BYTES: Final = 4
"""Shorter ones are slips, and guessed in minutes. It does not make those above it strong."""

MAX_SECRET_BYTES: Final = 4096
"""Half of what aiohttp takes as a header."""

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FAULTS: Final = (
    (re.compile(rb"^$"), "is empty: write the secret there, or remove it"),
    (re.compile(rb"^\s|\s$"), "has spaces or line breaks around it: remove them"),
    (
        re.compile(rb"[\x00-\x1f\x7f]"),
        "has several lines or a control character, which no header can carry: keep one line of text",
    ),
    (
        re.compile(rb"""^(?P<quote>["']).*(?P=quote)$"""),
        "has quotes around it, which would be part of it: remove them",
    ),
    (
        re.compile(rb"^(\$\{[^{}]*\}|\$\([^()]*\)|\{\{.*\}\}|<[^<>]*>)$"),
        "is a placeholder, and nothing fills it in: write the secret itself, or name its file in secret_files",
    ),
)


def secret_of(data: bytes) -> bytes:
    """The secret, if it is one and a header can carry it.

    Raises:
        ValueError: the message says what is wrong with it and what to do, and does not show it.
    """
    for pattern, fault in _FAULTS:
        if pattern.search(data):
            raise ValueError(fault)
    if len(data) < MIN_SECRET_BYTES:
        raise ValueError(f"is shorter than {MIN_SECRET_BYTES} bytes: make one with openssl rand -hex 32")
    return data


def from_file(path: Path) -> bytes:
    """The one secret of a file, without the line break and the byte order mark that editors write.

    Raises:
        ConfigError: the file can't be read; its message names the path.
        ValueError: it holds no secret; the message says why and what to do, and does not show it.
    """
    data = read_limited(path, MAX_SECRET_BYTES)
    if data.startswith(_UTF_16):
        raise ValueError("is UTF-16: save the file as UTF-8")
    return secret_of(data.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r"))


def from_environment() -> tuple[bytes, ...]:
    """The secret of the environment, if there is one.

    Raises:
        ConfigError: the variable is there and holds none.
    """
    value = os.environ.get(SECRET_VARIABLE)
    if value is None:
        return ()
    try:
        return (secret_of(os.fsencode(value).removeprefix(codecs.BOM_UTF8)),)
    except ValueError as error:
        raise ConfigError(Fault("environment", SECRET_VARIABLE, None, str(error))) from None


def read_secrets(found: Found, prefix: str, base: Path) -> tuple[bytes, ...]:
    """The secrets of a section and of the files that it names; what is wrong with the files goes to the faults.

    Args:
        found: what the file says.
        prefix: path of the section, with a dot behind it.
        base: where relative paths start.
    """
    secrets = list(found.values.get(f"{prefix}secrets", ()))
    files = found.nodes.get(f"{prefix}secret_files")
    for node in files.value if files and isinstance(files.value, list) else ():
        try:
            secrets.append(from_file(base / str(node.value)))
        except ConfigError as error:
            # Its path is not shown: who mistakes this key for the other one writes a secret here.
            found.faults.append(node.fault(f"the file {error.faults[0].message}"))
        except ValueError as error:
            found.faults.append(node.fault(f"the file's secret {error}"))
    return tuple(secrets)


def _read(node: Node) -> bytes:
    try:
        secret = secret_of(text(node.value).encode())
    except TypeError:
        raise Invalid(node.fault("expected a secret: text, in quotes where it could be a number")) from None
    except UnicodeEncodeError:
        raise Invalid(node.fault("has a character that UTF-8 can't write: make another secret")) from None
    except ValueError as error:
        raise Invalid(node.fault(str(error))) from None
    if secret.startswith(b"/") and Path(os.fsdecode(secret)).is_file():
        raise Invalid(node.fault("names a file: put it under secret_files"))
    return secret


SECRET: Final = Kind("a secret", _read)
