"""Other programs at a running node, through its control socket."""
