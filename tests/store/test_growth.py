"""The files do not grow without end."""

import tempfile
from pathlib import Path

from tests.store.growth import grow
from tests.store.model import RAM


def test_bounded() -> None:
    """With calls coming and going, the files reach a size and stay there; the end leaves less."""
    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        sizes = [*grow(Path(directory), 80_000, looks=40)]
    early = max(sizes[10:20])
    assert max(sizes) <= early * 1.25
    assert sizes[-1] < early
