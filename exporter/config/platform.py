"""One platform's part of the configuration: its secrets, its authentication, and the relay."""

from pathlib import Path

from exporter.config import authentication
from exporter.config.secret import read_secrets
from exporter.config.settings import PlatformConfig, RelayConfig
from exporter.events import OTHER
from exporter.platforms import PLATFORMS
from exporter.yamlfile.fields import build
from exporter.yamlfile.schema import Found, unknown


def platform(found: Found, name: str, base: Path, shared: tuple[bytes, ...]) -> PlatformConfig:
    """The settings of one platform; what is wrong with them goes to the faults.

    Args:
        found: what the file says.
        name: the platform's.
        base: where relative paths start.
        shared: secrets that every platform has.
    """
    at, faults = f"webhooks.{name}", len(found.faults)
    own = read_secrets(found, f"{at}.", base)
    entries = authentication.entries(found, name)
    settings = PlatformConfig(
        secrets=(*own, *shared),
        secret_files=found.values.get(f"{at}.secret_files", ()),
        auth=tuple(authentication.read(entry, name, base) for entry in entries),
        header=found.values.get(f"{at}.header"),
        relay=_relay(found, at, name),
    )
    found.faults += (fault for entry in entries for fault in entry.faults)
    if len(found.faults) == faults:
        found.faults += authentication.contradictions(entries, settings, own=bool(own))
    return settings


def _relay(found: Found, at: str, name: str) -> RelayConfig | None:
    relay = found.section(f"{at}.relay")
    if "url" not in relay:
        if f"{at}.relay" in found.nodes:
            found.fault(f"{at}.relay.url", "is missing: say where the application listens")
        return None
    targets = found.nodes.get(f"{at}.relay.targets")
    known = (*sorted(PLATFORMS[name].events), OTHER)
    for target in targets.value if targets and isinstance(targets.value, list) else ():
        events = target.value.get("events") if isinstance(target.value, dict) else None
        for event in events.value if events and isinstance(events.value, list) else ():
            if event.value not in known:
                found.faults.append(event.fault(unknown(str(event.value), known, f"event of {name}")))
    return build(RelayConfig, found.values, f"{at}.relay.")
