"""The rollback journal beside the queue as a reserve: on a full disk, too, a delivered event can be deleted.

Every transaction of SQLite needs room for the pages that it changes. The journal keeps its size between transactions,
so that room is there. It also keeps the pages, which are parts of bodies, so they are overwritten after each one.
"""

from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 512 * 1024
"""Several times what the deletion of a part of a body writes into the journal."""
_BLOCK: Final = 65_536
_ZEROS: Final = bytes(_BLOCK)


def hold(journal: Path, size: int = RESERVE_BYTES) -> None:
    """Bring a journal to its size.

    Raises:
        OSError: there is no room for it.
    """
    with journal.open("ab") as file:
        for begin in range(file.tell(), size, _BLOCK):
            file.write(_ZEROS[: size - begin])


def wipe(journal: Path) -> None:
    """Overwrite what a finished transaction left; a journal that is still needed has a head and stays.

    Raises:
        OSError: it can't be written.
    """
    with journal.open("r+b", buffering=0) as file:
        offset = 0
        while block := file.read(_BLOCK):
            if _ZEROS.startswith(block) or (offset == 0 and block[0]):
                return
            file.seek(offset)
            offset += file.write(_ZEROS[: len(block)])
