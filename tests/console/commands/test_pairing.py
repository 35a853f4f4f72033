"""/pair: what two people type and read, and everything that may come in between."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Any, Final
from unittest.mock import patch

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from p2pchat.mesh.pairing.codes import VALID
from p2pchat.mesh.pairing.exchange import NOT_INSTALLED
from p2pchat.mesh.pairing.pairing import STEP_WITHIN
from p2pchat.node.node import ChatNode
from p2pchat.node.trusting import Trusting
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import PAIR, Pair
from tests.console.commands.test_security import NO_KEY, VOICE, KeyCase
from tests.support.typed_commands import CommandCase

OF_A_MAN: Final = "somebody may be in between"


class WithoutKeysTests(CommandCase):
    def test_it_says_so(self) -> None:
        for line in ("/pair", "/pair bob", "/pair bob 384729"):
            reply = self.reply(line)
            self.assertEqual(([*reply.lines], reply.ok), ([NO_KEY], False), line)


class PairCase(KeyCase):
    """Alice shows codes, and bob types them."""

    def setUp(self) -> None:
        super().setUp()
        self.bobs_commands = Commands(self.bob, self.town.network.clock)

    def code(self, peer: str = "bob") -> str:
        match = re.search(r": (\d{6}), until", self.said(f"/pair {peer}")[0])
        assert match is not None
        return match[1]

    def asks(self, line: str) -> list[Reply]:
        """Have bob type this; the reply is in the list when it comes."""
        answer, replies = self.bobs_commands.run(line), list[Reply]()
        if isinstance(answer, Deferred):
            answer.addCallback(replies.append)
        else:
            replies.append(answer)
        return replies

    def types(self, line: str, *, ok: bool, seconds: float = 1) -> str:
        replies = self.asks(line)
        self.town.run(seconds)
        (reply,) = replies
        self.assertEqual(reply.ok, ok, reply.lines)
        (sentence,) = reply.lines
        return sentence

    def other_than(self, code: str) -> str:
        return f"{(int(code) + 1) % 10**6:06}"

    def news(self, node: ChatNode | None = None) -> list[str]:
        return [it for it in self.notices(node) if "paired" in it.lower()]

    def trusted(self, node: ChatNode) -> Trusting:
        assert node.trusting is not None
        return node.trusting

    def how(self, node: ChatNode, peer_id: str) -> tuple[bool, bool]:
        pin = self.trusted(node).known.pin_of(peer_id)
        assert pin is not None
        return pin.verified is not None, pin.by_code

    def assertNobodyIsVerified(self) -> None:
        self.assertEqual(self.how(self.alice, "bob@CIC"), (False, False))
        self.assertEqual(self.how(self.bob, "alice@CIC"), (False, False))


class PairedTests(PairCase):
    def test_what_both_read(self) -> None:
        first, second, third = self.said("/pair bob")
        match = re.fullmatch(
            r"the code for \[bob@CIC\]: (\d{6}), until (\d\d:\d\d), for one try", first
        )
        assert match is not None
        until = time.localtime(self.alice.wall() + VALID)
        self.assertEqual(match[2], time.strftime("%H:%M", until))
        line = f"/pair alice@CIC {match[1]}"
        self.assertEqual(second, f"tell it to bob@CIC {VOICE}. bob@CIC types:")
        self.assertEqual(third, line)
        self.assertEqual(
            self.types(line, ok=True), f"paired: [alice@CIC] is verified, its key is {self.own}"
        )
        self.assertEqual(self.news(), [f"paired: [bob@CIC] is verified, its key is {self.bobs}"])
        self.assertEqual(self.how(self.alice, "bob@CIC"), (True, True))
        self.assertEqual(self.how(self.bob, "alice@CIC"), (True, True))
        self.assertRegex(self.said("/verify bob")[0], r"verified \d{4}-\d\d-\d\d by a code$")
        self.assertEqual(
            {link.security for link in self.alice.mesh.links if link.key}, {"verified"}
        )

    def test_in_other_spellings(self) -> None:
        for spelt in ("{}{} ", "{} {}", "{}-{}"):
            code = self.code()
            self.types(f"/pair alice {spelt.format(code[:3], code[3:])}", ok=True)

    def test_both_at_once(self) -> None:
        of_alice = self.code()
        (reply,) = self.asks("/pair alice")
        of_bob = re.findall(r"\d{6}", reply.lines[0])[0]
        at_bob, at_alice = self.asks(f"/pair alice {of_alice}"), list[Reply]()
        answer = self.commands.run(f"/pair bob {of_bob}")
        assert isinstance(answer, Deferred)
        answer.addCallback(at_alice.append)
        self.town.run(1)
        self.assertTrue(at_bob[0].ok and at_alice[0].ok)
        self.assertEqual((len(self.news()), len(self.news(self.bob))), (1, 1))

    def test_the_code_is_not_in_what_the_log_or_the_other_end_is_told(self) -> None:
        said: list[bytes] = []
        (link,) = (it for it in self.bob.mesh.links if it.key is not None)
        send = link.send

        def noting(line: bytes) -> bool:
            said.append(line)
            return send(line)

        self.patch(link, "send", noting)
        code = self.code()
        self.types(f"/pair alice {code}", ok=True)
        self.assertEqual(len(said), 2)
        self.assertNotIn(code.encode(), b"".join(said))


class FailedTests(PairCase):
    def test_a_wrong_code(self) -> None:
        code = self.code()
        wrong = self.other_than(code)
        sentence = self.types(f"/pair alice {wrong}", ok=False)
        self.assertTrue(sentence.startswith("NOT PAIRED with [alice@CIC]: "), sentence)
        self.assertIn(OF_A_MAN, sentence)
        (notice,) = self.news()
        self.assertTrue(notice.startswith("NOT PAIRED with [bob@CIC]: "), notice)
        self.assertIn(OF_A_MAN, notice)
        self.assertTrue(notice.endswith("For another one: /pair bob@CIC"))
        self.assertIn(
            "failed with [alice@CIC] before", self.types(f"/pair alice {wrong}", ok=False)
        )
        self.assertIn("used up", self.types(f"/pair alice {code}", ok=False))
        self.assertNobodyIsVerified()

    def test_a_used_one(self) -> None:
        code = self.code()
        self.types(f"/pair alice {code}", ok=True)
        self.assertIn("is used up", self.types(f"/pair alice {code}", ok=False))

    def test_a_late_one(self) -> None:
        code = self.code()
        self.town.run(VALID)
        sentence = self.types(f"/pair alice {code}", ok=False)
        self.assertIn("more than 10 minutes old", sentence)
        self.assertNobodyIsVerified()

    def test_one_for_somebody_else(self) -> None:
        dave = self.town.node("dave@CIC", sealed=True)
        self.town.run_until_meshed()
        code = self.code("dave")
        self.assertIn("no code for you", self.types(f"/pair alice {code}", ok=False))
        self.assertNobodyIsVerified()
        answer = Commands(dave, self.town.network.clock).run(f"/pair alice {code}")
        assert isinstance(answer, Deferred)
        self.town.run(1)
        self.assertTrue(self.successResultOf(answer).ok, "and it is still good for dave")

    def test_more_than_three(self) -> None:
        for _ in range(3):
            self.types(f"/pair alice {self.other_than(self.code())}", ok=False)
        self.assertRegex(
            self.said("/pair bob", ok=False)[0], "three codes .* another one in 60 min"
        )

    def test_what_the_person_decides_meanwhile_holds(self) -> None:
        code = self.code()
        known = self.trusted(self.bob).known
        heard = self.bob.pairings.heard if self.bob.pairings else None
        assert heard is not None

        def forgets(*args: Any) -> None:
            known.forget("alice@CIC", 0.0)
            heard(*args)

        with patch.object(self.bob.pairings, "heard", forgets):
            sentence = self.types(f"/pair alice {code}", ok=False)
        self.assertEqual(sentence, "not paired: the known key of [alice@CIC] has changed meanwhile")


class StoppedTests(PairCase):
    def test_the_giver_says_nothing(self) -> None:
        code = self.code()
        with patch.object(self.alice.pairings, "heard", lambda *_: None):
            sentence = self.types(f"/pair alice {code}", ok=False, seconds=STEP_WITHIN + 1)
        self.assertEqual(
            sentence,
            "not paired: [alice@CIC] did not answer in time. Ask alice@CIC for another code",
        )
        self.assertNobodyIsVerified()

    def test_the_taker_says_no_more(self) -> None:
        code = self.code()
        with patch.object(self.bob.pairings, "heard", lambda *_: None):
            self.asks(f"/pair alice {code}")
            self.town.run(STEP_WITHIN + 1)
        (notice,) = self.news()
        self.assertIn("[bob@CIC] began, and did not finish. The code is used up", notice)
        self.assertNobodyIsVerified()

    def test_the_link_ends(self) -> None:
        code = self.code()
        with patch.object(self.alice.pairings, "heard", lambda *_: None):
            replies = self.asks(f"/pair alice {code}")
            self.town.run(0.5)
            for link in self.bob.mesh.links:
                link.give_up("over")
            self.town.run(0.5)
        self.assertIn("the link with [alice@CIC] ended", replies[0].lines[0])
        self.town.run(5)
        self.types(f"/pair alice {code}", ok=True, seconds=2)

    def test_the_queue_is_full(self) -> None:
        code = self.code()
        for link in self.bob.mesh.links:
            self.patch(link, "send", lambda _: False)
        self.assertIn("ended", self.types(f"/pair alice {code}", ok=False))

    def test_a_second_code_while_one_is_looked_at(self) -> None:
        with patch.object(self.alice.pairings, "heard", lambda *_: None):
            self.asks("/pair alice 123456")
            self.assertIn("under way", self.types("/pair alice 123457", ok=False))
            self.town.run(STEP_WITHIN + 1)


class CannotTests(PairCase):
    def test_nobody_is_there(self) -> None:
        for line in ("/pair dave", "/pair dave@CIC 384729"):
            (sentence,) = self.said(line, ok=False)
            self.assertIn("is not connected: a code works over a link alone", sentence)

    def test_in_the_clear(self) -> None:
        for line in ("/pair carol", "/pair carol 384729"):
            (sentence,) = self.said(line, ok=False)
            self.assertEqual(
                sentence, "[carol@CIC] is in the clear, and has no key that a code could verify"
            )

    def test_an_older_one(self) -> None:
        self.town.node("old@CIC", sealed=True, make=Older)
        self.town.run_until_meshed()
        for line in ("/pair old", "/pair old 384729"):
            (sentence,) = self.said(line, ok=False)
            self.assertIn("uses an older p2pchat, which knows no codes: /verify old@CIC", sentence)

    def test_another_make(self) -> None:
        for link in self.alice.mesh.links:
            if link.key is not None:
                self.patch(link, "is_p2pchat", False)
                self.patch(link.session, "shared", frozenset())  # type: ignore[attr-defined]
        self.assertIn("uses another program", self.said("/pair bob", ok=False)[0])

    def test_ourselves(self) -> None:
        self.assertEqual(self.said("/pair alice@CIC", ok=False), ["that is yourself"])

    def test_no_spake2(self) -> None:
        with patch.dict(sys.modules, {"spake2": None}):
            for line in ("/pair bob", "/pair bob 384729"):
                self.assertEqual(self.said(line, ok=False), [str(NOT_INSTALLED)])

    def test_misuse(self) -> None:
        usage = "usage: /pair <peer> [code]"
        self.assertEqual(self.said("/pair", ok=False), [usage])
        for typed in ("12345", "1234567", "12 34 56"):
            lines = self.said(f"/pair bob {typed}", ok=False)
            self.assertEqual(lines, [f"{usage} (a code has six digits)"])
        self.assertIn("not connected", self.said("/pair bob ٣٨٤٧٢٩", ok=False)[0])


class Older(ChatNode):
    """A node that encrypts, and knows no codes."""

    def _settle(self, me: Identity) -> None:
        features = tuple(each for each in me.features if each != PAIR)
        super()._settle(replace(me, features=features))


class LinkTests(PairCase):
    def test_in_the_clear_it_says_nothing(self) -> None:
        code = self.code()
        peer = self.alice.peers.get("carol@CIC")
        assert peer is not None
        assert self.alice.pairings is not None
        with patch.object(peer.links[0], "send") as send:
            self.alice.pairings.heard(peer, peer.links[0], Pair("x", 1))
            send.assert_not_called()
        self.types(f"/pair alice {code}", ok=True)

    def test_a_stranger_has_nothing_computed(self) -> None:
        self.town.node("mallory@CIC", sealed=True)
        self.town.run_until_meshed()
        code = self.code()
        peer = self.alice.peers.get("mallory@CIC")
        assert peer is not None
        assert self.alice.pairings is not None
        with patch("p2pchat.mesh.pairing.exchange.Exchange.proofs") as computes:
            for count in range(1000):
                for step in range(4):
                    line = Pair(f"x{count}", step, "Q" * 44, "A" * 43)
                    self.alice.pairings.heard(peer, peer.links[0], line)
            computes.assert_not_called()
        self.types(f"/pair alice {code}", ok=True)

    def test_odd_lines_in_tls(self) -> None:
        """Whoever has the key of a link, and a code that is open for it: nothing breaks."""
        odd: list[Any] = [
            None,
            True,
            -1,
            10**30,
            0.5,
            "",
            "x",
            "\ud800",
            "A" * 44,
            [],
            {},
            "Q" * 9999,
        ]
        self.town.run(3)
        (link,) = (it for it in self.bob.mesh.links if it.key is not None)
        self.code()
        for value in odd:
            for field in ("msg_id", "step", "pake", "proof", "reason"):
                for step in range(4):
                    line = {"type": "PAIR", "msg_id": "r1", "step": step, field: value}
                    self.assertTrue(link.send(json.dumps(line).encode() + b"\n"))
            self.town.run(0.1)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(self.town.links(self.alice)["bob@CIC"], 1)
        self.assertNobodyIsVerified()
        self.types(f"/pair alice {self.code()}", ok=True)

    def test_it_is_told_when_it_is_on_the_disk(self) -> None:
        """Both ends; see `Decision.synced`."""
        waiting: list[Deferred[str]] = []
        for node in (self.alice, self.bob):
            known = self.trusted(node).known
            paired = known.paired

            def holding(*args: Any, paired: Any = paired) -> Any:
                decision, synced = paired(*args), Deferred[str]()
                waiting.append(synced)
                return type(decision)(decision.compared, synced)

            self.patch(known, "paired", holding)
        code = self.code()
        replies = self.asks(f"/pair alice {code}")
        self.town.run(1)
        self.assertEqual((replies, self.news(), len(waiting)), ([], [], 2))
        for synced in waiting:
            synced.callback("it is not on the disk: No space left on device")
        self.assertEqual(len(replies[0].lines), 2)
        self.assertIn("No space", replies[0].lines[1])
        self.assertEqual(len(self.news()), 1)
        self.assertIn("it is not on the disk: No space left on device", self.notices())
