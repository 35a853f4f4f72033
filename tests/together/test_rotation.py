"""Nodes of which one has another key from some day on, and those who know it, or do not."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.next_key import STAYS, NextKey
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.statement import Statement, as_message
from p2pchat.mesh.identity.succession import LOOK_EVERY, SURE, TELL_FIRST, Succession
from p2pchat.mesh.pairing.words import NotPairedError
from p2pchat.node.node import ChatNode
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown, fake_keys
from p2pchat.wire.codec import encode
from tests.support.rotations import FakeNextKey, keys_of, own_key, statement

BOB, NEXT, OTHER = (keys_of(owner).own for owner in ("bob@CIC", "bob, later", "a thief"))
DAY = 86_400.0


class RotationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(23)
        self.addCleanup(self.town.close)
        self.disk = FakeDisk(Random(24))
        self.ahead = 0.0
        """Seconds by which all wall clocks are ahead."""
        self.file = FakeNextKey()
        self.alice = self.node("alice@CIC", "10.0.1.1", disk=self.disk)
        self.bob = self.node("bob@CIC", "10.0.1.2", file=self.file)
        self.town.run_until_meshed()

    def node(
        self,
        peer_id: str,
        ip: str,
        *,
        owner: str = "",
        file: FakeNextKey | None = None,
        disk: FakeDisk | None = None,
    ) -> ChatNode:
        host = self.town.network.host(ip)

        def wall() -> float:
            return host.wall() + self.ahead

        def keys(peer_id: str) -> OwnKeys:
            own = fake_keys(peer_id, owner=owner, wall=wall, disk=disk, host=host)
            if file is None:
                return own
            succession = Succession(file, own.keys.own, wall, lambda _: None)
            return own._replace(succession=succession)

        options: dict[str, Any] = {} if disk is None else {"disk": disk}
        return self.town.node(peer_id, ip=ip, sealed=True, make_keys=keys, **options)

    def pin(self) -> Pin:
        assert self.alice.trusting is not None
        pin = self.alice.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        return pin

    def write(self, text: str = "oi") -> None:
        self.alice.send("bob@CIC", text)
        self.town.run(3)

    def rotate(self, **options: Any) -> None:
        self.file.put("bob@CIC", "bob, later", self.bob.wall() + self.ahead, **options)
        self.town.run(LOOK_EVERY + 1)

    def cut(self) -> None:
        hosts = [self.town.host_of(node) for node in (self.alice, self.bob)]
        self.town.network.break_links(*hosts)
        self.town.run(10)

    def says(self, stated: Statement, node: ChatNode | None = None) -> None:
        """Have a node say this, whatever it is, to all of its links."""
        for link in (node or self.bob).mesh.links:
            link.send(encode(as_message(stated, "x")))
        self.town.run(1)

    @property
    def notices(self) -> list[str]:
        return self.town.seen(self.alice).notices

    # ------------------------------------------------------------ as it should be

    def test_from_the_first_word_to_the_other_key(self) -> None:
        self.write()
        assert self.alice.trusting is not None
        self.alice.trusting.verify("bob@CIC", fingerprint(BOB))
        self.rotate()
        (link,) = self.alice.mesh.links
        self.assertEqual((self.pin().key, self.pin().follows(NEXT)), (BOB, True))
        self.assertEqual(link.security, "verified")
        self.assertIn("another key will follow yours", self.town.seen(self.bob).notices[-1])

        self.ahead = 31 * DAY
        self.town.run(SURE + 2)
        self.assertEqual(own_key(self.bob), NEXT)
        self.assertEqual(self.alice.mesh.links, [link])  # it is not ended for that
        self.assertEqual(self.pin().key, BOB)

        self.cut()
        self.town.run_until_meshed()
        self.town.run(1)
        (link,) = self.alice.mesh.links
        self.assertEqual((self.pin().key, link.key, link.security), (NEXT, NEXT, "encrypted"))
        (line,) = [one for one in self.notices if "has changed its key as announced on" in one]
        self.assertIn(fingerprint(NEXT), line)
        self.write("with the other key")
        self.assertIn("with the other key", self.town.seen(self.bob).texts)

    def test_both_are_known_after_a_restart_and_the_one_before_is_refused(self) -> None:
        self.write()
        self.rotate()
        self.town.run(2)
        self.town.kill(self.alice)
        self.alice = self.node("alice@CIC", "10.0.1.1", disk=self.disk)
        self.assertTrue(self.pin().follows(NEXT))
        self.town.run_until_meshed()
        self.ahead = 31 * DAY
        self.town.run(SURE + 2)
        self.cut()
        self.town.run_until_meshed()
        self.town.run(2)
        for _ in range(2):
            self.town.kill(self.alice)
            self.alice = self.node("alice@CIC", "10.0.1.1", disk=self.disk)
            self.assertEqual((self.pin().key, self.pin().was(BOB)), (NEXT, True))
            self.town.run_until_meshed()
        self.town.kill(self.bob)
        self.bob = self.node("bob@CIC", "10.0.1.2")
        self.town.run(20)
        self.assertEqual(self.alice.mesh.links, [])
        (line,) = [one for one in self.notices if "former key" in one]
        self.assertIn(fingerprint(BOB), line)
        assert self.alice.trusting is not None
        self.assertEqual(self.alice.trusting.known.completions("bob@CIC"), [])

    def test_codes_on_the_link_before_and_on_the_one_that_follows(self) -> None:
        """What both ends compare is the key of the link, which may be older than ours."""
        self.write()
        self.rotate()
        self.ahead = 31 * DAY
        self.town.run(SURE + 2)
        self.assertEqual(own_key(self.bob), NEXT)
        self.pair(self.bob, self.alice)
        self.pair(self.alice, self.bob)
        assert self.bob.pairings is not None
        shown = self.bob.pairings.give("alice@CIC").digits
        self.cut()
        self.town.run_until_meshed()
        self.town.run(2)
        self.assertEqual(self.pin().key, NEXT)
        assert self.alice.pairings is not None
        taken = self.alice.pairings.take("bob@CIC", shown)
        self.town.run(2)
        why = self.failureResultOf(taken, NotPairedError).getErrorMessage()
        self.assertIn("has shown no code for you", why)  # and no word of somebody in between
        self.pair(self.bob, self.alice)
        self.pair(self.alice, self.bob)
        self.assertTrue(self.pin().by_code)

    def pair(self, gives: ChatNode, takes: ChatNode) -> None:
        assert gives.pairings is not None
        assert takes.pairings is not None
        given = gives.pairings.give(takes.me.peer_id)
        taken = takes.pairings.take(gives.me.peer_id, given.digits)
        self.town.run(2)
        self.assertEqual(self.successResultOf(taken), "")
        (line, *_) = reversed(self.town.seen(gives).notices)
        self.assertIn("paired: ", line)

    def test_at_once_those_who_are_here_are_told_first(self) -> None:
        self.write()
        self.rotate(at_once=True)
        self.town.run(TELL_FIRST + 2)
        self.assertEqual((own_key(self.bob), self.pin().follows(NEXT)), (NEXT, True))

    def test_of_one_that_was_moved_away_nobody_new_hears(self) -> None:
        self.write()
        self.rotate()
        self.file.found = None
        self.town.run(LOOK_EVERY + 1)
        carol = self.node("carol@CIC", "10.0.1.3")
        self.town.run_until_meshed()
        carol.send("bob@CIC", "oi")
        self.town.run(3)
        assert carol.trusting is not None
        pin = carol.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        self.assertIsNone(pin.change)

    def test_away_for_months(self) -> None:
        """Who was not there for so long has to `/trust`."""
        self.write()
        self.town.leave(self.alice)
        self.rotate()
        self.ahead = 90 * DAY
        self.town.run(SURE + 2)
        self.alice = self.node("alice@CIC", "10.0.1.1", disk=self.disk)
        self.town.run(20)
        self.assertEqual(self.alice.mesh.links, [])
        (line,) = [one for one in self.notices if "came with another key" in one]
        self.assertNotIn("former", line)
        assert self.alice.trusting is not None
        self.alice.trusting.trust("bob@CIC", fingerprint(NEXT), typed=True)
        self.town.run_until_meshed()
        (link,) = self.alice.mesh.links
        self.assertEqual(link.security, "verified")

    # ------------------------------------------------------------ thieves

    def test_two_keys_that_claim_to_follow_are_a_theft(self) -> None:
        self.write()
        self.rotate()
        thief = self.node("bob@CIC", "10.0.6.6", owner="bob@CIC")
        self.town.network.run_until(lambda: len(self.alice.mesh.links) > 1, 60)
        self.town.run(1)
        self.says(statement("bob@CIC", "a thief", 1), thief)
        (line,) = [one for one in self.notices if "two keys claim to follow" in one]
        for key in (NEXT, OTHER):
            self.assertIn(f"/trust bob@CIC {fingerprint(key)}", line)
            self.assertFalse(self.pin().follows(key))
        self.says(statement("bob@CIC", "bob, later", 5), thief)
        self.assertFalse(self.pin().follows(NEXT))
        self.town.kill(thief)
        self.town.kill(self.alice)
        self.alice = self.node("alice@CIC", "10.0.1.1", disk=self.disk)
        self.assertFalse(self.pin().follows(NEXT))
        assert self.alice.trusting is not None
        self.alice.trusting.trust("bob@CIC", fingerprint(NEXT), typed=True)
        self.assertEqual((self.pin().key, self.pin().was(BOB)), (NEXT, True))
        self.file.put("bob@CIC", "bob, later", 0, at_once=True)
        self.town.run(LOOK_EVERY + TELL_FIRST + 60)
        self.assertEqual([link.key for link in self.alice.mesh.links], [NEXT])

    def test_a_statement_that_is_replayed_after_trust_moves_nothing(self) -> None:
        self.write()
        self.says(statement("bob@CIC", "bob, later", 7))
        self.assertTrue(self.pin().follows(NEXT))
        assert self.alice.trusting is not None
        self.alice.trusting.trust("bob@CIC", fingerprint(OTHER), typed=True)
        self.alice.trusting.trust("bob@CIC", fingerprint(BOB), typed=True)
        self.town.run(10)
        self.town.run_until_meshed()
        self.says(statement("bob@CIC", "bob, later", 7))
        self.assertFalse(self.pin().follows(NEXT))
        self.says(statement("bob@CIC", "bob, later", 8))
        self.assertTrue(self.pin().follows(NEXT))

    def test_nothing_comes_of_a_statement_in_the_name_of_somebody_else(self) -> None:
        self.write()
        good = statement("bob@CIC", "bob, later")
        for stated in (
            statement("bob@CIC", "bob, later", peer_id="carol@CIC"),
            statement("a thief", "bob, later"),
            Statement(good.old, good.new, good.count, good.by_new, good.by_old),
            Statement(good.old, good.new, good.count + 1, good.by_old, good.by_new),
            Statement(good.old, bytes(32), good.count, good.by_old, good.by_new),
        ):
            self.cut()  # there is a limit to what is looked at on one link
            self.town.run_until_meshed()
            self.says(stated)
            self.assertEqual((self.pin().key, self.pin().change), (BOB, None), stated)

    def test_a_flood_of_them_is_not_looked_at(self) -> None:
        self.write()
        claims, looked = self.alice.mesh.claims, []
        assert claims is not None
        heard = claims.vouching.announced

        def announced(*arguments: Any) -> None:
            looked.append(arguments)
            heard(*arguments)

        self.patch(claims.vouching, "announced", announced)
        good = statement("bob@CIC", "bob, later")
        for number in range(1000):
            bad = Statement(good.old, good.new, number + 1, good.by_new, good.by_old)
            self.bob.mesh.links[0].send(encode(as_message(bad, "x")))
        self.town.run(2)
        self.assertEqual(len(looked), 4)

    # ------------------------------------------------------------ clocks

    def test_a_clock_that_jumps_for_a_moment_changes_nothing(self) -> None:
        self.write()
        self.rotate()
        for _ in range(10):
            self.ahead = 400 * DAY
            self.town.run(SURE / 2)
            self.ahead = -400 * DAY
            self.town.run(SURE / 2)
        self.assertEqual(own_key(self.bob), BOB)

    def test_two_who_change_their_keys_in_the_same_moment(self) -> None:
        self.write()
        file = FakeNextKey()
        self.town.leave(self.alice)
        self.alice = self.node("alice@CIC", "10.0.1.1", file=file)
        self.town.run_until_meshed()
        self.write()
        wall = self.alice.wall()
        self.file.put("bob@CIC", "bob, later", wall)
        made = statement("alice@CIC", "alice, later", 3, "alice@CIC")
        file.found, file.keys = NextKey(made, wall, wall + STAYS), keys_of("alice, later")
        self.town.run(LOOK_EVERY + 1)
        self.ahead = 31 * DAY
        self.town.run(SURE + 2)
        self.cut()
        self.town.run_until_meshed()
        keys = {node.me.peer_id: [link.key for link in node.mesh.links] for node in self.town.nodes}
        self.assertEqual(keys["alice@CIC"], [NEXT])
        self.assertEqual(keys["bob@CIC"], [keys_of("alice, later").own])
