"""``voice-exporter check-config``."""

import argparse
import sys
from pathlib import Path

from exporter import config
from exporter.commands import MISUSE
from exporter.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("file", metavar="FILE", type=Path, help="configuration file, YAML")


def run(arguments: argparse.Namespace) -> int:
    """Print each fault with its place, or that there is none."""
    try:
        config.load(arguments.file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return MISUSE
    sys.stdout.write(f"{arguments.file}: ok\n")
    return 0
