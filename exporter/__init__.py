"""Prometheus exporter and alerting sidecar for voice-AI calls."""

from importlib.metadata import version
from typing import Final

__version__ = version("voice-exporter")
DOCS: Final = "https://github.com/voice-exporter/voice-exporter/tree/main/docs"
"""Where the documentation is."""
