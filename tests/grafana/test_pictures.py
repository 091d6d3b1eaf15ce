"""Pictures of the boards in the documentation."""

from tests.grafana.boards import ROOT, UIDS

IMAGES = ROOT / "docs" / "images"


def test_each_board_has_a_small_picture() -> None:
    """A PNG each, small enough for a page that loads at once."""
    for uid in UIDS:
        picture = IMAGES / f"{uid.removeprefix('voice-')}.png"
        assert picture.read_bytes().startswith(b"\x89PNG"), picture.name
        assert picture.stat().st_size < 200_000, picture.name
