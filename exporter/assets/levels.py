"""The levels at which rules look at things, with the labels that the operator keeps."""

from exporter.assets.model import Thresholds
from exporter.assets.promql import ASSISTANT, PLATFORM, Level


def job(t: Thresholds) -> Level:
    """All exporters of a job."""
    return Level(("job",), t.labels.keep)


def instance(t: Thresholds) -> Level:
    """One exporter."""
    return Level(("job", "instance"), t.labels.keep)


def platform(t: Thresholds) -> Level:
    """All that a job's exporters hear from a platform."""
    return Level(PLATFORM, t.labels.keep)


def source(t: Thresholds) -> Level:
    """What one exporter hears from a platform."""
    return Level(("job", "instance", "platform"), t.labels.keep)


def assistant(t: Thresholds) -> Level:
    """One assistant of a platform."""
    return Level(ASSISTANT, t.labels.keep)
