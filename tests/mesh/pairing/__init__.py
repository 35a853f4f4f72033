"""Pairing: the computation, the codes, the runs."""
