"""One peer: what it sends, delivers and tells."""
