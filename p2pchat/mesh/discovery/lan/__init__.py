"""Being found and finding on one network, without a server."""
