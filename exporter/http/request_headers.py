"""Request headers, whoever parsed them."""

from typing import Protocol


class RequestHeaders(Protocol):
    """Names in any case, each with any number of values."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All values of one header, or the default."""

    def get(self, key: str, default: str, /) -> str:
        """The first value of one header, or the default."""
