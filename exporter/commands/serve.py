"""``voice-exporter serve``."""

import argparse
import re
from pathlib import Path
from typing import Final

from exporter import logs
from exporter.commands import FAILURE, MISUSE
from exporter.errors import AddressError, CommandError, ConfigError, OpenAccessError, StorageError
from exporter.service import server

_TELEMETRY_PATH: Final = re.compile(r"(?!/-/|/webhook/)(/[A-Za-z0-9._~-]+)+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags, named as the Prometheus ecosystem names them."""
    flag = parser.add_argument
    flag("--config.file", dest="config", metavar="FILE", type=Path, help="the configuration, YAML")
    flag(
        "--web.listen-address",
        dest="web",
        metavar="ADDRESS",
        help="default 127.0.0.1:10060 while no webhook secret is configured, else :10060",
    )
    flag("--web.config.file", dest="web_config", metavar="FILE", type=Path, help="TLS, and basic auth but for webhooks")
    flag(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        type=_telemetry_path,
        default="/metrics",
        help="default %(default)s",
    )
    flag("--web.enable-lifecycle", dest="lifecycle", action="store_true", help="let POST /-/reload reload")
    flag(
        "--webhook.listen-address",
        dest="webhook",
        metavar="ADDRESS",
        help="a second listener that takes the webhook paths over from the first",
    )
    flag("--storage.path", dest="storage", metavar="DIR", default="./data", help="default %(default)s; '': memory only")
    flag("--log.level", dest="log_level", default="info", choices=tuple(logs.LEVELS), help="default %(default)s")
    flag("--log.format", dest="log_format", default="logfmt", choices=tuple(logs.FORMATS), help="default %(default)s")


def _telemetry_path(path: str) -> str:
    if not _TELEMETRY_PATH.fullmatch(path):
        raise argparse.ArgumentTypeError(f"{path!r} is no path of its own; write one like /metrics")
    return path


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop.

    Raises:
        CommandError: the exporter can't start.
    """
    logs.setup(arguments.log_level, arguments.log_format)
    options = server.Options(
        config_file=arguments.config,
        web_config_file=arguments.web_config,
        web_address=arguments.web,
        webhook_address=arguments.webhook,
        telemetry_path=arguments.telemetry_path,
        storage=Path(arguments.storage) if arguments.storage else None,
        lifecycle=arguments.lifecycle,
    )
    try:
        server.serve(options)
    except (ConfigError, OpenAccessError, AddressError) as error:
        raise CommandError(MISUSE, error) from None
    except (OSError, StorageError) as error:
        raise CommandError(FAILURE, error) from None
    return 0
