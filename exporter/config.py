"""The configuration file."""

from exporter.settings import Auth, Calls, Config, Labels, Limits, Platform, Relay, Target, Webhooks

__all__ = ["Auth", "Calls", "Config", "Labels", "Limits", "Platform", "Relay", "Target", "Webhooks"]
