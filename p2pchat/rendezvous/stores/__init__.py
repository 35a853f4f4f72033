"""Where a rendezvous keeps its registrations."""
