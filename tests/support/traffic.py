"""Recorded bodies posted to a running exporter, as platforms do: many calls at a time, each in its own order."""

import http.client
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from exporter.platforms import PLATFORMS

_CONNECTIONS: Final = 8
"""So many commits share one sync of the disk."""


def post_all(address: str, bodies: Iterable[tuple[str, bytes]]) -> None:
    """Post bodies with their platforms; the order within a call is kept, and each is answered with 200."""
    shares: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
    for platform, body in bodies:
        call = PLATFORMS[platform].parse(body).call
        shares[hash(call) % _CONNECTIONS].append((platform, body))
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        list(threads.map(lambda share: _post(address, share), shares.values()))


def _post(address: str, bodies: Iterable[tuple[str, bytes]]) -> None:
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        for platform, body in bodies:
            connection.request("POST", f"/webhook/{platform}", body)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
