"""Somebody on the way between two nodes, at each step of a connection: who notices, and what."""

from __future__ import annotations

import re
from typing import Final

from p2pchat.mesh.identity.known_keys import Compared
from p2pchat.mesh.pairing.words import NotPairedError
from p2pchat.node.node import ChatNode
from p2pchat.testing.connector import FakeConnector
from p2pchat.testing.directory import StaticDirectory
from p2pchat.testing.events import Machine
from p2pchat.wire.outputs import Ending
from tests.support.histories import keeping
from tests.support.middle_man import LISTENS, Man, Meddler, Rule, TwoFaces
from tests.together.test_sealed_towns import TownTestCase

ALICE: Final = "10.0.0.1"
BOB: Final = "10.0.0.2"
MAN: Final = "10.66.0.1"
CHANGE_CIPHER_SPEC: Final = 0x14
"""The first byte of a record without meaning (RFC 8446, D.4): two of them are no harm."""
SECRET: Final = "for bob alone"


class MiddleTestCase(TownTestCase):
    """Whoever dials from alice's host to bob's comes to the man, while he is `there`."""

    def setUp(self) -> None:
        super().setUp()
        self.there = False
        target = FakeConnector._target

        def led(connector: FakeConnector) -> Machine | None:
            way = (connector.host.ip, connector.getDestination().host)
            if self.there and way == (ALICE, BOB):
                return self.town.network.host(MAN)
            return target(connector)

        self.patch(FakeConnector, "_target", led)

    def meet(self, *, friends: bool) -> tuple[ChatNode, ChatNode]:
        """Alice, who knows where bob is, and bob, who does not know where alice is.

        `friends` have each other's key settled before the man comes; then their links break.
        """
        self.there = not friends
        self.back = StaticDirectory()
        bob = self.keeper("bob", BOB, self.back)
        way = StaticDirectory([("bob@CIC", BOB, LISTENS)])
        alice = self.keeper("alice", ALICE, way)
        if friends:
            self.town.run_until_meshed()
            alice.send("bob@CIC", "hi")
            bob.send("alice@CIC", "hi yourself")
            self.town.run(2)
            self.come()
        return alice, bob

    def keeper(self, name: str, ip: str, directory: StaticDirectory) -> ChatNode:
        """A node that keeps what waits."""
        make, _ = keeping(self, self.town.network.host(ip))
        return self.sealed(name, ip=ip, directory=directory, make_history=make)

    def come(self) -> None:
        """The man is on the way, and what was open breaks."""
        self.there = True
        host = self.town.network.host
        self.town.network.break_links(host(ALICE), host(BOB))

    def keys(self, node: ChatNode) -> list[bytes | None]:
        return [link.key for link in node.mesh.links if link.peer_id]

    def gone(self, man: Man) -> None:
        man.close()
        self.there = False


class FirstContactTests(MiddleTestCase):
    def test_two_keys_at_the_first_contact(self) -> None:
        """It is TOFU's price; /verify finds it on both ends, and his absence tells both."""
        alice, bob = self.meet(friends=False)
        man = TwoFaces(self.town.network.host(MAN), BOB, b"1" * 32, b"2" * 32)
        self.town.run_until_meshed()
        alice.send("bob@CIC", SECRET)
        bob.send("alice@CIC", "and back")
        self.town.run(1)
        self.assertEqual(self.keys(alice), [man.keys[0].own])
        self.assertEqual(self.keys(bob), [man.keys[1].own])
        self.assertEqual((self.texts(bob), self.texts(alice)), ([SECRET], ["and back"]))
        self.assertIn(SECRET.encode(), man.read)
        assert alice.trusting is not None
        assert bob.trusting is not None
        for here, name, there in ((alice, "bob", bob), (bob, "alice", alice)):
            assert here.trusting is not None
            assert there.trusting is not None
            decision = here.trusting.verify(f"{name}@CIC", there.trusting.own_fingerprint)
            self.assertIs(decision.compared, Compared.DIFFERENT)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})
        before = len(self.notices(alice)), len(self.notices(bob))
        self.gone(man)
        self.back._add("alice", "CIC", ALICE, LISTENS)
        self.town.run(120)
        self.assertEqual((self.keys(alice), self.keys(bob)), ([], []))
        self.assertIn("another key", self.notices(alice)[before[0]])
        self.assertIn("another key", self.notices(bob)[before[1]])
        alice.send("bob@CIC", "not for who is there now")
        self.town.run(60)
        self.assertNotIn("not for who is there now", self.texts(bob))
        alice.trusting.trust("bob@CIC", bob.trusting.own_fingerprint, typed=True)
        bob.trusting.trust("alice@CIC", alice.trusting.own_fingerprint, typed=True)
        self.town.run(120)
        self.assertEqual(self.securities(alice), {"bob@CIC": "verified"})

    def test_a_code_finds_him_on_both_ends_and_is_dead(self) -> None:
        """He has two keys, and carries what both say; he cannot say what would be right."""
        alice, bob = self.meet(friends=False)
        TwoFaces(self.town.network.host(MAN), BOB, b"1" * 32, b"2" * 32)
        self.town.run_until_meshed()
        assert alice.pairings is not None
        assert bob.pairings is not None
        code = alice.pairings.give("bob@CIC").digits
        for sentence in ("NOT PAIRED with [alice@CIC]", "failed with [alice@CIC] before"):
            with self.assertRaisesRegex(NotPairedError, re.escape(sentence)):
                taken = bob.pairings.take("alice@CIC", code)
                self.town.run(1)
                self.failureResultOf(taken).raiseException()
        (notice,) = (it for it in self.notices(alice) if "NOT PAIRED" in it)
        self.assertIn("somebody may be in between", notice)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})
        again = bob.pairings.take("alice@CIC", f"{(int(code) + 1) % 10**6:06}")
        self.town.run(1)
        self.assertIn("used up", str(self.failureResultOf(again).value))

    def test_one_who_only_carries_reads_two_hellos(self) -> None:
        alice, bob = self.meet(friends=False)
        seen: list[bytes] = []

        def listen(_up: bool, _number: int, record: bytes) -> bytes:
            seen.append(record)
            return record

        Meddler(self.town.network.host(MAN), BOB, listen)
        self.town.run_until_meshed()
        alice.send("bob@CIC", SECRET)
        self.town.run(1)
        self.assertEqual(self.texts(bob), [SECRET])
        lines = [it for it in seen if it[:1] == b"{"]
        self.assertEqual(len(lines), 2)
        self.assertNotIn(SECRET.encode(), b"".join(seen))

    def test_one_who_strips_the_question(self) -> None:
        """Before anybody is known it is in the clear, and said so; after that it is refused."""
        alice, bob = self.meet(friends=False)

        def strip(_up: bool, _number: int, record: bytes) -> bytes:
            return record.replace(b'"tls":1', b'"ttl":1').replace(b'"tls":2', b'"ttl":1')

        man = Meddler(self.town.network.host(MAN), BOB, strip)
        self.town.run_until_meshed()
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "plain"})
        self.gone(man)
        self.town.run(120)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        alice.send("bob@CIC", "hi")
        self.town.run(1)
        self.come()
        again = Meddler(self.town.network.host(MAN), BOB, strip)
        self.wire.clear()
        self.town.run(60)
        self.assertNotIn("plain", self.securities(alice).values())
        self.assertNotIn(b"HELLO", self.wire.all)
        again.close()


