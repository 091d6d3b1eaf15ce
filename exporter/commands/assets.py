"""``voice-exporter assets``."""

import argparse
import sys
from pathlib import Path

from exporter import assets
from exporter.commands import FAILURE, MISUSE
from exporter.errors import CommandError, ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    flag = parser.add_argument
    flag(
        "directory",
        metavar="DIR",
        type=Path,
        help="gets rules/ and grafana/; files that were edited there are kept, with the new ones beside them as *.new",
    )
    flag(
        "--thresholds",
        metavar="FILE",
        type=Path,
        help="your numbers, in the form of rules/thresholds.yml; default those of DIR",
    )
    flag(
        "--format",
        choices=("files", "prometheus-rule"),
        default="files",
        help="files for Prometheus, Alertmanager and Grafana, or a Kubernetes PrometheusRule; default %(default)s",
    )
    flag(
        "--histograms",
        choices=("classic", "native"),
        default="classic",
        help="native where Prometheus converts them (convert_classic_histograms_to_nhcb); default %(default)s",
    )
    flag("--force", action="store_true", help="overwrite what was edited in DIR")


def run(arguments: argparse.Namespace) -> int:
    """Write the files and name each.

    Raises:
        CommandError: the thresholds are wrong, or the directory can't be written.
    """
    try:
        written = assets.render(
            arguments.directory,
            arguments.thresholds,
            arguments.format,
            force=arguments.force,
            histograms=arguments.histograms,
        )
    except ConfigError as error:
        raise CommandError(MISUSE, error) from None
    except OSError as error:
        raise CommandError(FAILURE, f"{error.filename or arguments.directory}: {error.strerror}") from None
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0
