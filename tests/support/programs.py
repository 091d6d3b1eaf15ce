"""The real servers and tools, in two releases: rules and routes have to hold on both."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_GO: Final = {"GOGC": "400"}
"""How Go runs tools: it collects garbage less often, which is a fifth of promtool's processor time."""


@dataclass(frozen=True)
class Programs:
    """Prometheus, Alertmanager and their tools, of one release.

    Attributes:
        name: of the release, for the tests' ids.
        folder: where they are; none, where PATH says.
    """

    name: str
    folder: Path | None = None

    def __str__(self) -> str:
        return self.name

    def path(self, program: str) -> str:
        """What to start."""
        if self.folder is None:
            return program
        found = self.folder / program
        assert found.exists(), f"{found} is missing: make build/sid"
        return str(found)

    def run(self, program: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a tool to its end, whatever its exit code."""
        command = [self.path(program), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | _GO)


INSTALLED: Final = Programs("installed")
"""What the machine's own distribution has; on Debian 12, Prometheus 2.42 and Alertmanager 0.25."""
SID: Final = Programs("sid", _ROOT / "build" / "sid" / "usr" / "bin")
"""What Debian's unstable has: Prometheus 3 and the newest Alertmanager; `make build/sid` unpacks them."""
RELEASES: Final = (INSTALLED, SID)
