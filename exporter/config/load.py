"""Reads the configuration: a YAML file, the files that it names, and the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from exporter.config.keys import KEYS, REFERENCE
from exporter.config.kinds import HISTOGRAMS, secret_of
from exporter.config.platform import platform
from exporter.config.settings import (
    MAX_VALUES,
    SECRET_HEADERS,
    Calls,
    Config,
    Labels,
    Limits,
    Platform,
    Relay,
    Webhooks,
)
from exporter.errors import ConfigError, Fault
from exporter.yamlfile.schema import Found, Key, check
from exporter.yamlfile.tree import Node, read_tree

SECRET_VARIABLE: Final = "VOICE_EXPORTER_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable, not a secret
"""Environment variable with one secret for every platform."""


def load(path: Path | None) -> Config:
    """The configuration of a file and the environment; without a file, the defaults.

    Raises:
        ConfigError: anything in the file, in the secret files that it names, or in the environment is wrong.
    """
    found = check(read_tree(path) if path else Node("", "", 1, None), KEYS)
    _raise_faults(found)
    shared, base = _from_environment(), path.parent if path else Path()
    platforms = {name: platform(found, name, base, shared) for name in SECRET_HEADERS}
    _raise_faults(found)
    max_values = MappingProxyType({**MAX_VALUES, **found.section("labels.max_values")})
    return Config(
        webhooks=Webhooks(MappingProxyType(platforms), **found.section("webhooks")),
        labels=Labels(max_values=max_values, **found.section("labels")),
        calls=Calls(**found.section("calls")),
        limits=Limits(**found.section("limits")),
        **found.section(""),
    )


def restart_only_changes(old: Config, new: Config) -> list[str]:
    """Paths of the keys that differ and take effect at a restart only, because series in memory depend on them."""
    labels = ("assistant_id", "max_values", "max_series", "ttl")
    return [
        *(f"buckets.{name}" for name in HISTOGRAMS if _bounds(old, name) != _bounds(new, name)),
        *(f"labels.{name}" for name in labels if getattr(old.labels, name) != getattr(new.labels, name)),
    ]


def reference() -> str:
    """The table of all keys in Markdown."""
    head = "| key | takes | default | meaning | example |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{key.path}` | {key.kind.expects} | {_default(key)} | {key.help} | `{key.example}` |\n" for key in REFERENCE
    )


def _raise_faults(found: Found) -> None:
    if found.faults:
        raise ConfigError(*sorted(found.faults, key=lambda fault: fault.line or 0))


def _from_environment() -> tuple[bytes, ...]:
    value = os.environ.get(SECRET_VARIABLE)
    if value is None:
        return ()
    try:
        return (secret_of(os.fsencode(value)),)
    except ValueError:
        message = "is empty, or has spaces around it or a control character: unset it, or set it to the secret"
        raise ConfigError(Fault("environment", SECRET_VARIABLE, None, message)) from None


def _bounds(config: Config, name: str) -> tuple[float, ...]:
    return config.buckets.get(name, HISTOGRAMS[name].bounds)


def _default(key: Key) -> str:
    if key.default:
        return key.default
    value: Any = Config(webhooks=Webhooks({"<platform>": Platform(relay=Relay(""))}))
    for name in key.path.split("."):
        if isinstance(value, Webhooks) and name == "<platform>":
            value = value.platforms[name]
        else:
            value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return key.kind.show(value)
