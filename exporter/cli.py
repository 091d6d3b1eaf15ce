"""The command line: finds the command and leaves the rest to its module in `exporter.commands`.

Only the module of the command that is run is imported. It has ``add_arguments(parser)`` and ``run(arguments)``, which
gives the exit code; errors that it names as `CommandError` end the process with one line.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NoReturn

from exporter import __version__
from exporter.commands import FAILURE, MISUSE
from exporter.errors import CommandError

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "receive webhooks and serve metrics until SIGTERM or SIGINT; SIGHUP reloads the configuration",
    "check-config": "validate a configuration file",
    "check-health": "say whether a running exporter answers, whatever its web configuration",
    "replay": "count recorded webhook bodies and print the metrics",
    "simulate": "send realistic traffic of the platforms to a running exporter",
    "migrate": "move all that was recorded from a directory into a PostgreSQL database",
    "assets": "write alert rules, an Alertmanager example and dashboards",
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSE, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


class _Once(argparse.Action):
    """Takes a flag's value; given again, one of the two would be dropped without a word."""

    _given = False

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if self._given:
            parser.error(f"argument {option_string}: is given twice: keep one")
        self._given = bool(option_string)
        setattr(namespace, self.dest, values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 fine, 1 a failure at run time, 2 bad usage or configuration."""
    chooser = _chooser()
    chosen = chooser.parse_args(arguments)
    if chosen.command is None:
        chooser.error(f"the command is missing: {', '.join(COMMANDS)}")
    command = import_module(f"exporter.commands.{chosen.command.replace('-', '_')}")
    text = COMMANDS[chosen.command]
    parser = _Parser(
        f"voice-exporter {chosen.command}",
        description=f"{text[0].upper()}{text[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.register("action", None, _Once)
    _add_version(parser)
    command.add_arguments(parser)
    try:
        code: int = command.run(parser.parse_args(chosen.arguments))
    except CommandError as fault:
        sys.stderr.writelines(f"voice-exporter: {line}\n" for line in str(fault).splitlines())
        return fault.code
    except KeyboardInterrupt:
        return FAILURE
    return code


def _chooser() -> argparse.ArgumentParser:
    parser = _Parser(
        "voice-exporter",
        description="Prometheus exporter for voice-AI webhooks.",
        epilog="commands:\n" + "\n".join(f"  {name:<14}{text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_version(parser)
    parser.add_argument(
        "command", nargs="?", metavar="COMMAND", choices=COMMANDS, help="one of those below, each with its --help"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"voice-exporter {__version__}")
