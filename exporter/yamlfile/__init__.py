"""YAML files held against a table of keys, each fault with its file and line."""
