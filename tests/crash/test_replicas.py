"""Whatever becomes of replicas, their connections and their database, acknowledged events are counted once."""

from pathlib import Path

from tests.crash import replicas


async def test_disasters_under_traffic(tmp_path: Path) -> None:
    """All replicas agree with the ledger of the client, and scrapes over them never run backwards."""
    drill = await replicas.run(tmp_path, 5, seed=4)
    assert len(drill.befell) == 5
    assert len(drill.ledger) > 100
    assert drill.scrapes > 10
    assert drill.incidents > 10
