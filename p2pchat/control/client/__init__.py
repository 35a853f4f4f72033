"""The words after `p2pchat` that ask a running node; nothing of Twisted in here."""
