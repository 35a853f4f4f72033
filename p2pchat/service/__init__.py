"""The programs: the only place that wires parts together."""
