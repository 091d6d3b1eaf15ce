"""Where alerts of single calls are pushed to, and as whom."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from exporter.config import kinds
from exporter.config.secret import from_file
from exporter.errors import ConfigError, Fault, Invalid
from exporter.yamlfile.fields import Doc, build
from exporter.yamlfile.kinds import TEXT, duration, listed
from exporter.yamlfile.schema import Found, Kind
from exporter.yamlfile.tree import Node

OWN_LABELS: Final = (
    "alertname",
    "severity",
    "platform",
    "assistant_id",
    "component",
    "provider",
    "model",
    "call_id",
)
"""Labels that an alert has of its own."""

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_JOB: Final = MappingProxyType({"job": "voice-exporter"})


def _labels(node: Node) -> Mapping[str, str]:
    if not isinstance(node.value, dict | None):
        raise Invalid(node.fault("expected labels with a text each, such as {job: voice-exporter}"))
    faults: list[Fault] = []
    labels = {**_JOB}
    for name, inner in (node.value or {}).items():
        if not _NAME.fullmatch(name) or name in OWN_LABELS:
            faults.append(inner.fault("is no name for a label, or one that each alert has of its own"))
        elif not isinstance(inner.value, str) or not inner.value:
            faults.append(inner.fault(f"expected {TEXT.expects}"))
        else:
            labels[name] = inner.value
    if faults:
        raise Invalid(*faults)
    return MappingProxyType(labels)


LABELS: Final = Kind(
    "labels with a text each",
    _labels,
    lambda labels: ", ".join(f"{name} {value}" for name, value in labels.items()),
)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user of Alertmanager."""

    username: Annotated[str, TEXT, Doc("User at every Alertmanager.", "voice", "none")] = ""
    password_file: Annotated[
        Path | None,
        kinds.PATH,
        Doc(
            "File with the user's password; relative paths start at the configuration's directory.",
            "/run/secrets/alertmanager",
            "none",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Where each hang and critical error is pushed to. Its repr shows no secret.

    Attributes:
        authorization: header of every push; empty for none.
    """

    urls: Annotated[
        tuple[str, ...],
        listed(kinds.URL, "URLs"),
        Doc(
            "Alertmanagers, each of which gets an alert for each hang and critical error; without one nothing is"
            " pushed.",
            "[http://127.0.0.1:9093]",
        ),
    ] = ()
    basic_auth: BasicAuth = field(default_factory=BasicAuth)
    bearer_token_file: Annotated[
        Path | None,
        kinds.PATH,
        Doc("File with a token, in place of `basic_auth`.", "/run/secrets/alertmanager", "none"),
    ] = None
    ca_file: Annotated[
        Path | None,
        kinds.PATH,
        Doc("Certificates of the authorities that sign for https, in PEM.", "/run/secrets/own-ca.pem", "the system's"),
    ] = None
    labels: Annotated[
        Mapping[str, str],
        LABELS,
        Doc("Labels on every alert; `job` is what rules and inhibitions compare.", "{job: voice, cluster: eu}"),
    ] = field(default_factory=lambda: _JOB)
    resolve_after: Annotated[
        float, duration(), Doc("When an alert ends that has no outcome of its own: an error does.", "10m")
    ] = 300.0
    grafana_url: Annotated[
        str, kinds.URL, Doc("Grafana with the shipped dashboards, for a link.", "http://localhost:3000", "no link")
    ] = ""
    authorization: str = field(default="", repr=False)


def alertmanager(found: Found, base: Path) -> Alertmanager:
    """The settings, with what the files hold; what is wrong with them goes to the faults.

    Args:
        found: what the file says.
        base: where relative paths start.
    """
    settings = build(Alertmanager, found.values, "alertmanager.")
    user, password, token = settings.basic_auth.username, settings.basic_auth.password_file, settings.bearer_token_file
    if password and token:
        found.fault("alertmanager.bearer_token_file", "contradicts basic_auth: keep one of them")
    if (password is None) != (not user):
        missing = "username" if password else "password_file"
        found.fault(f"alertmanager.basic_auth.{missing}", "is missing: basic_auth has a username and a password_file")
    if settings.ca_file and not (base / settings.ca_file).is_file():
        found.fault("alertmanager.ca_file", "is no file")
    if password and user:
        secret = _read(found, "alertmanager.basic_auth.password_file", base / password)
        header = f"Basic {b64encode(user.encode() + b':' + secret).decode()}"
    elif token:
        header = f"Bearer {_read(found, 'alertmanager.bearer_token_file', base / token).decode()}"
    else:
        header = ""
    return replace(settings, authorization=header, ca_file=settings.ca_file and base / settings.ca_file)


def _read(found: Found, path: str, file: Path) -> bytes:
    try:
        secret = from_file(file)
        secret.decode()
    except ConfigError as error:
        found.fault(path, f"the file {error.faults[0].message}")
    except UnicodeDecodeError:
        found.fault(path, "the file's secret is not UTF-8")
    except ValueError as error:
        found.fault(path, f"the file's secret {error}")
    else:
        return secret
    return b""
