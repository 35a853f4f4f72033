"""What the commands read their options with: complaints and help."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import rendezvous
from p2pchat.control.client.options import parser_of


class ComplaintTests(SynchronousTestCase):
    def test_nothing_raw_reaches_the_terminal(self) -> None:
        """Not of what the command does not understand, of whichever program it is."""
        for parser in (parser_of("status"), rendezvous._parser("stop")):
            with redirect_stderr(io.StringIO()) as complaint:
                self.assertRaises(SystemExit, parser.parse_args, ["--\x1b[31mred"])
            self.assertIn(r"--\x1b[31mred", complaint.getvalue(), parser.prog)
            self.assertNotIn("\x1b", complaint.getvalue(), parser.prog)
