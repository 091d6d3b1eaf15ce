"""Every exception of the exporter, one tree. A message says what is wrong and what to do, and holds nothing private."""

from dataclasses import dataclass
from typing import Literal, TypeAlias


class ExporterError(Exception):
    """Anything that the exporter raises itself."""


class InvalidEvent(ExporterError):  # noqa: N818 - the webhook answers 400 with it; it is no fault of ours
    """The body is not an event. The message says what is wrong and where, and shows nothing of the content."""


Refusal: TypeAlias = Literal[
    "unauthorized", "invalid", "too_large", "timeout", "limited", "unanswerable", "unavailable"
]
"""Outcomes of requests that are answered with an error."""


class Refused(ExporterError):  # noqa: N818 - a refused request is no fault of ours
    """A webhook request answered with an error.

    Attributes:
        status: HTTP status of the answer.
        outcome: what it is counted as.
        message: what is wrong; shows nothing of the content.
        event: the platform's name of the event, where it was understood that far.
        retry_after: seconds after which the same request may fare better, where that is known.
        detail: more than the client gets to know, for the operator; shows nothing of the content either.
    """

    def __init__(  # noqa: PLR0913 - each is one part of the answer
        self,
        status: int,
        outcome: Refusal,
        message: str,
        event: str = "unknown",
        *,
        retry_after: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.outcome: Refusal = outcome
        self.message = message
        self.event = event
        self.retry_after = retry_after
        self.detail = detail or message


RelayFailure: TypeAlias = Literal[
    "connect", "timeout", "cut", "malformed", "server_error", "copy_failed", "queue_failed", "given_up"
]
"""Why a request counts as failed: the application can't be reached, is too slow, cuts its answer short, does not
speak HTTP, answers 5xx; a further target did not get its copy; the queue could not take an event; an event of the queue
was never delivered."""


class RelayError(ExporterError):
    """The application did not answer.

    Attributes:
        status: what the platform is told, 502 or 504.
        reason: what it is counted as.
        message: what happened; names no address.
    """

    def __init__(self, status: int, reason: RelayFailure, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason: RelayFailure = reason
        self.message = message


AlertPush: TypeAlias = Literal["sent", "failed", "dropped"]
SentimentOutcome: TypeAlias = Literal["judged", "failed", "timeout", "skipped"]
"""What became of the sentiment of a message that was to be judged."""
"""What becomes of an alert: an Alertmanager took it, or did not; or it is one too many of its assistant."""


class StorageError(ExporterError):
    """The store could not keep a batch; nothing of it was kept. The message is safe to show."""


class StoreLost(StorageError):  # noqa: N818 - says what happened, beside the error that is the rule
    """What was kept is gone, while the caller still has it: the next batch must be a whole one."""


class StoreConflict(StorageError):  # noqa: N818 - says what happened
    """Another process was in the way of a batch: begin it again."""


class MissingDriverError(ExporterError):
    """A package is missing that a store needs; the message says how it is installed."""


class QueueFull(StorageError):  # noqa: N818 - a limit that was reached
    """There is no room for another event."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where.

    Attributes:
        file: as the operator named it.
        path: keys down to the value, such as ``webhooks.vapi.secrets[0]``; empty for the file as a whole.
        line: counted from 1; None where the fault has none.
        message: what is wrong and what to do about it.

    As text it is one line of printable characters.
    """

    file: str
    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class ConfigError(ExporterError):
    """A file cannot be used. Its text has one line for each fault.

    Attributes:
        faults: at least one.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class WebConfigError(ConfigError):
    """The web configuration cannot be used. Its text has one line for each fault, and shows no user and no hash."""


class Invalid(ExporterError):  # noqa: N818 - turned into faults of the file before anybody sees it
    """A value that its key does not take.

    Attributes:
        faults: at least one; none shows the value.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class TlsError(ExporterError, ValueError):
    """TLS cannot be set up like this.

    Attributes:
        key: the key of ``tls_server_config`` at fault.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class AddressError(ExporterError, ValueError):
    """No address to listen on. The message says what one looks like."""


class TooManyAttempts(ExporterError):  # noqa: N818 - says what is the matter
    """Too many passwords are being tried."""


class OpenAccessError(ExporterError):
    """Untrusted clients could post. The message says what to configure."""


class DeliveryError(ExporterError):
    """It is of no use to go on; the message says why and what to do, in one line."""


class CommandError(ExporterError):
    """A command can't go on. The message says why and what to do; ``code`` is the exit code."""

    def __init__(self, code: int, message: object) -> None:
        super().__init__(str(message))
        self.code = code
