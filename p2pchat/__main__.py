"""`python -m p2pchat` is the script `p2pchat`."""

from p2pchat.tap import main

main()
