"""The configuration: a YAML file, the files that it names, and the environment."""

from exporter.config.alertmanager import Alertmanager, BasicAuth
from exporter.config.auth import Auth
from exporter.config.load import load, restart_only_changes
from exporter.config.reference import reference, web_reference
from exporter.config.settings import (
    Calls,
    Config,
    Incidents,
    Labels,
    Limits,
    PlatformConfig,
    RelayConfig,
    Target,
    WebhooksConfig,
)

__all__ = [
    "Alertmanager",
    "Auth",
    "BasicAuth",
    "Calls",
    "Config",
    "Incidents",
    "Labels",
    "Limits",
    "PlatformConfig",
    "RelayConfig",
    "Target",
    "WebhooksConfig",
    "load",
    "reference",
    "restart_only_changes",
    "web_reference",
]
