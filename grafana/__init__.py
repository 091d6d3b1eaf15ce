"""Dashboards and provisioning for Grafana; `grafana.builder` writes the dashboards."""
