"""`python -m p2pchat` is the script `p2pchat`."""

from p2pchat.cli import main

main()
