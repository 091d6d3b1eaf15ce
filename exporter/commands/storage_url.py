"""The URL of a database, as flags and the environment give it."""

import argparse
import os
from typing import Final

from exporter.commands import MISUSE
from exporter.errors import CommandError

URL_VARIABLE: Final = "VOICE_EXPORTER_STORAGE_URL"


def storage_url(text: str) -> str:
    """A URL that names PostgreSQL; the rest is libpq's, and may hold a password: it is not repeated.

    Raises:
        argparse.ArgumentTypeError: it names something else.
    """
    if not text.startswith(("postgresql://", "postgres://")):
        raise argparse.ArgumentTypeError("the URL does not begin with postgresql://")
    return text


def given_url(flag: str | None) -> str | None:
    """The URL of the flag, else that of the environment.

    Raises:
        CommandError: the environment's names something else.
    """
    if flag is None and (given := os.environ.get(URL_VARIABLE)):
        try:
            return storage_url(given)
        except argparse.ArgumentTypeError as error:
            raise CommandError(MISUSE, f"{URL_VARIABLE}: {error}") from None
    return flag
