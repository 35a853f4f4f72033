"""/verify, /trust, /keys: what is compared, what changes, and what the person reads of it."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.security import meant
from p2pchat.console.commands.table import Commands
from p2pchat.console.key_lines import MOST, key_lines
from p2pchat.console.replies import Reply
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold
from p2pchat.node.node import ChatNode
from p2pchat.node.trusting import Trusting
from p2pchat.testing.nodes import FakeTown
from p2pchat.turns import at_once
from tests.support.typed_commands import CommandCase

OTHER: Final = fingerprint(b"\xff" * 32)
NO_KEY: Final = "this node has no key: nothing is encrypted (see --security)"
VOICE: Final = "by voice or face to face, and not in this chat"


class WithoutKeysTests(CommandCase):
    def test_each_says_so(self) -> None:
        for line in ("/verify", "/verify bob", f"/trust bob@CIC {OTHER}", "/keys"):
            reply = self.reply(line)
            self.assertEqual(([*reply.lines], reply.ok), ([NO_KEY], False), line)


class KeyCase(SynchronousTestCase):
    """Alice and bob, who encrypt, and carol, who does not, in one town."""

    def setUp(self) -> None:
        self.town = FakeTown()
        self.addCleanup(self.town.close)
        self.alice = self.town.node("alice@CIC", sealed=True)
        self.bob = self.town.node("bob@CIC", sealed=True)
        self.carol = self.town.node("carol@CIC")
        self.town.run_until_meshed()
        self.commands = Commands(self.alice, self.town.network.clock)

    def reply(self, line: str) -> Reply:
        answer = self.commands.run(line)
        if not isinstance(answer, Deferred):
            return answer
        replies: list[Reply] = []
        answer.addCallback(replies.append)
        self.town.run(1)
        return replies[0]

    def said(self, line: str, *, ok: bool = True) -> list[str]:
        reply = self.reply(line)
        self.assertEqual(reply.ok, ok, reply.lines)
        return [*reply.lines]

    @property
    def trusting(self) -> Trusting:
        trusting = self.alice.trusting
        assert trusting is not None
        return trusting

    @property
    def own(self) -> str:
        return self.trusting.own_fingerprint

    @property
    def bobs(self) -> str:
        assert self.bob.trusting is not None
        return self.bob.trusting.own_fingerprint

    def notices(self, node: ChatNode | None = None) -> list[str]:
        return [
            text for text in self.town.seen(node or self.alice).notices if "rendezvous" not in text
        ]


class VerifyTests(KeyCase):
    def test_our_own_fingerprint(self) -> None:
        lines = self.said("/verify")
        self.assertEqual(lines[0], f"your fingerprint, as [alice@CIC]: {self.own}")
        self.assertIn(VOICE, lines[1])

    def test_both_and_what_to_do(self) -> None:
        lines = self.said("/verify bob")
        self.assertRegex(lines[0], rf"^the key of \[bob@CIC\]: {self.bobs}, known since 20")
        self.assertEqual(lines[1], f"your own: {self.own}")
        self.assertIn(VOICE, lines[2])
        self.assertEqual(lines[3], "/verify bob@CIC XXXX-XXXX-XXXX-XXXX")

    def test_the_right_one_verifies_in_any_spelling(self) -> None:
        for typed in (
            self.bobs,
            self.bobs.lower().replace("-", ""),
            self.bobs.replace("-", " ").replace("0", "O").replace("1", "l"),
        ):
            self.trusting.forget("bob@CIC")
            self.town.run(5)
            lines = self.said(f"/verify bob {typed}")
            self.assertEqual(lines, [f"the same: [bob@CIC] is verified, its key is {self.bobs}"])
        self.assertRegex(self.said("/verify bob")[0], "verified 20")
        self.assertEqual(len(self.said("/verify bob")), 2, "nothing is left to do")

    def test_a_wrong_one_is_loud_and_changes_nothing(self) -> None:
        lines = self.said(f"/verify bob@CIC {OTHER}", ok=False)
        expected = f"NOT THE SAME: the key of [bob@CIC] is {self.bobs}, and you typed {OTHER}"
        self.assertEqual(lines[0], expected)
        self.assertIn("nothing has changed", lines[1])
        self.assertTrue(lines[1].endswith(f"/trust bob@CIC {OTHER}"))
        pin = self.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        self.assertEqual((pin.fingerprint, pin.verified), (self.bobs, None))

    def test_ones_own_is_no_proof(self) -> None:
        lines = self.said(f"/verify bob {self.own}", ok=False)
        self.assertEqual(lines[1], "what you typed is your own fingerprint")

    def test_who_has_no_key(self) -> None:
        self.assertEqual(
            self.said("/verify carol", ok=False),
            ["[carol@CIC] is in the clear, and has no key to compare"],
        )
        lines = self.said("/verify dave@CIC", ok=False)
        self.assertIn("no key of [dave@CIC] is known", lines[0])
        lines = self.said(f"/verify dave@CIC {OTHER}", ok=False)
        self.assertTrue(lines[0].endswith(f"/trust dave@CIC {OTHER}"), lines)

    def test_what_is_no_fingerprint(self) -> None:
        for typed in ("Y3YW", "Y3YW-Z254-ZYFB-5S3", f"{OTHER}X", "UUUU-Z254-ZYFB-5S3W"):
            lines = self.said(f"/verify bob {typed}", ok=False)
            self.assertIn("a fingerprint is 16 letters and digits", lines[0])

    def test_a_name_with_spaces(self) -> None:
        dave = self.town.node("dave ~ x@CIC", sealed=True)
        self.town.run(5)
        assert dave.trusting is not None
        theirs = dave.trusting.own_fingerprint
        self.assertIn(theirs, self.said("/verify dave ~ x@CIC")[0])
        self.assertIn("verified", self.said(f"/verify dave ~ x@CIC {theirs}")[0])


class TrustTests(KeyCase):
    def test_typed_is_verified_and_by_tab_is_not(self) -> None:
        for line, verified in (
            (f"/trust bob@CIC {OTHER} seen", False),
            (f"/trust bob@CIC {OTHER}", True),
        ):
            lines = self.said(line)
            self.assertEqual(
                lines[0],
                f"[bob@CIC] has the key {OTHER}, and nobody with another key can be [bob@CIC]",
            )
            pin = self.trusting.known.pin_of("bob@CIC")
            assert pin is not None
            self.assertEqual((pin.fingerprint, pin.verified is not None), (OTHER, verified))
            self.assertEqual(any("not verified" in line for line in lines), not verified)

    def test_it_tells_which_key_it_replaces_and_ends_its_links(self) -> None:
        lines = self.said(f"/trust bob {OTHER}")
        self.assertEqual(lines[1], f"its key was {self.bobs} before")
        self.town.run(5)
        self.assertNotIn("bob@CIC", self.town.links(self.alice))
        self.assertIn("/trust bob@CIC " + self.bobs, self.notices()[-1])
        self.said(f"/trust bob@CIC {self.bobs}")
        self.town.run(5)
        self.assertEqual(self.alice.peers.connected()[-1].link_in_use.security, "verified")

    def test_before_the_first_contact(self) -> None:
        self.said(f"/trust dave@CIC {OTHER}")
        self.town.node("dave@CIC", sealed=True)
        self.town.run(10)
        self.assertNotIn("dave@CIC", self.town.links(self.alice))

    def test_what_cannot_be_taken(self) -> None:
        for line, why in (
            ("/trust", "usage: /trust"),
            ("/trust bob@CIC", "usage: /trust"),
            ("/trust bob@CIC Y3YW", "a fingerprint is 16"),
            (f"/trust alice@CIC {OTHER}", "that is yourself"),
            (f"/trust bob@CIC {self.own}", "that is your own fingerprint"),
            (f"/trust nobody {OTHER}", "peer_id"),
        ):
            lines = self.said(line, ok=False)
            self.assertIn(why, lines[0], line)

    def test_a_name_that_had_to_be_escaped(self) -> None:
        self.trusting.trust("b[o]b@CIC", OTHER, typed=True)
        known = self.trusting.known
        self.assertEqual(meant(self.commands, known, "b\\x5bo\\x5db@CIC"), "b[o]b@CIC")
        self.assertIn(OTHER, self.said("/verify b\\x5bo\\x5db")[0])


class KeysTests(KeyCase):
    def test_who_is_known_and_how_well(self) -> None:
        self.assertRegex(
            self.said("/keys")[0],
            rf"^for now   \[bob@CIC\]  {self.bobs}  first seen 20\S+, last seen now$",
        )
        self.alice.send("bob@CIC", "oi")
        self.assertRegex(self.said("/keys")[0], "^known     ")
        self.said(f"/verify bob {self.bobs}")
        self.assertRegex(self.said("/keys")[0], "^verified  ")

    def test_what_was_refused(self) -> None:
        self.trusting.known.refused("bob@CIC", b"\xff" * 32, "10.0.0.9")
        self.assertIn(f"refused   [bob@CIC]  {OTHER}  just now, from 10.0.0.9", self.said("/keys"))
        self.assertIn(OTHER, self.said("/verify bob")[-1])

    def test_forgetting(self) -> None:
        lines = self.said("/keys forget bob")
        expected = "the key of [bob@CIC] is forgotten: the next who takes the name has it"
        self.assertEqual(lines, [expected])
        pin = self.trusting.known.pin_of("bob@CIC")
        self.assertTrue(pin is None or pin.hold is Hold.LIGHT, "it has come again meanwhile")
        self.trusting.known.refused("dave@CIC", b"\xff" * 32, "10.0.0.9")
        lines = self.said("/keys forget dave@CIC")
        self.assertEqual(lines, ["the keys that were refused under [dave@CIC] are forgotten"])
        lines = self.said("/keys forget dave@CIC", ok=False)
        self.assertEqual(lines, ["no key of [dave@CIC] is known"])
        self.assertIn("usage: /keys", self.said("/keys forget", ok=False)[0])

    def test_of_many_the_firmest_are_listed(self) -> None:
        known = KnownKeys(lambda: 1.8e9)
        for number in range(MOST + 5):
            known.trust(f"n{number}@CIC", OTHER, 0.0, typed=number == 7)
        lines = at_once(key_lines(known))
        self.assertEqual(len(lines), MOST + 1)
        self.assertIn("verified  [n7@CIC]", lines[0])
        self.assertEqual(lines[-1], "… 5 more")

    def test_nobody_yet(self) -> None:
        self.assertEqual(at_once(key_lines(KnownKeys(lambda: 0.0))), ["no keys are known yet"])


class TablesTests(KeyCase):
    def column(self, line: str) -> dict[str, str]:
        table = self.reply(line).table
        assert table is not None
        place = [*table.head].index("link")
        return {row[0]: row[place] for row in table.rows}

    def test_how_safe_the_links_are(self) -> None:
        expected = {"bob@CIC": "encrypted", "carol@CIC": "plain"}
        self.assertEqual(self.column("/peers"), expected)
        self.assertEqual(self.column("/conn"), expected)
        self.said(f"/verify bob {self.bobs}")
        self.assertEqual(self.column("/conn")["bob@CIC"], "verified")

    def test_who_is_refused(self) -> None:
        self.said(f"/trust bob {OTHER}")
        self.town.run(5)
        self.assertEqual(self.column("/peers")["bob@CIC"], "refused")

    def test_how_many_get_it_in_the_clear(self) -> None:
        self.assertEqual(self.said("/pub * oi"), ["published to 2 peers, 1 of them in the clear"])
        self.carol.stopService()
        self.town.run(5)
        self.assertEqual(self.said("/pub #CIC oi"), ["published to 1 peer"])


class FirstWordsTests(KeyCase):
    def test_the_first_ever_to_a_key(self) -> None:
        for _ in range(2):
            self.said("/msg bob@CIC oi")
            self.town.run(1)
        first = f"[bob@CIC] is encrypted. Its key {self.bobs} was seen for the first time"
        remarks = self.town.seen(self.alice).remarks
        self.assertEqual(len([text for text in remarks if first in text]), 1)
        self.assertEqual(self.notices(), [], "nothing to be alarmed of")

    def test_who_was_compared_before_is_no_news(self) -> None:
        self.said(f"/verify bob {self.bobs}")
        self.said("/msg bob@CIC oi")
        self.assertEqual(self.town.seen(self.alice).remarks, [])

    def test_the_first_of_a_run_in_the_clear(self) -> None:
        for _ in range(2):
            self.said("/msg carol@CIC oi")
            self.town.run(1)
        told = (
            "the program of [carol@CIC] cannot encrypt: what you say to it can be read on the way"
        )
        self.assertEqual(self.notices(), [told])
        self.carol.send("bob@CIC", "oi")
        self.town.run(1)
        self.assertEqual(self.notices(self.carol), [], "who encrypts nothing knows that")
