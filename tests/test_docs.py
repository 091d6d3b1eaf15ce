"""The documentation says what the code does."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = runpy.run_path(str(ROOT / "docs" / "build.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_fresh(name: str) -> None:
    """A generated page is what docs/build.py writes now (python docs/build.py)."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]()
