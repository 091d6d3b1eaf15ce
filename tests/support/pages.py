"""The pages of the documentation, and the commands that they show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PATHS = [path for where in ("", "docs/**/", "grafana/", "rules/**/") for path in ROOT.glob(f"{where}*.md")]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(_PATHS)}
"""Every page by its place in the repository."""
HERE = {"make", "promtool", "voice-exporter"}
"""Commands that are shown and are run, by their first word."""
ELSEWHERE = {
    ".venv/bin/python": "the long checks",
    "amtool": "asks an Alertmanager that runs",
    "cp": "installs into the system",
    "curl": "the first one has a test of its own, the others ask hosts that are not there",
    "df": "looks at the operator's disk",
    "docker": "needs its engine",
    "echo": "writes into the system",
    "export": "for docker",
    "git": "fetches from another machine",
    "helm": "needs a cluster; tests/test_helm.py renders the chart",
    "install": "installs into the system",
    "journalctl": "needs systemd",
    "kill": "ends a process of the reader's",
    "kubectl": "needs a cluster",
    "mimirtool": "asks a Mimir that runs",
    "pg_dump": "asks the operator's database",
    "pip": "installs into the system",
    "pipx": "installs into the home directory",
    "pytest": "the tests themselves",
    "python": "the long checks",
    "python3": "installs into the system",
    "sqlite3": "is none of the tools that the tests need",
    "systemctl": "needs systemd",
    "ulimit": "is the shell's own",
    "uv": "installs into the home directory",
}
"""Commands that are shown and are not run, and why."""
NO_COMMANDS = {
    "alerts can't be pushed",
    "and (…_created > time() - window)",
    "cannot listen on …: Address already in use",
    "ignore_invalid_headers off",
    "no rules",
    "no signature in x-signature",
    "port 9090 is taken",
    "proxy_next_upstream … non_idempotent",
    "serve --web.config.file",
    'team = "example"',
    "wrong secret in x-interactly-secret",
}
"""What stands between backquotes and begins as a command would: messages, settings, a command without its program."""


def commands(text: str) -> Iterator[str]:
    """Every command that a page shows: in a block of its own, after a prompt, or in a sentence."""
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
        yield from _typed(block) if language == "sh" else re.findall(r"^\$ (.+)", block, re.MULTILINE)
    yield from (span for span in spans(text) if program(span) in HERE | ELSEWHERE.keys())


def spans(text: str) -> Iterator[str]:
    """What stands between backquotes in a sentence and has more than one word."""
    sentences = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return (span for span in re.findall(r"`([^`\n]+)`", sentences) if " " in span.strip())


def _typed(block: str) -> Iterator[str]:
    """The commands of a block, each with all of its lines."""
    command = ""
    for line in block.splitlines(keepends=True):
        command += line
        if line.endswith("\\\n"):
            continue
        try:
            complete = shlex.split(command, comments=True)
        except ValueError:
            continue
        if complete:
            yield command
        command = ""


def program(command: str) -> str:
    """The first word that sets no variable."""
    return next(word for word in command.split() if not re.match(r"[A-Z_]+=", word))


_NOT_HERE = ("voice-exporter serve", "voice-exporter migrate", "voice-exporter check-health")
"""The first goes on for ever and has a test of its own; so have the second, which needs a database, and the third,
which needs an exporter."""


def runnable(text: str) -> Iterator[str]:
    """Those of a page's commands that run here and come to an end."""
    return (each for each in commands(text) if program(each) in HERE and not any(name in each for name in _NOT_HERE))
