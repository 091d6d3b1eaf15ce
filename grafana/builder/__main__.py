"""``python -m grafana.builder`` writes the dashboards; a test fails when they are stale."""

from grafana.builder.build import write

write()
