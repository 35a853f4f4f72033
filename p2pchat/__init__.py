"""p2pchat: a peer-to-peer chat on Twisted."""

__version__ = "1.0.0"
