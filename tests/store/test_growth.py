"""The files do not grow without end."""

from pathlib import Path

from tests.store.growth import grow


def test_bounded(directory: Path) -> None:
    """With calls coming and going, the files reach a size and stay there; the end leaves less."""
    sizes = [*grow(directory, 80_000, looks=40)]
    early = max(sizes[10:20])
    assert max(sizes) <= early * 1.25
    assert sizes[-1] < early
