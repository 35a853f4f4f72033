"""Worlds: whole nodes in memory, some random acts, and what became of every message."""