class KnownTests(MiddleTestCase):
    def test_he_answers_the_hello_himself(self) -> None:
        """Alice notices at the pin, and shows nothing of herself."""
        alice, bob = self.meet(friends=True)
        man = TwoFaces(self.town.network.host(MAN), BOB, b"1" * 32, b"2" * 32)
        self.town.run(60)
        alice.send("bob@CIC", SECRET)
        self.town.run(60)
        self.assertEqual((self.keys(alice), self.keys(bob)), ([], []))
        self.assertEqual(man.read, b"")
        self.assertEqual({seal.key for side, seal in man.seals.items() if side.up}, {b""})
        self.assertGreater(alice.mesh.link_log.endings[Ending.REFUSED], 0)
        self.assertEqual(len([it for it in self.notices(alice) if "another key" in it]), 1)
        self.gone(man)
        self.town.run(120)
        self.assertEqual(self.texts(bob), ["hi", SECRET])

    def at_each_record(self, up: bool, change: Rule, most: int = 9) -> None:
        """Change one record of one direction in each connection; then let the man be gone."""
        for number in range(most):
            with self.subTest(number=number):
                self.tearDown()
                self.setUp()
                alice, bob = self.meet(friends=True)
                hit: list[bytes] = []

                man = Meddler(self.town.network.host(MAN), BOB, _only(up, number, change, hit))
                self.wire.clear()
                for text in range(4):
                    alice.send("bob@CIC", f"{SECRET} {text}")
                    bob.send("alice@CIC", f"back {text}")
                    self.town.run(2)
                self.assertTrue(hit)
                self.gone(man)
                self.town.run(20)
                self.town.run_until_meshed(120)
                self.assertEqual(self.texts(bob), ["hi", *(f"{SECRET} {it}" for it in range(4))])
                self.assertEqual(
                    sorted(self.texts(alice)), [*(f"back {it}" for it in range(4)), "hi yourself"]
                )
                self.assertEqual(self.keys(alice), [bob.trusting.own_key if bob.trusting else b""])
                self.assertNotIn(b"alice", self.wire.all)
                self.assertNotIn(SECRET.encode(), self.wire.all)
                noticed = alice.mesh.link_log.remarks["tls"] + bob.mesh.link_log.remarks["tls"]
                if hit[0][0] != CHANGE_CIPHER_SPEC:
                    self.assertGreater(noticed, 0)

    def test_one_bit_of_each_record_to_bob(self) -> None:
        self.at_each_record(True, _flip)

    def test_one_bit_of_each_record_to_alice(self) -> None:
        self.at_each_record(False, _flip)

    def test_a_line_after_each_record(self) -> None:
        line = b'{"type":"SEND","msg_id":"1","src":"x@CIC","dst":"y@CIC","payload":"z"}\n'
        self.at_each_record(True, lambda _up, _number, record: record + line)

    def test_each_record_twice(self) -> None:
        self.at_each_record(False, lambda _up, _number, record: record + record)


def _only(up: bool, number: int, change: Rule, hit: list[bytes]) -> Rule:
    """Change this record of each connection, and no other one; `hit` gets what it was."""

    def rule(towards: bool, at: int, record: bytes) -> bytes:
        if towards is not up or at != number:
            return record
        hit.append(record)
        return change(towards, at, record)

    return rule


def _flip(_up: bool, _number: int, record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])
