"""One running process: what it is made of, its pages, reload and stop."""
