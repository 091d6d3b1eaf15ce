"""The relay: the exporter in front of the application that handles the same webhooks."""

from exporter.relay.addresses import is_suffix
from exporter.relay.answer import Relayed
from exporter.relay.parcel import Failed
from exporter.relay.relay import Relay
from exporter.relay.routes import Arrival

__all__ = ["Arrival", "Failed", "Relay", "Relayed", "is_suffix"]
