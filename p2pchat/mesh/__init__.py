"""A node's peers and the links with them."""
