"""Being found and finding, by a rendezvous."""
