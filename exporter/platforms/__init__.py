"""Platforms: bytes of a webhook body to events, and nothing else."""
