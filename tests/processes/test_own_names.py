"""A person who says no name: ports, terminals and their order do not change who is who."""

from __future__ import annotations

import json
import signal
import socket
import sys

from tests.support.processes import ProcessCase, Program


class OwnNameTests(ProcessCase):
    def setUp(self) -> None:
        super().setUp()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.config = self.folder.resolve() / "own.json"
        self.config.write_text(json.dumps({"rendezvous": {"local_port": port}}))

    def unnamed(self, terminal: str) -> Program:
        command = [sys.executable, "-m", "p2pchat", "--log-file", "-", "--config"]
        command += [str(self.config)]
        return self.start(terminal, *command, environ={"LOGNAME": "ana"})

    async def name_of(self, program: Program) -> str:
        return (await program.expect(r"\* p2pchat \S+: (\S+)@lobby, listening"))[1]

    async def test_two_terminals_started_again_in_the_other_order(self) -> None:
        one = self.unnamed("one")
        self.assertEqual(await self.name_of(one), "ana")
        two = self.unnamed("two")
        self.assertEqual(await self.name_of(two), "ana2")
        await two.expect(r"^\* \[ana@lobby\] runs already: this one is \[ana2@lobby\]")
        one.signal(signal.SIGKILL)  # it had the lower port, too
        await one.ended
        again = self.unnamed("one again")
        self.assertEqual(await self.name_of(again), "ana")
        two.signal(signal.SIGTERM)
        await two.ended
        self.assertEqual(await self.name_of(self.unnamed("two again")), "ana2")

    async def test_a_port_that_any_program_has_changes_nothing(self) -> None:
        try:
            taken = socket.create_server(("127.0.0.1", 4000))
        except OSError:
            pass  # then somebody else has it, which does as well
        else:
            self.addCleanup(taken.close)
        program = self.unnamed("one")
        self.assertEqual(await self.name_of(program), "ana")
        self.assertNotEqual(await self.port_of(program), 4000)
