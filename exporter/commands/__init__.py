"""The commands, one module each, and how they fail."""

from typing import Final

DOCS: Final = "https://github.com/voice-exporter/voice-exporter/tree/main/docs"
"""Where the documentation is."""
FAILURE: Final = 1
"""Exit code of a failure at run time."""
MISUSE: Final = 2
"""Exit code of bad usage or configuration."""
