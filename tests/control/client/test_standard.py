"""What a short program writes, wherever that goes."""

from __future__ import annotations

import io
import sys

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.standard import guarded


class EncodingTests(SynchronousTestCase):
    def test_a_letter_that_the_encoding_lacks_is_no_fault(self) -> None:
        for encoding, written in (("ascii", b"op??o \n"), ("latin-1", b"op\xe7\xe3o \n")):
            data = io.BytesIO()
            self.patch(sys, "stdout", io.TextIOWrapper(data, encoding))
            self.assertEqual(guarded(lambda: sys.stdout.write("opção \n") and 0), 0)
            self.assertEqual(data.getvalue(), written)
