"""What an analyser is, and how one is found by its name."""

from collections.abc import Callable
from importlib import import_module
from typing import Final, TypeAlias

Analyser: TypeAlias = Callable[[str], tuple[str, float]]
"""Takes the text of one message of a user, up to a thousand characters; gives ``negative``, ``neutral`` or
``positive``, and how sure it is of that, 0 to 1. It runs in a thread of its own, one text at a time."""

DEFAULT: Final = "exporter.sentiment.vader:analyse"
"""The analyser of the extra: a lexicon of English words."""


def load(name: str) -> Analyser:
    """The analyser with a name such as package.module:callable.

    Raises:
        ValueError: there is none; the message says why.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as missing:
        if name == DEFAULT:
            raise ValueError("needs an extra that is not installed: pip install 'voice-exporter[sentiment]'") from None
        raise ValueError(f"can't be imported: there is no module {missing.name}") from None
    except Exception as error:  # noqa: BLE001 - whatever somebody's module does when it is imported
        raise ValueError(f"can't be imported: {type(error).__name__}") from None
    if callable(found):
        analyser: Analyser = found
        return analyser
    raise ValueError("names nothing that can be called")
