"""Whatever kills the process, acknowledged events are counted once."""

from pathlib import Path

from tests.crash import cuts
from tests.crash.harness import run


async def test_kill_at_any_moment(tmp_path: Path) -> None:
    """Under SIGKILL at random moments and at named points, metrics always agree with the client's ledger."""
    deaths, acknowledged = await run(tmp_path, 8, seed=1)
    assert deaths.total() == 8
    assert acknowledged > 100


async def test_power_cut_at_any_moment(tmp_path: Path) -> None:
    """Whatever a disk holds after a cut, the next start finds each commit that was promised, and only whole ones."""
    assert await cuts.run(tmp_path, 20, seed=3) > 20
