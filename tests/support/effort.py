"""How hard generated tests try; ``FUZZ=100``, as in `make fuzz`, tries a hundred times as hard."""

import os
from typing import Final

from hypothesis import settings

EFFORT: Final = int(os.environ.get("FUZZ", "1"))


def effort(examples: int) -> settings:
    """So many examples, or as many more as were asked for."""
    return settings(max_examples=examples * EFFORT)
