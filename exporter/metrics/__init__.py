"""Metrics, their series and labels, and the text that a scrape gets."""
