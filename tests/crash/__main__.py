"""Kills the exporter and cuts its power for as long as it takes: ``python -m tests.crash --cycles 500 --cuts 500``."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

from tests.crash import cuts, harness, replicas

AT_ONCE = 25
"""Cycles, or cuts, with one store."""


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(prog="tests.crash", description="Kill the exporter, cut its power, check it.")
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--disasters", type=int, default=0, help="that befall three replicas and their database")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    deaths, acknowledged, commits = Counter[str](), 0, 0
    for done in range(0, arguments.cycles, AT_ONCE):
        with tempfile.TemporaryDirectory() as folder:
            died, count = asyncio.run(harness.run(Path(folder), AT_ONCE, arguments.seed + done))
        deaths, acknowledged = deaths + died, acknowledged + count
        say(f"{deaths.total()} kills, {acknowledged} events acknowledged, deaths {dict(deaths)}: exact")
    for done in range(0, arguments.cuts, AT_ONCE):
        with tempfile.TemporaryDirectory() as folder:
            commits += asyncio.run(cuts.run(Path(folder), AT_ONCE, arguments.seed + done))
        say(f"{done + AT_ONCE} power cuts, {commits} commits: exact")
    befell, acknowledged, noticed, resumed = Counter[str](), 0, list[float](), list[float]()
    for done in range(0, arguments.disasters, AT_ONCE):
        with tempfile.TemporaryDirectory() as folder:
            drill = asyncio.run(replicas.run(Path(folder), AT_ONCE, arguments.seed + done))
        befell, acknowledged = befell + drill.befell, acknowledged + len(drill.ledger)
        noticed, resumed = noticed + drill.noticed, resumed + drill.resumed
        say(f"{befell.total()} disasters, {acknowledged} events acknowledged, {dict(befell)}: exact")
        say(f"{drill.incidents} incidents listed by all, and by those that started afterwards")
        say(f"the database gone: all say so within {_spread(noticed)}; back: all take events within {_spread(resumed)}")


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} s, {max(seconds):.1f} s at most"


def say(line: str) -> None:
    """Print it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
