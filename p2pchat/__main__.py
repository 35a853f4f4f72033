"""`python -m p2pchat` is the script `p2pchat`."""

from p2pchat.service.script import main

main()
