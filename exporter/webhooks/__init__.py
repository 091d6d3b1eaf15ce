"""A platform's request, from its head to its answer."""
