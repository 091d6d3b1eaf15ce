"""``voice-exporter serve``."""

import argparse
import re
from pathlib import Path
from typing import Final

from exporter import DOCS, logs
from exporter.commands import FAILURE, MISUSE
from exporter.commands.storage_url import URL_VARIABLE, given_url, storage_url
from exporter.config.kinds import URL
from exporter.config.secret import SECRET_VARIABLE
from exporter.errors import (
    AddressError,
    CommandError,
    ConfigError,
    Invalid,
    MissingDriverError,
    OpenAccessError,
    StorageError,
)
from exporter.service import server
from exporter.yamlfile.tree import Node

_STORAGE: Final = "./data"
_ENVIRONMENT: Final = f"""\
environment:
  {SECRET_VARIABLE}
                        webhook secret of every platform, beside those of the configuration
  {URL_VARIABLE}
                        as --storage.url, with a password that no list of processes shows
  NOTIFY_SOCKET, LISTEN_FDS
                        set by systemd: readiness, and sockets that it passes on"""
_TELEMETRY_PATH: Final = re.compile(r"(?!/-/|/webhook/|/runbooks/)(/[A-Za-z0-9._~-]+)+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags, named as the Prometheus ecosystem names them."""
    parser.add_argument(
        "--config.file",
        dest="config",
        metavar="FILE",
        type=Path,
        help="configuration file, YAML; see docs/configuration.md",
    )
    _add_web(parser)
    _add_storage_and_log(parser)
    parser.epilog = f"{_ENVIRONMENT}\n\nDocumentation: {DOCS}"


def _add_web(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag(
        "--web.listen-address",
        action="append",
        dest="web",
        metavar="ADDRESS",
        default=[],
        help="address to listen on, may be repeated; default :10060, without a webhook secret 127.0.0.1:10060",
    )
    flag(
        "--web.config.file",
        dest="web_config",
        metavar="FILE",
        type=Path,
        help="TLS, and basic auth for everything but webhooks, in exporter-toolkit's format",
    )
    flag(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        type=_telemetry_path,
        default="/metrics",
        help="path of the metrics, default %(default)s",
    )
    flag(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="enable POST /-/reload, which reloads the configuration",
    )
    flag(
        "--web.external-url",
        dest="external_url",
        metavar="URL",
        type=_external_url,
        help="where links in alerts and pages lead; default: this machine's name and the port listened on",
    )
    flag(
        "--webhook.listen-address",
        action="append",
        dest="webhook",
        metavar="ADDRESS",
        default=[],
        help="further listener, which then serves the webhooks instead of the first; may be repeated",
    )


def _add_storage_and_log(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag(
        "--storage.path",
        dest="storage",
        metavar="DIR",
        help=f"directory of the database, default {_STORAGE}; '' keeps everything in memory",
    )
    flag(
        "--storage.url",
        dest="storage_url",
        metavar="URL",
        type=storage_url,
        help="instead: a PostgreSQL database that several replicas share, postgresql://…; see docs/replicas.md",
    )
    flag(
        "--log.level",
        dest="log_level",
        default="info",
        choices=tuple(logs.LEVELS),
        help="lowest level logged, default %(default)s",
    )
    flag("--log.format", dest="log_format", default="logfmt", choices=tuple(logs.FORMATS), help="default %(default)s")


def _telemetry_path(path: str) -> str:
    if not _TELEMETRY_PATH.fullmatch(path):
        raise argparse.ArgumentTypeError(f"{path!r} is no path of its own; write one like /metrics")
    return path


def _external_url(text: str) -> str:
    try:
        url: str = URL.read(Node("", "", 1, text))
    except Invalid:
        raise argparse.ArgumentTypeError(f"{text!r} is not {URL.expects}") from None
    return url


def _storage(arguments: argparse.Namespace) -> tuple[Path | None, str | None]:
    """Where to keep what is recorded: a directory, or a database.

    Raises:
        CommandError: both are given, or the environment's URL is none.
    """
    url = given_url(arguments.storage_url)
    if url is None:
        path = _STORAGE if arguments.storage is None else arguments.storage
        return Path(path) if path else None, None
    if arguments.storage is not None:
        raise CommandError(MISUSE, f"--storage.path and --storage.url ({URL_VARIABLE}) exclude each other: give one")
    return None, url


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop.

    Raises:
        CommandError: the exporter can't start.
    """
    logs.setup(arguments.log_level, arguments.log_format)
    storage, storage_url = _storage(arguments)
    options = server.Options(
        config_file=arguments.config,
        web_config_file=arguments.web_config,
        web_addresses=arguments.web,
        webhook_addresses=arguments.webhook,
        telemetry_path=arguments.telemetry_path,
        external_url=arguments.external_url,
        storage=storage,
        storage_url=storage_url,
        lifecycle=arguments.lifecycle,
    )
    try:
        server.serve(options)
    except (ConfigError, OpenAccessError, AddressError, MissingDriverError) as error:
        raise CommandError(MISUSE, error) from None
    except (OSError, StorageError) as error:
        raise CommandError(FAILURE, error) from None
    return 0
