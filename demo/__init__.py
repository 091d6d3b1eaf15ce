"""A live system on the loopback address: ``make demo`` and ``make demo-replicas``."""
