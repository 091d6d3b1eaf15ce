"""Builds the dashboards with Grafana's typed builders: ``python -m grafana.builder`` writes them."""
