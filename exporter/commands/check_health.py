"""``voice-exporter check-health``."""

import argparse
import http.client
import ssl
import sys
from typing import Final
from urllib.parse import SplitResult, urlsplit

from exporter.commands import FAILURE
from exporter.errors import CommandError

_SECONDS: Final = 3.0
_PATH: Final = "/-/healthy"
_SERVER_ERROR: Final = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--url", metavar="URL", type=_url, default="http://127.0.0.1:10060", help="the exporter, default %(default)s"
    )


def _url(text: str) -> SplitResult:
    url = urlsplit(text)
    try:
        usable = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL; write one like http://127.0.0.1:10060")
    return url


def run(arguments: argparse.Namespace) -> int:
    """Say that the process lives: it answers, over TLS or not, also where it wants a password or a certificate first.

    Raises:
        CommandError: it does not.
    """
    url: SplitResult = arguments.url
    try:
        status = _ask(url)
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(FAILURE, f"{url.netloc} does not answer: {str(error) or type(error).__name__}") from None
    if status is not None and status >= _SERVER_ERROR:
        raise CommandError(FAILURE, f"{url.netloc} answers {status}")
    sys.stdout.write("healthy\n")
    return 0


def _ask(url: SplitResult) -> int | None:
    """The status of its answer; None where it speaks TLS and wants a certificate that we have not."""
    host, port = str(url.hostname), url.port
    if url.scheme == "http":
        try:
            return _status(http.client.HTTPConnection(host, port, timeout=_SECONDS))
        except (http.client.HTTPException, ConnectionResetError):
            # What is no HTTP may be TLS: which of them, the web configuration decides.
            pass
    # It is this machine's own, and its certificate names another one.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    try:
        connection.connect()
    except ssl.SSLError as error:
        if error.reason and "ALERT" in error.reason:
            return None
        raise
    try:
        return _status(connection)
    except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
        # In TLS 1.3 the lack of a certificate shows after the handshake only.
        return None


def _status(connection: http.client.HTTPConnection) -> int:
    try:
        connection.request("GET", _PATH)
        return connection.getresponse().status
    finally:
        connection.close()
