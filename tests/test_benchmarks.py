"""The benchmarks run; what they measure is nothing for a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, as_json, table


def test_benchmarks_run(tmp_path: Path) -> None:
    """A small run gives a table and JSON with every figure."""
    output = tmp_path / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--small", "--output", str(output)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"SSL_CERT_FILE": os.devnull},
    )
    assert ran.returncode == 0, ran.stderr
    measured = json.loads(output.read_text())
    assert all(figure["value"] > 0 for figure in measured if "open call" not in figure["name"])
    assert all(figure["name"] in ran.stdout for figure in measured)


def test_table_names_what_was_not_reached() -> None:
    """A figure beyond its reach says NO, one within says yes, one that nothing is asked of says nothing."""
    rows = table(
        [Figure("slow", 2, "s", 1), Figure("fast", 9, "x", 5, "at least"), Figure("disk", 3, "ms")],
    ).splitlines()
    assert [row.split()[-1] for row in rows[1:]] == ["NO", "yes", "ms"]


def test_json_holds_the_verdict() -> None:
    """The JSON has each figure with its reach and whether that was met."""
    [found] = json.loads(as_json([Figure("slow", 2, "s", 1)]))
    assert (found["value"], found["reach"], found["reached"]) == (2, 1, False)
