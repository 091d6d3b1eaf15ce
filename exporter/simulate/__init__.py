"""Realistic traffic of the platforms, deterministic by seed: for demonstrations, tests and benchmarks."""

from exporter.simulate.calls import Traffic
from exporter.simulate.client import simulate
from exporter.simulate.model import Delivery
from exporter.simulate.scenarios import SCENARIOS, Scenario
from exporter.simulate.traffic import arriving, bodies, generate_call, interleaved

__all__ = [
    "SCENARIOS",
    "Delivery",
    "Scenario",
    "Traffic",
    "arriving",
    "bodies",
    "generate_call",
    "interleaved",
    "simulate",
]
