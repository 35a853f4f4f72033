"""Comparing keys by a short code that one person reads to another."""
