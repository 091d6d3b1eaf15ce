"""Reads the configuration: a YAML file, the files that it names, and the environment."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from exporter.config.alertmanager import alertmanager
from exporter.config.kinds import HISTOGRAMS
from exporter.config.platform import platform
from exporter.config.reference import all_keys, value_at
from exporter.config.secret import from_environment
from exporter.config.sentiment import find_analyser
from exporter.config.settings import MAX_VALUES, SECRET_HEADERS, Config
from exporter.errors import ConfigError
from exporter.yamlfile.fields import build, keys
from exporter.yamlfile.schema import Found, check
from exporter.yamlfile.tree import Node, read_tree


def load(path: Path | None) -> Config:
    """The configuration of a file and the environment; without a file, the defaults.

    Raises:
        ConfigError: anything in the file, in the secret files that it names, or in the environment is wrong.
    """
    found = check(read_tree(path) if path else Node("", "", 1, None), all_keys(*SECRET_HEADERS))
    _raise_faults(found)
    shared, base = from_environment(), path.parent if path else Path()
    platforms = {name: platform(found, name, base, shared) for name in SECRET_HEADERS}
    pushed = alertmanager(found, base)
    find_analyser(found)
    _raise_faults(found)
    loaded = build(Config, found.values)
    return replace(
        loaded,
        webhooks=replace(loaded.webhooks, platforms=MappingProxyType(platforms)),
        alertmanager=pushed,
        labels=replace(loaded.labels, max_values=MappingProxyType({**MAX_VALUES, **loaded.labels.max_values})),
        buckets=MappingProxyType(
            {name: bounds for name, bounds in loaded.buckets.items() if bounds != HISTOGRAMS[name].bounds}
        ),
    )


def restart_only_changes(old: Config, new: Config) -> list[str]:
    """Paths of the keys that differ and take effect at a restart only, because series in memory depend on them."""
    changes: list[str] = []
    for key in keys(Config):
        before, after = value_at(old, key.path), value_at(new, key.path)
        if not key.restart_only or before == after:
            continue
        if isinstance(before, Mapping):
            names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            changes += (f"{key.path}.{name}" for name in names)
        else:
            changes.append(key.path)
    return changes


def _raise_faults(found: Found) -> None:
    if found.faults:
        raise ConfigError(*sorted(found.faults, key=lambda fault: fault.line or 0))
