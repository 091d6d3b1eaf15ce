"""Prometheus exporter and alerting sidecar for voice-AI calls."""

from importlib.metadata import version

__version__ = version("voice-exporter")
