"""The keys of the configuration, and what the documentation says of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from exporter.config import web_keys
from exporter.config.settings import Config, PlatformConfig, RelayConfig, WebhooksConfig
from exporter.yamlfile.fields import keys
from exporter.yamlfile.schema import Key


def all_keys(*platforms: str) -> Iterator[Key]:
    """All keys, those of platforms for each of the names."""
    for name in platforms:
        yield from keys(PlatformConfig, f"webhooks.{name}.")
    yield from keys(Config)


def reference_keys() -> Iterator[Key]:
    """All keys as the reference lists them: those of platforms once, and those below an entry of a list."""
    for key in all_keys("<platform>"):
        yield key
        for inner in key.kind.keys:
            between = "" if inner.path.startswith("[") else "."
            yield replace(inner, path=f"{key.path}{between}{inner.path}")


def reference() -> str:
    """The table of all keys in Markdown."""
    return _table(replace(key, default=_default(key)) for key in reference_keys())


def web_reference() -> str:
    """The same of the web configuration."""
    return _table(web_keys.KEYS)


def value_at(config: Config, path: str) -> Any:  # noqa: ANN401 - a section or a value of any kind
    """What stands at a path."""
    value: Any = config
    for name in path.split("."):
        here = value[0] if isinstance(value, tuple) else value
        platforms = here.platforms if isinstance(here, WebhooksConfig) else {}
        value = platforms[name] if name in platforms else getattr(here, name)
    return value


def _table(listed: "Iterator[Key] | tuple[Key, ...]") -> str:
    head = "| key | takes | default | meaning | example |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{key.path}` | {key.kind.expects} | {key.default} | {_help(key)} | `{key.example}` |\n" for key in listed
    )


def _help(key: Key) -> str:
    return f"{key.help} Changes at a restart only." if key.restart_only else key.help


def _default(key: Key) -> str:
    if key.default:
        return key.default
    if "[]" in key.path:
        return "required"
    return key.kind.show(
        value_at(Config(webhooks=WebhooksConfig({"<platform>": PlatformConfig(relay=RelayConfig(""))})), key.path)
    )
