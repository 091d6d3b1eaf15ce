"""Reads the configuration: a YAML file, the files that it names, and the environment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config.kinds import HISTOGRAMS
from exporter.config.platform import platform
from exporter.config.secret import from_environment
from exporter.config.settings import MAX_VALUES, SECRET_HEADERS, Config, Platform, Relay, Webhooks
from exporter.errors import ConfigError
from exporter.yamlfile.fields import build, keys
from exporter.yamlfile.schema import Found, Key, check
from exporter.yamlfile.tree import Node, read_tree


def load(path: Path | None) -> Config:
    """The configuration of a file and the environment; without a file, the defaults.

    Raises:
        ConfigError: anything in the file, in the secret files that it names, or in the environment is wrong.
    """
    found = check(read_tree(path) if path else Node("", "", 1, None), _keys(*SECRET_HEADERS))
    _raise_faults(found)
    shared, base = from_environment(), path.parent if path else Path()
    platforms = {name: platform(found, name, base, shared) for name in SECRET_HEADERS}
    _raise_faults(found)
    loaded = build(Config, found.values)
    return replace(
        loaded,
        webhooks=replace(loaded.webhooks, platforms=MappingProxyType(platforms)),
        labels=replace(loaded.labels, max_values=MappingProxyType({**MAX_VALUES, **loaded.labels.max_values})),
        buckets=MappingProxyType(
            {name: bounds for name, bounds in loaded.buckets.items() if bounds != HISTOGRAMS[name].bounds}
        ),
    )


def restart_only_changes(old: Config, new: Config) -> list[str]:
    """Paths of the keys that differ and take effect at a restart only, because series in memory depend on them."""
    changes: list[str] = []
    for key in keys(Config):
        before, after = _value(old, key.path), _value(new, key.path)
        if not key.restart_only or before == after:
            continue
        if isinstance(before, Mapping):
            names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            changes += (f"{key.path}.{name}" for name in names)
        else:
            changes.append(key.path)
    return changes


def _keys(*platforms: str) -> Iterator[Key]:
    """All keys, those of platforms for each of the names."""
    for name in platforms:
        yield from keys(Platform, f"webhooks.{name}.")
    yield from keys(Config)


def reference_keys() -> Iterator[Key]:
    """All keys as the reference lists them: those of platforms once, and those below an entry of a list."""
    for key in _keys("<platform>"):
        yield key
        for inner in key.kind.keys:
            between = "" if inner.path.startswith("[") else "."
            yield replace(inner, path=f"{key.path}{between}{inner.path}")


def reference() -> str:
    """The table of all keys in Markdown."""
    head = "| key | takes | default | meaning | example |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{key.path}` | {key.kind.expects} | {_default(key)} | {_help(key)} | `{key.example}` |\n"
        for key in reference_keys()
    )


def _raise_faults(found: Found) -> None:
    if found.faults:
        raise ConfigError(*sorted(found.faults, key=lambda fault: fault.line or 0))


def _help(key: Key) -> str:
    return f"{key.help} Changes at a restart only." if key.restart_only else key.help


def _default(key: Key) -> str:
    if key.default:
        return key.default
    if "[]" in key.path:
        return "required"
    return key.kind.show(_value(Config(webhooks=Webhooks({"<platform>": Platform(relay=Relay(""))})), key.path))


def _value(config: Any, path: str) -> Any:  # noqa: ANN401 - a section or a value of any kind
    """What stands at a path."""
    value = config
    for name in path.split("."):
        here = value[0] if isinstance(value, tuple) else value
        platforms = here.platforms if isinstance(here, Webhooks) else {}
        value = platforms[name] if name in platforms else getattr(here, name)
    return value
