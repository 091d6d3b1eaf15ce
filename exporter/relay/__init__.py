"""The relay: the exporter in front of the application that handles the same webhooks."""

from exporter.errors import RelayError
from exporter.relay.relay import Relay
from exporter.relay.response import Relayed
from exporter.relay.routes import Arrival
from exporter.relay.target_url import is_suffix

__all__ = ["Arrival", "Relay", "RelayError", "Relayed", "is_suffix"]
