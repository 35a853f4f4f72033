"""The rendezvous: where peers register and find each other (protocol, section 2)."""
