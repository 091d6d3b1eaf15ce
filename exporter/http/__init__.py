"""Sockets, connections and bodies: what any HTTP server with limits needs."""
