"""The script `p2pchat`: a node, or a word with a node that runs already.

    p2pchat [options]                 runs a node: p2pchat.service.chat
    p2pchat send bob@CIC oi           asks the node that runs: p2pchat.control.client.commands

Rules: what a run does not need is not imported, in either direction: a node starts as fast as
without the other commands, and they are over before a node would have been imported.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from p2pchat.control.client.subcommands import SUBCOMMANDS


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says, and exit."""
    words = sys.argv[1:] if argv is None else [*argv]
    try:
        _run(words)
    except KeyboardInterrupt:
        # Before there was anybody to do something about it.
        sys.exit(130)


def _run(words: Sequence[str]) -> NoReturn:
    if words and words[0] in dict(SUBCOMMANDS):
        from p2pchat.control.client.standard import fill_standard_descriptors

        fill_standard_descriptors()
        from p2pchat.control.client.commands import run

        sys.exit(run(words))
    # Importing makes no garbage worth looking for; `chat.main` turns collections on again.
    gc.disable()
    from p2pchat.service.chat import main as run_node

    run_node(words)
