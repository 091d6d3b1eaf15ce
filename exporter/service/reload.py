"""Reloading the configuration: all of it or nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from exporter import config
from exporter.config import Config, web
from exporter.errors import ConfigError, Fault, OpenAccessError
from exporter.http.access import WebConfig
from exporter.logs import log
from exporter.recording.self_metrics import SelfMetrics
from exporter.service import open_access

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """What the files say.

    Attributes:
        config: the configuration.
        web: the web configuration.
        closed: platforms whose webhook rejects all requests.
    """

    config: Config
    web: WebConfig
    closed: frozenset[str]


Take: TypeAlias = Callable[[], None]
Prepare: TypeAlias = Callable[[Files], Take]
"""Builds what one part of the process needs of new files, changing nothing; may raise. What it gives takes them, and
can't fail."""


@dataclass(slots=True)
class Reloader:
    """Reads the files again and hands what they say to whom it concerns.

    Attributes:
        config_file: the configuration; None where there is none to reload.
        web_config_file: the web configuration.
        public: whether untrusted clients reach the webhooks' listener.
        current: the configuration in force.
        parts: whom it concerns; all of them prepare before the first one takes anything.
        metrics: count how it went.
    """

    config_file: Path | None
    web_config_file: Path | None
    public: bool
    current: Config
    parts: Sequence[Prepare]
    metrics: SelfMetrics

    def succeeded(self) -> None:
        """The configuration in force was read from the files: that counts as the first success."""
        self.metrics.reloaded(successfully=True)

    def reload(self) -> str | None:
        """Take the files as they are now; None, or the fault in one line and everything stays as it was."""
        try:
            files = self._read()
            takes = [prepare(files) for prepare in self.parts]
        except (ConfigError, OpenAccessError, ValueError) as error:
            self.metrics.reloaded(successfully=False)
            faults = str(error).splitlines()
            for fault in faults:
                log(_log, logging.ERROR, "configuration not reloaded", fault=fault)
            return "; ".join(faults)
        for take in takes:
            take()
        self.current = files.config
        self.succeeded()
        log(_log, logging.INFO, "configuration reloaded")
        return None

    def _read(self) -> Files:
        new = config.load(self.config_file)
        if changes := config.restart_only_changes(self.current, new):
            message = "changed, which takes effect at a restart only: restart, or change it back"
            raise ConfigError(*(Fault(str(self.config_file), path, None, message) for path in changes))
        closed = open_access.closed(new.webhooks.platforms, public=self.public)
        return Files(new, web.load(self.web_config_file), closed)
