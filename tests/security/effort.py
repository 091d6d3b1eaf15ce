"""How hard the tests of this folder try: ``FUZZ=100 python -m pytest tests/security`` tries a hundred times as hard."""

import os
from typing import Final

EFFORT: Final = int(os.environ.get("FUZZ", "1"))
