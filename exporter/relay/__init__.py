"""The relay: the exporter in front of the application that handles the same webhooks."""

from exporter.errors import RelayError
from exporter.relay.options import DEFAULT_OPTIONS, RelayOptions
from exporter.relay.relay import Relay
from exporter.relay.response import Relayed
from exporter.relay.routes import Arrival
from exporter.relay.target_url import is_suffix

__all__ = ["DEFAULT_OPTIONS", "Arrival", "Relay", "RelayError", "RelayOptions", "Relayed", "is_suffix"]
