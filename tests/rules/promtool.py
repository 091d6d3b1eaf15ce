"""The real promtool."""

import subprocess
from pathlib import Path

from tests.rules.shipped import RULES


def promtool(*arguments: object, cwd: Path = RULES) -> subprocess.CompletedProcess[str]:
    """Run promtool, by default in the folder of the rules."""
    return subprocess.run(["promtool", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)
