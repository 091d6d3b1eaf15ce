"""Stores: where batches of increments and call states are kept."""
