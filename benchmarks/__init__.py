"""What p2pchat costs, beside what simpler programs cost: `python -m benchmarks`."""
