"""Real programs that encrypt: what two people see, what an impostor does, and `p2pchat keys`."""

from __future__ import annotations

import re
import sys
from typing import Final

from tests.processes.test_end_to_end import local_group
from tests.support.processes import ProcessCase, Program

FINGERPRINT: Final = r"\w{4}-\w{4}-\w{4}-\w{4}"


class TwoPeopleTests(ProcessCase):
    async def fingerprint_of(self, person: Program) -> str:
        person.say("/verify")
        match = await person.expect(rf"^your fingerprint, as \[.*\]: ({FINGERPRINT})$")
        return match[1]

    async def test_they_meet_compare_and_are_not_taken_in(self) -> None:
        group = local_group(self)
        alice, bob = self.chat("alice", *group), self.chat("bob", *group)
        await alice.expect(r"^\* \[bob@lobby\] is connected")
        bobs = await self.fingerprint_of(bob)
        bob.say("/msg alice@lobby oi")
        await alice.expect(r"^ \[bob@lobby\] oi$")
        alice.say("/verify bob AAAA-BBBB-CCCC-DDDD")
        await alice.expect("^NOT THE SAME: ")
        alice.say(f"/verify bob {bobs.lower()}")
        await alice.expect(r"^the same: \[bob@lobby\] is verified")
        bob.say("/pub * again")
        await alice.expect(r"^\+\[bob@lobby -> \*\] again$")
        bob.say("/quit")
        await bob.ended
        elsewhere = {"XDG_DATA_HOME": str(self.folder / "elsewhere")}
        impostor = self.chat("bob", *group, environ=elsewhere)
        theirs = await self.fingerprint_of(impostor)
        await alice.expect(
            rf"^\* \[bob@lobby\] came with another key, {theirs}, than the one that you know "
            rf"\({bobs}, verified "
        )
        await impostor.expect(r"^\* \[alice@lobby\] refuses your key")
        alice.say("/peers")
        await alice.expect(r"^bob@lobby .* refused$")
        alice.say("/msg bob@lobby for bob alone")
        await alice.expect(r"^queued: \[bob@lobby\]")
        impostor.say("/quit")
        await impostor.ended
        bob = self.chat("bob", *group)
        await bob.expect(r"^ \[alice@lobby.*\] for bob alone$")
        self.assertNotIn("for bob alone", impostor.output)

    async def test_two_who_tell_each_other_six_digits(self) -> None:
        """As README, Try it, says."""
        group = local_group(self)
        alice, bob = self.chat("alice", *group), self.chat("bob", *group)
        await bob.expect(r"^\* \[alice@lobby\] is connected")
        bob.say("/pair alice@lobby")
        line = (await bob.expect(r"^(/pair bob@lobby \d{6})$"))[1]
        alice.say(line)
        await alice.expect(r"^paired: \[bob@lobby\] is verified, its key is ")
        await bob.expect(r"^\* paired: \[alice@lobby\] is verified, its key is ")
        alice.say("/pub * oi")
        await bob.expect(r"^\+\[alice@lobby -> \*\] oi$")

    async def test_who_encrypts_nothing_sees_no_marks_and_is_marked(self) -> None:
        group = local_group(self)
        alice = self.chat("alice", *group)
        carol = self.chat("carol", *group, "--security", "off")
        await alice.expect(r"^\* \[carol@lobby\] is connected")
        alice.say("/msg carol@lobby oi")
        await carol.expect(r"^\[alice@lobby\] oi$")
        await alice.expect(r"^\* the program of \[carol@lobby\] cannot encrypt")
        carol.say("/msg alice@lobby olá")
        await alice.expect(r"^~\[carol@lobby\] olá$")

    async def test_with_off_it_tells_whose_key_is_known(self) -> None:
        group = local_group(self)
        alice, bob = self.chat("alice", *group), self.chat("bob", *group)
        await alice.expect(r"^\* \[bob@lobby\] is connected")
        alice.say("/msg bob@lobby oi")
        await alice.expect("^delivered")
        for person in (alice, bob):
            person.say("/quit")
            await person.ended
        alice, bob = (self.chat(name, *group, "--security", "off") for name in ("alice", "bob"))
        await alice.expect(r"^\* \[bob@lobby\] is connected")
        for command, ending in (("/peers", ""), ("/conn", r" +IPv4 +\S+")):
            alice.output = ""
            alice.say(command)
            await alice.expect(rf"^bob@lobby .* IN THE CLEAR, key known{ending}$")


class CommandTests(ProcessCase):
    def keys(self, *words: str) -> Program:
        return self.start("keys", sys.executable, "-m", "p2pchat", "keys", *words, terminal=True)

    async def test_a_copy_goes_to_another_machine(self) -> None:
        alice = self.chat("alice", *local_group(self))
        fingerprint = (await alice.expect(rf"a key was made for .alice@lobby.: ({FINGERPRINT})"))[1]
        listed = self.keys()
        self.assertEqual(await listed.ended, 0)
        self.assertIn(f"[alice@lobby]  {fingerprint}", listed.output)
        copy = str(self.folder / "copy")
        export = self.keys("export", copy)
        for prompt in ("passphrase for the copy: $", "once more: $"):
            await export.expect(prompt)
            export.say("secret")
        self.assertEqual(await export.ended, 0, export.output)
        self.assertNotIn("secret", export.output)
        taken = self.keys("import", copy, "--replace")
        await taken.expect("passphrase of .*copy: $")
        taken.say("secret")
        self.assertEqual(await taken.ended, 1)
        self.assertIn("is in use by another process", taken.output)
        alice.say("/quit")
        await alice.ended
        (self.folder / "data" / "p2pchat" / "alice@lobby.key").unlink()
        back = self.keys("import", copy)
        await back.expect("passphrase of .*copy: $")
        back.say("secret")
        self.assertEqual(await back.ended, 0, back.output)
        self.assertTrue(re.search(rf"\[alice@lobby\] has the key {fingerprint}", back.output))
