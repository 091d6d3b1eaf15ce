"""Events to durable increments: folded, committed, and only then shown."""
