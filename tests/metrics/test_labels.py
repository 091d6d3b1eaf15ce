"""Labels by name."""

from inspect import getmembers, isfunction

import pytest

from exporter.metrics import labels
from exporter.metrics.catalogue import METRICS, PA

GIVEN_BY_NAME = [function for name, function in getmembers(labels, isfunction) if name.endswith("_labels")]


@pytest.mark.parametrize("function", GIVEN_BY_NAME)
def test_values_come_in_the_order_of_their_names(function: labels.LabelsByName) -> None:
    """Each value is in the place that the catalogue gives its label."""
    names = labels.names(function)
    assert function(**{name: name for name in names}) == names
    assert any(metric.labels == (*PA, *names) for metric in METRICS.values())
