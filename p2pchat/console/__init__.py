"""A person at a node."""
