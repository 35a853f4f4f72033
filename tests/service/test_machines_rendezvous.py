"""Whose the machine's rendezvous is, from a table of sockets as Linux writes it."""

from __future__ import annotations

import os
import pwd
import socket
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.service.machines_rendezvous import listening_user, of_another_user

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)


def row(address: str, port: int, state: str, uid: int) -> str:
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 "
        f"{uid:5d}        0 12345 1 0000000000000000 100 0 0 10 0\n"
    )


class TableTests(SynchronousTestCase):
    def table(self, *rows: str) -> str:
        path = Path(self.mktemp())
        path.write_text(HEAD + "".join(rows))
        return str(path)

    def test_who_listens_there(self) -> None:
        table = self.table(
            row("0100007F", 80, "0A", 1),
            row("0A00000A", 27800, "0A", 2),
            row("0100007F", 27800, "0A", 1234),
            row("0100007F", 27800, "01", 3),
        )
        self.assertEqual(listening_user(27800, [table]), 1234)
        self.assertEqual(listening_user(80, [table]), 1)
        self.assertIsNone(listening_user(81, [table]))
        everywhere = self.table(row("0" * 32, 27800, "0A", 7))
        self.assertEqual(listening_user(27800, [self.table(), everywhere]), 7)

    def test_who_is_connected_does_not_matter(self) -> None:
        table = self.table(row("0100007F", 27800, "01", 3))
        self.assertIsNone(listening_user(27800, [table]))

    def test_tables_that_cannot_be_read(self) -> None:
        odd = Path(self.mktemp())
        odd.write_bytes(HEAD.encode() + b"x y\n\xff")
        good = self.table(row("00000000", 27800, "0A", 5))
        for tables in (["/nowhere"], [str(odd)], [self.table("a b c d\n")], []):
            self.assertIsNone(listening_user(27800, tables))
            self.assertEqual(listening_user(27800, [*tables, good]), 5)

    def test_the_sentence(self) -> None:
        ours = self.table(row("0100007F", 27800, "0A", os.geteuid()))
        self.assertIsNone(of_another_user(27800, [ours]))
        self.assertIsNone(of_another_user(27800, ["/nowhere"]))
        for entry in pwd.getpwall():
            if entry.pw_uid != os.geteuid():
                theirs = self.table(row("0100007F", 27800, "0A", entry.pw_uid))
                self.assertIn(
                    f"another user, {entry.pw_name}, ", str(of_another_user(27800, [theirs]))
                )
                break
        nameless = self.table(row("0100007F", 27800, "0A", 4_000_000_001))
        self.assertIn("another user, 4000000001, ", str(of_another_user(27800, [nameless])))

    def test_a_real_socket(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("only Linux tells")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.assertEqual(listening_user(port), os.geteuid())
