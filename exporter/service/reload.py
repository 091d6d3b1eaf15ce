"""Reloading the configuration: all of it or nothing."""

import logging
from dataclasses import dataclass
from pathlib import Path

from exporter import config
from exporter.config import Config, web
from exporter.errors import ConfigError, Fault, OpenAccessError
from exporter.http.access import AccessControl
from exporter.http.connection_limit import ConnectionLimit
from exporter.recording.recorder import Recorder
from exporter.service import open_access
from exporter.webhooks.handler import Webhooks

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reloader:
    """Reads the files again and hands what they say to whom it concerns.

    Attributes:
        config_file: the configuration; None where there is none to reload.
        web_config_file: the web configuration.
        public: whether untrusted clients reach the webhooks' listener.
        current: the configuration in force.
    """

    config_file: Path | None
    web_config_file: Path | None
    public: bool
    current: Config
    recorder: Recorder
    webhooks: Webhooks
    guard: AccessControl
    connections: ConnectionLimit

    def succeeded(self) -> None:
        """The configuration in force was read from the files: that counts as the first success."""
        self.recorder.metrics.reloaded(successfully=True)

    def reload(self) -> str | None:
        """Take the files as they are now; None, or the fault in one line and everything stays as it was."""
        try:
            self._take()
        except (ConfigError, OpenAccessError) as error:
            self.recorder.metrics.reloaded(successfully=False)
            faults = str(error).splitlines()
            for fault in faults:
                _log.error("configuration not reloaded", extra={"fault": fault})
            return "; ".join(faults)
        self.succeeded()
        _log.info("configuration reloaded")
        return None

    def _take(self) -> None:
        new = config.load(self.config_file)
        if changes := config.restart_only_changes(self.current, new):
            message = "changed, which takes effect at a restart only: restart, or change it back"
            raise ConfigError(*(Fault(str(self.config_file), path, None, message) for path in changes))
        closed = open_access.closed(new.webhooks.platforms, public=self.public)
        self.guard.update(web.load(self.web_config_file))
        self.webhooks.configure(new, closed)
        self.recorder.reconfigure(new)
        self.connections.limit = new.limits.max_connections
        self.current = new
