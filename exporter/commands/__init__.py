"""The commands, one module each, and how they fail."""

from typing import Final

FAILURE: Final = 1
"""Exit code of a failure at run time."""
MISUSE: Final = 2
"""Exit code of bad usage or configuration."""
