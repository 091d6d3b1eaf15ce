"""What several test packages share: running services and servers, senders, waiting."""
