"""Durable messages: what was said, what still waits to be delivered, and what was seen before."""
