"""The page of a node: its gate, its answers, its streams; without a browser."""
