"""The program as a whole: whatever keeps it from starting is one sentence."""

from __future__ import annotations

import os
import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.service import chat
from p2pchat.service.chat import Program
from p2pchat.settings.values import (
    ControlSettings,
    HistorySettings,
    HookSettings,
    PeerSettings,
    RendezvousSettings,
    SecuritySettings,
    Settings,
)
from p2pchat.testing.network import FakeNetwork

ALICE = PeerSettings(name="alice", port=4000)
NO_CONTROL = ControlSettings(path="off")
NO_HISTORY = HistorySettings(file="none")
OF_NO_FILE = SecuritySettings(key="none")


class RefusedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(os, "environ", {**os.environ, "XDG_DATA_HOME": os.path.abspath(self.mktemp())})

    def refused(
        self,
        *,
        peer: PeerSettings = ALICE,
        history: HistorySettings = NO_HISTORY,
        control: ControlSettings = NO_CONTROL,
        hooks: HookSettings | None = None,
        rendezvous: RendezvousSettings | None = None,
    ) -> str:
        settings = Settings(
            peer=peer,
            history=history,
            control=control,
            hooks=hooks or HookSettings(),
            rendezvous=rendezvous or RendezvousSettings(),
            security=OF_NO_FILE,
        )
        program = Program(FakeNetwork(1).host("10.0.0.1"), settings)
        return str(self.assertRaises(CannotStartError, program.bind))

    def test_a_name_that_cannot_be(self) -> None:
        self.assertIn("cannot be our name", self.refused(peer=PeerSettings(name="a" * 65)))

    def test_a_history_of_another_program(self) -> None:
        path = self.mktemp()
        with sqlite3.connect(path) as foreign:
            foreign.execute("PRAGMA application_id = 1")
        foreign.close()
        why = self.refused(history=HistorySettings(file=path))
        self.assertIn("is the database of another program", why)

    def test_a_control_socket_that_was_named(self) -> None:
        why = self.refused(control=ControlSettings(path="/" + "x" * 200))
        self.assertRegex(why, "^no control socket: /x.* are too many for the name of a socket")

    def test_a_hook(self) -> None:
        self.assertEqual(
            self.refused(hooks=HookSettings(message="/no/bot")),
            "hooks.message: /no/bot cannot be run",
        )

    def test_a_rendezvous_on_a_port_that_is_taken(self) -> None:
        self.assertEqual(
            self.refused(rendezvous=RendezvousSettings(serve="4000")),
            "rendezvous.serve: cannot listen on port 4000: Address already in use",
        )


class SignalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(1)
        self.host = self.network.host("10.0.0.1")
        self.stopped: list[str] = []
        self.host.stop = lambda: self.stopped.append("in order")  # type: ignore[attr-defined]
        self.patch(chat, "_exit_now", lambda status: self.stopped.append(f"now: {status}"))
        settings = Settings(peer=ALICE, history=NO_HISTORY, control=NO_CONTROL, security=OF_NO_FILE)
        self.program = Program(self.host, settings)

    def test_the_second_one_ends_at_once(self) -> None:
        self.program.signalled()
        self.network.run(0.1)
        self.program.signalled()
        self.network.run(0.1)
        self.assertEqual(self.stopped, ["in order"], "a parent passes on what we got as well")
        self.network.run(0.5)
        self.program.signalled()
        self.network.run(0.1)
        self.assertEqual(self.stopped, ["in order", "now: 1"])

    def test_one_while_it_leaves_already_is_the_first(self) -> None:
        self.program.leave(1)
        self.network.run(5)
        self.program.signalled()
        self.network.run(5)
        self.assertEqual(self.stopped, ["in order"])
