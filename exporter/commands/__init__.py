"""The commands, one module each, and how they fail."""

from typing import Final

FAILURE: Final = 1
"""Exit code of a failure at run time."""
MISUSE: Final = 2
"""Exit code of bad usage or configuration."""


class Fault(Exception):  # noqa: N818 - what the user is told, not a defect
    """A command can't go on. The message says why and what to do; ``code`` is the exit code."""

    def __init__(self, code: int, message: object) -> None:
        super().__init__(str(message))
        self.code = code
