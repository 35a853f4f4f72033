"""The script `p2pchat-rendezvous`, up to its first import that takes long.

Rules: a SIGHUP while the program starts, as from a script that starts and reloads, does not end it:
the file of bans and the log are still to be opened. At a terminal it does, whose window is closed.
Nothing of ours is imported before that is settled.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the server in the foreground until it is told to stop; the exit status.

    A word asks a server that runs instead: `p2pchat-rendezvous status`.
    """
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        from p2pchat.control.client import rendezvous as words

        if sys.argv[1] in words.COMMANDS:
            from p2pchat.control.client.standard import fill_standard_descriptors

            fill_standard_descriptors()
            return words.run(sys.argv[1:])
    if not any(map(os.isatty, (0, 1, 2))) and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from p2pchat.service import rendezvous

    return rendezvous.main()
