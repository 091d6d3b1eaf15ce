"""Waiting for what nobody announces."""

import asyncio
from collections.abc import Callable

import pytest


async def reached(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not come."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"waited in vain: {what}")
