"""A page of the running node for a browser."""
