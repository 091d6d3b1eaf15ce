"""Memory that is free, and whose it is."""

import contextlib
import ctypes


def give_back() -> None:
    """Give free memory back to the system: a start takes more than it keeps. Only glibc has to be asked to."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
