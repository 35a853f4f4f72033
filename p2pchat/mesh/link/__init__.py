"""One connection to a peer: its bytes, its limits, its end."""
