"""Alerts of single calls."""
