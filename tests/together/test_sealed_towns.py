"""Nodes that encrypt, in one fake network with those that do not, with impostors and listeners.

What is done to the bytes of one link is in `tests/mesh/test_sealed_link`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import Compared
from p2pchat.mesh.identity.pin import Hold
from p2pchat.mesh.identity.trust import AlertKind
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import LimitSettings, PeerSettings, SecuritySettings, Settings
from p2pchat.testing.nodes import FakeTown, fake_keys
from p2pchat.testing.transport import FakeTransport
from p2pchat.wire.outputs import Ending, Finish

UNLIMITED: Final = LimitSettings(peer_rate=0)
REQUIRE: Final = Settings(limits=UNLIMITED, security=SecuritySettings(policy="require"))
OFF: Final = Settings(limits=UNLIMITED, security=SecuritySettings(policy="off"))
LISTENS: Final = 4000


class Wire:
    """All bytes that arrive anywhere in a town."""

    def __init__(self, town: FakeTown) -> None:
        self.chunks: list[tuple[str, str, bytes]] = []
        """(from, to, bytes)"""
        town.network.tap = self._tap

    def _tap(self, end: FakeTransport, data: bytes) -> None:
        self.chunks.append((end.other.host.ip, end.host.ip, data))

    def clear(self) -> None:
        self.chunks.clear()

    def to(self, ip: str) -> bytes:
        return b"".join(data for _, there, data in self.chunks if there == ip)

    @property
    def all(self) -> bytes:
        return b"".join(data for _, _, data in self.chunks)


class Stranger(Protocol):
    """A program of ours alone that says what a test has it say, and remembers what it hears."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class Says(Stranger):
    """A listener that answers HELLO by a fixed line, and says no more."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line = line

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if data.startswith(b"{"):
            self.transport.write(self.line)


class Listening(ServerFactory):
    """Strangers that listen; all that came."""

    noisy = False

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.all: list[Says] = []

    def buildProtocol(self, _addr: object) -> Says:
        self.all.append(Says(self.line))
        return self.all[-1]


class Dialing(ClientFactory[Stranger]):
    """Strangers that dial."""

    noisy = False

    def __init__(self) -> None:
        self.all: list[Stranger] = []

    def buildProtocol(self, _addr: object) -> Stranger:
        self.all.append(Stranger())
        return self.all[-1]


class TownTestCase(SynchronousTestCase):
    seed = 1

    def setUp(self) -> None:
        self.town = FakeTown(self.seed)
        self.wire = Wire(self.town)

    def tearDown(self) -> None:
        self.town.close()

    def node(self, name: str, **options: Any) -> ChatNode:
        return self.town.node(f"{name}@CIC", **options)

    def sealed(self, name: str, *, owner: str = "", **options: Any) -> ChatNode:
        ip = options.pop("ip", "")
        town = self.town
        return town.node(
            f"{name}@CIC",
            ip=ip,
            make_keys=lambda peer_id: fake_keys(
                peer_id, owner=owner, wall=town.network.host(ip or "10.0.0.1").wall
            ),
            **options,
        )

    def pair(self) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.sealed("alice"), self.sealed("bob")
        self.town.run_until_meshed()
        return alice, bob

    def friends(self) -> tuple[ChatNode, ChatNode]:
        """Two who have written to each other, and whose last connections are over."""
        alice, bob = self.pair()
        alice.send("bob@CIC", "hi")
        bob.send("alice@CIC", "hi yourself")
        self.town.run(2)
        return alice, bob

    def stranger(self, ip: str, to: ChatNode) -> Stranger:
        """A connection from this address to a node."""
        factory = Dialing()
        self.town.network.host(ip).connectTCP(self.town.host_of(to).ip, LISTENS, factory)
        self.town.network.run_until(lambda: bool(factory.all))
        return factory.all[0]

    def inbound(self, node: ChatNode) -> list[IPeerLink]:
        """All that dialed this node, once they are gone."""
        gone: list[IPeerLink] = []
        closed = node.mesh.link_closed

        def watched(link: IPeerLink, finish: Finish) -> None:
            if link.dialed is None:
                gone.append(link)
            closed(link, finish)

        self.patch(node.mesh, "link_closed", watched)
        return gone

    def securities(self, node: ChatNode) -> dict[str, str]:
        return {link.peer_id: link.security for link in node.mesh.links}

    def texts(self, node: ChatNode) -> list[str]:
        return self.town.seen(node).texts

    def notices(self, node: ChatNode) -> list[str]:
        return self.town.seen(node).notices


HELLO: Final = b'{"type":"HELLO","peer_id":"%s@CIC","version":"1.0","features":["ack"],"ttl":1%s}\n'
HELLO_OK: Final = HELLO.replace(b"HELLO", b"HELLO_OK")


class TalkTests(TownTestCase):
    def test_two_who_can_encrypt_do(self) -> None:
        alice, bob = self.pair()
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})
        alice.send("bob@CIC", "for bob alone")
        bob.publish("#CIC", "for everybody")
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["for bob alone"])
        self.assertEqual(self.texts(alice), ["for everybody"])
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.assertEqual(self.notices(alice) + self.notices(bob), [])

    def test_nothing_can_be_read_on_the_way(self) -> None:
        """At the first contact, two lines that ask; after that, nothing at all."""
        alice, bob = self.pair()
        alice.send("bob@CIC", "for bob alone")
        self.town.run(1)
        self.assertNotIn(b"for bob alone", self.wire.all)
        said = re.findall(rb'"type":"(\w+)"', self.wire.all)
        self.assertLessEqual(set(said), {b"HELLO", b"HELLO_OK"})
        self.wire.clear()
        self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
        self.town.run(1)
        self.town.run_until_meshed()
        bob.send("alice@CIC", "again")
        self.town.run(1)
        self.assertEqual(self.texts(alice), ["again"])
        for word in (b"again", b"HELLO", b"alice", b"bob", b"CIC"):
            self.assertNotIn(word, self.wire.all)

    def test_with_who_cannot_it_is_in_the_clear_as_ever(self) -> None:
        alice, carol = self.sealed("alice"), self.node("carol")
        self.town.run_until_meshed()
        alice.send("carol@CIC", "oi")
        carol.send("alice@CIC", "oi oi")
        self.town.run(1)
        self.assertEqual(self.securities(alice), {"carol@CIC": "plain"})
        self.assertEqual((self.texts(alice), self.texts(carol)), (["oi oi"], ["oi"]))

    def test_all_kinds_in_one_town(self) -> None:
        names = ["ana", "bob", "cy", "dora", "eve"]
        nodes = [
            self.sealed(it) if number % 2 else self.node(it) for number, it in enumerate(names)
        ]
        self.town.run_until_meshed()
        nodes[1].publish("*", "to all")
        self.town.run(1)
        for number, node in enumerate(nodes):
            self.assertEqual(self.texts(node), [] if number == 1 else ["to all"])
            for link in node.mesh.links:
                both = number % 2 and names.index(link.peer_id.split("@")[0]) % 2
                self.assertEqual(link.security, "encrypted" if both else "plain")

    def test_many_seeds_end_with_one_sealed_link(self) -> None:
        """First contacts that cross, and dials in TLS that do, and no message is lost."""
        for seed in range(25):
            with self.subTest(seed=seed):
                self.town.close()
                self.town = FakeTown(seed, latency=(0.0, 0.3), cut=0.5, join=0.5)
                alice, bob = self.sealed("alice"), self.sealed("bob")
                self.town.run_until_meshed()
                for number in range(20):
                    alice.send("bob@CIC", str(number))
                    bob.send("alice@CIC", str(number))
                    self.town.run(0.3)
                self.town.run(5)
                expected = [str(number) for number in range(20)]
                for node in (alice, bob):
                    # In the moment of two links, one may overtake another.
                    self.assertEqual(sorted(self.texts(node), key=int), expected)
                self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
                self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})

    def test_much_text_arrives_in_its_order(self) -> None:
        alice, bob = self.pair()
        for number in range(2000):
            alice.send("bob@CIC", f"{number} " + "x" * 300)
        self.town.run(5)
        self.assertEqual([int(text.split()[0]) for text in self.texts(bob)], [*range(2000)])
        self.assertEqual(len(self.town.seen(alice).acked), 2000)

    def test_who_leaves_says_so_sealed(self) -> None:
        alice, bob = self.pair()
        self.wire.clear()
        self.town.leave(bob)
        self.town.run(1)
        self.assertEqual(alice.mesh.link_log.endings[Ending.SAID_BYE], 1)
        self.assertNotIn(b"BYE", self.wire.all)


class PinTests(TownTestCase):
    def test_an_impostor_that_is_listed(self) -> None:
        """It never sees who we are; the next address reaches the one who is meant."""
        alice, bob = self.friends()
        self.town.leave(bob)
        mallory = self.sealed("bob", owner="mallory")
        dialed = self.inbound(mallory)
        self.town.run(130)
        self.assertEqual(self.securities(alice), {})
        self.assertGreater(len(dialed), 0)
        self.assertEqual({link.key for link in dialed}, {None})
        self.assertEqual(alice.mesh.link_log.endings[Ending.REFUSED] > 0, True)
        self.assertEqual(len(self.notices(alice)), 1)
        self.assertIn("another key", self.notices(alice)[0])
        back = self.sealed("bob", owner="bob@CIC", ip="10.0.0.9")
        self.town.run(90)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        alice.send("bob@CIC", "to the right one")
        self.town.run(1)
        self.assertEqual((self.texts(back), self.texts(mallory)), (["to the right one"], []))

    def test_an_impostor_that_dials(self) -> None:
        alice, bob = self.friends()
        self.town.kill(bob)
        self.town.run(1)
        before = [*self.texts(alice)]
        mallory = self.sealed("bob", owner="mallory")
        self.town.run(20)
        mallory_links = [link.peer_id for link in mallory.mesh.links]
        self.assertEqual(mallory_links, [])
        self.assertEqual((self.texts(alice), self.securities(alice)), (before, {}))

    def test_a_plain_program_under_a_known_name(self) -> None:
        alice, bob = self.friends()
        self.town.leave(bob)
        self.wire.clear()
        plain = self.node("bob", ip="10.0.0.66")
        self.town.run(30)
        self.assertEqual(self.securities(alice), {})
        self.assertEqual(plain.mesh.links, [])
        self.assertIn("without encryption", self.notices(alice)[0])
        # What came to it is TLS, or a BYE with the reason: never HELLO, nor our name.
        self.assertNotIn(b"HELLO", self.wire.to("10.0.0.66"))

    def test_who_has_never_been_written_to_has_its_name_lightly(self) -> None:
        alice, bob = self.pair()
        pin = alice.trusting.known.pin_of("bob@CIC") if alice.trusting else None
        assert pin is not None
        self.assertIs(pin.hold, Hold.LIGHT)
        alice.send("bob@CIC", "hi")
        self.assertIs(pin.hold, Hold.BY_PERSON)
        self.town.run(1)
        pin = bob.trusting.known.pin_of("alice@CIC") if bob.trusting else None
        assert pin is not None
        self.assertIs(pin.hold, Hold.LIGHT)

    def test_verified_is_shown_at_the_link(self) -> None:
        alice, bob = self.friends()
        assert alice.trusting is not None
        assert bob.trusting is not None
        wrong = alice.trusting.verify("bob@CIC", alice.trusting.own_fingerprint)
        self.assertIs(wrong.compared, Compared.DIFFERENT)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        right = alice.trusting.verify("bob@CIC", bob.trusting.own_fingerprint)
        self.assertIs(right.compared, Compared.EQUAL)
        self.assertEqual(self.securities(alice), {"bob@CIC": "verified"})

    def test_trusting_another_key(self) -> None:
        alice, bob = self.friends()
        self.town.leave(bob)
        new = self.sealed("bob", owner="bob's new machine")
        self.town.run(5)
        assert alice.trusting is not None
        assert new.trusting is not None
        self.assertEqual(self.securities(alice), {})
        alice.trusting.trust("bob@CIC", new.trusting.own_fingerprint, typed=True)
        self.town.run(5)
        self.assertEqual(self.securities(alice), {"bob@CIC": "verified"})
        self.assertEqual(self.securities(new), {"alice@CIC": "encrypted"})

    def test_forgetting_a_key(self) -> None:
        alice, bob = self.friends()
        self.town.leave(bob)
        plain = self.node("bob", ip="10.0.0.66")
        self.town.run(5)
        self.assertEqual(self.securities(alice), {})
        assert alice.trusting is not None
        alice.trusting.forget("bob@CIC")
        self.town.run(90)
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        self.assertEqual(len(plain.mesh.links), 1)

    def test_forgetting_a_key_while_its_link_is_open(self) -> None:
        alice, _ = self.friends()
        assert alice.trusting is not None
        alice.trusting.forget("bob@CIC")
        self.town.run(10)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertIsNotNone(alice.trusting.known.pin_of("bob@CIC"))

    def test_who_refuses_us_is_told(self) -> None:
        alice, bob = self.friends()
        self.town.leave(alice)
        again = self.sealed("alice", owner="alice with another key")
        self.town.run(10)
        self.assertEqual(self.securities(again), {})
        assert again.trusting is not None
        (notice,) = self.notices(again)
        self.assertIn("refuses your key", notice)
        self.assertIn(again.trusting.own_fingerprint, notice)
        self.assertEqual(len(self.notices(bob)), 1)

    def test_the_key_is_settled_before_the_first_message_leaves(self) -> None:
        alice, bob = self.pair()
        assert alice.trusting is not None
        pin = alice.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        (link,) = alice.mesh.links
        held: list[Hold] = []
        send = link.send

        def watched(line: bytes) -> bool:
            held.append(pin.hold)
            return send(line)

        self.patch(link, "send", watched)
        alice.send("bob@CIC", "hi")
        self.town.run(1)
        self.assertEqual((held, self.texts(bob)), ([Hold.BY_PERSON], ["hi"]))

    def test_a_fingerprint_from_a_card_makes_the_first_link_a_verified_one(self) -> None:
        alice = self.sealed("alice")
        mallory = self.sealed("bob", owner="mallory")
        assert alice.trusting is not None
        self.town.run(1)
        self.town.kill(mallory)
        # Not a key that mallory ever showed, nor one that anybody has seen.
        card = fingerprint(fake_keys("bob@CIC", wall=lambda: 0.0).keys.own)
        alice.trusting.trust("bob@CIC", card, typed=True)
        mallory = self.sealed("bob", owner="mallory")
        self.town.run(10)
        self.assertEqual(self.securities(alice), {})
        self.town.kill(mallory)
        bob = self.sealed("bob")
        self.town.run(30)
        self.assertEqual(self.securities(alice), {"bob@CIC": "verified"})
        pin = alice.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        assert bob.trusting is not None
        self.assertEqual(pin.key, bob.trusting.own_key)

    def test_alerts_are_an_event_and_a_sentence(self) -> None:
        alice, bob = self.friends()
        alerts: list[Any] = []
        self.patch(self.town.seen(alice), "key_alert", alerts.append)
        self.town.leave(bob)
        mallory = self.sealed("bob", owner="mallory")
        self.town.run(5)
        (alert,) = alerts
        assert mallory.trusting is not None
        self.assertIs(alert.kind, AlertKind.OTHER_KEY)
        self.assertEqual(alert.peer_id, "bob@CIC")
        self.assertEqual(alert.key, mallory.trusting.own_key)
        self.assertNotEqual(alert.known, alert.key)
        self.assertEqual(self.notices(alice), [alert.sentence])
        self.assertIn(fingerprint(alert.key), alert.sentence)


class ClearTests(TownTestCase):
    """What somebody on the way, or a stranger, can do in the clear."""

    def test_whoever_asked_in_the_clear_says_no_more(self) -> None:
        for more in (
            b'{"type":"SEND","msg_id":"1","src":"eve@CIC","dst":"alice@CIC","payload":"oi"}\n',
            b'{"type":"PING","msg_id":"1"}\n',
            b"{",
            b"\n\n{",
            bytes.fromhex("1603010001"),
        ):
            for at_once in (True, False):
                with self.subTest(more=more, at_once=at_once):
                    alice = self.sealed("alice")
                    eve = self.stranger("10.9.9.9", alice)
                    hello = HELLO % (b"eve", b',"tls":1')
                    if at_once:
                        eve.transport.write(hello + more)
                    else:
                        eve.transport.write(hello)
                        self.town.run(0.5)
                        self.assertFalse(eve.lost)
                        eve.transport.write(more)
                    self.town.run(1)
                    self.assertTrue(eve.lost)
                    answers = [json.loads(line) for line in eve.heard.splitlines()]
                    self.assertEqual([it["type"] for it in answers], ["HELLO_OK"])
                    self.assertEqual(answers[0]["tls"], 2)
                    self.assertEqual(self.texts(alice), [])
                    self.assertEqual(self.town.seen(alice).statuses, [])
                    self.town.leave(alice)

    def test_whoever_asked_and_says_nothing_is_gone_in_ten_seconds(self) -> None:
        alice = self.sealed("alice")
        eve = self.stranger("10.9.9.9", alice)
        eve.transport.write(HELLO % (b"eve", b',"tls":1'))
        self.town.run(9)
        self.assertFalse(eve.lost)
        self.assertEqual(alice.mesh.admission.handshakes, 1)
        self.town.run(2)
        self.assertTrue(eve.lost)

    def test_a_stranger_that_says_tls_beside_a_plain_peer(self) -> None:
        """It is a property of its address: the plain peer is still reached."""
        liar = Listening(HELLO_OK % (b"carol", b',"tls":2'))
        self.town.network.host("10.0.0.99").listenTCP(LISTENS, liar)
        self.town.rendezvous.enter("carol@CIC", "10.0.0.99", LISTENS)
        carol = self.node("carol", ip="10.0.0.77")
        alice = self.sealed("alice")
        self.town.run(30)
        self.assertEqual(self.securities(alice), {"carol@CIC": "plain"})
        alice.send("carol@CIC", "oi")
        self.town.run(1)
        self.assertEqual(self.texts(carol), ["oi"])
        kinds = [stranger.heard[:1] for stranger in liar.all]
        self.assertLessEqual(kinds.count(b"{"), 1)

    def test_a_liar_alone_never_hears_more_than_hellos(self) -> None:
        liar = Listening(HELLO_OK % (b"carol", b',"tls":2'))
        self.town.network.host("10.0.0.99").listenTCP(LISTENS, liar)
        self.town.rendezvous.enter("carol@CIC", "10.0.0.99", LISTENS)
        alice = self.sealed("alice")
        self.town.run(300)
        kinds = [stranger.heard[:1] for stranger in liar.all]
        self.assertEqual(kinds[:2], [b"{", b"\x16"])
        self.assertEqual(set(kinds[1:]), {b"\x16"})
        self.assertLess(len(kinds), 10)
        self.assertEqual(alice.mesh.links, [])

    def test_an_echo_is_no_answer(self) -> None:
        """A program that sends our HELLO back as its HELLO_OK is one that cannot encrypt."""
        echo = Listening(HELLO_OK % (b"carol", b',"tls":1'))
        self.town.network.host("10.0.0.99").listenTCP(LISTENS, echo)
        self.town.rendezvous.enter("carol@CIC", "10.0.0.99", LISTENS)
        alice = self.sealed("alice")
        self.town.run(5)
        self.assertEqual(self.securities(alice), {"carol@CIC": "plain"})

    def test_a_tls_that_somebody_added_to_a_plain_hello(self) -> None:
        alice, bob = self.sealed("alice"), self.node("bob", start=False)
        eve = self.stranger("10.9.9.9", alice)
        eve.transport.write(HELLO % (b"carol", b',"tls":1'))
        self.town.run(1)
        self.assertEqual(alice.mesh.links, [])
        self.town.nodes.remove(bob)


class PolicyTests(TownTestCase):
    def test_require_meets_nobody_in_the_clear(self) -> None:
        alice = self.sealed("alice", settings=REQUIRE)
        bob, carol = self.sealed("bob"), self.node("carol")
        self.town.run(30)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(carol), {"bob@CIC": "plain"})
        self.assertEqual(len(bob.mesh.links), 2)

    def test_off_is_as_if_there_were_no_key(self) -> None:
        alice = self.sealed("alice", settings=OFF)
        bob = self.sealed("bob")
        self.town.run_until_meshed()
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        hellos = [it for _, _, it in self.wire.chunks if b"HELLO" in it]
        self.assertTrue(any(b'"tls":' not in it for it in hellos))
        self.assertEqual(len(bob.mesh.links), 1)

    def test_off_answers_tls_by_an_alert(self) -> None:
        alice = self.node("alice", settings=OFF)
        eve = self.stranger("10.9.9.9", alice)
        eve.transport.write(bytes.fromhex("160301000501000001"))
        self.town.run(1)
        self.assertEqual(eve.heard, bytes.fromhex("15030300020228"))
        self.assertTrue(eve.lost)

    def test_a_change_to_require_ends_what_is_in_the_clear(self) -> None:
        alice, bob, carol = self.sealed("alice"), self.sealed("bob"), self.node("carol")
        self.town.run_until_meshed()
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted", "carol@CIC": "plain"})
        alice.configure(_with_policy(alice.settings, "require"))
        self.town.run(30)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(len(carol.mesh.links), 1)
        self.assertEqual(len(bob.mesh.links), 2)

    def test_a_change_to_off_and_back(self) -> None:
        alice, bob = self.pair()
        for node in (alice, bob):
            node.configure(_with_policy(node.settings, "off"))
        self.town.run(90)
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        for node in (alice, bob):
            node.configure(_with_policy(node.settings, "require"))
        self.town.run(90)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual(self.securities(bob), {"alice@CIC": "encrypted"})

    def test_a_node_without_a_key_says_that_it_cannot(self) -> None:
        alice = self.node("alice", settings=OFF)
        alice.configure(_with_policy(alice.settings, "prefer"))
        self.assertIn("started again", self.notices(alice)[0])


def _with_policy(settings: Settings, policy: str) -> Settings:
    import msgspec

    return msgspec.structs.replace(settings, security=SecuritySettings(policy=policy))


class TwoOfOneNameTests(TownTestCase):
    """A key comes under a name that somebody uses in the clear."""

    def test_from_the_same_address_it_has_changed_its_program(self) -> None:
        alice, carol = self.sealed("alice"), self.node("carol", ip="10.0.0.5")
        self.town.run_until_meshed()
        port = Settings(limits=UNLIMITED, peer=PeerSettings(port=4001))
        new = self.sealed("carol", ip="10.0.0.5", settings=port)
        self.town.run(10)
        self.assertEqual(self.securities(alice), {"carol@CIC": "encrypted"})
        alice.send("carol@CIC", "to the new one")
        self.town.run(1)
        self.assertEqual((self.texts(carol), self.texts(new)), ([], ["to the new one"]))

    def test_from_elsewhere_it_is_turned_away_while_the_plain_one_lives(self) -> None:
        alice, carol = self.sealed("alice"), self.node("carol", ip="10.0.0.5")
        self.town.run_until_meshed()
        self.town.run(20)
        mallory = self.sealed("carol", owner="mallory", ip="10.0.0.66")
        self.town.run(20)
        self.assertEqual(self.securities(alice), {"carol@CIC": "plain"})
        alice.send("carol@CIC", "oi")
        self.town.run(1)
        self.assertEqual((self.texts(carol), self.texts(mallory)), (["oi"], []))
        alert, cannot = self.notices(alice)
        self.assertIn("in the clear (10.0.0.5)", alert)
        self.assertIn("the program of [carol@CIC] cannot encrypt", cannot)
        assert alice.trusting is not None
        self.assertIsNone(alice.trusting.known.pin_of("carol@CIC"))
        self.assertEqual(len(alice.trusting.known.refused_under("carol@CIC")), 1)

    def test_from_elsewhere_when_the_plain_one_is_dead(self) -> None:
        alice, carol = self.sealed("alice"), self.node("carol", ip="10.0.0.5")
        self.town.run_until_meshed()
        self.town.run(20)
        self.town.host_of(carol).unplug()
        new = self.sealed("carol", owner="carol", ip="10.0.0.66")
        self.town.run(15)
        self.assertEqual(self.securities(alice), {"carol@CIC": "encrypted"})
        self.assertEqual(self.securities(new), {"alice@CIC": "encrypted"})
        self.assertEqual(self.notices(alice), [])
        self.town.kill(carol)

    def test_one_key_under_two_names(self) -> None:
        alice = self.sealed("alice")
        one, two = self.sealed("bob", owner="bob"), self.sealed("bob-laptop", owner="bob")
        self.town.run_until_meshed()
        alice.send("bob@CIC", "one")
        alice.send("bob-laptop@CIC", "two")
        one.send("bob-laptop@CIC", "from the other one")
        self.town.run(1)
        self.assertEqual(self.texts(one), ["one"])
        self.assertEqual(self.texts(two), ["two", "from the other one"])

    def test_our_own_key_and_name_elsewhere(self) -> None:
        """The file was copied: whoever hears of it is told by one sentence, and no link opens."""
        self.sealed("alice")
        twin = self.sealed("alice", ip="10.0.0.30")
        self.town.rendezvous.enter("zed@CIC", "10.0.0.30", LISTENS)
        self.town.run(30)
        self.assertEqual(twin.mesh.links, [])
        self.assertTrue(any("your own key is in use" in it for it in self.notices(twin)))

    def test_one_key_or_none_among_the_links_of_a_name(self) -> None:
        alice, bob = self.pair()
        for ip in ("10.0.0.70", "10.0.0.71"):
            self.sealed("bob", owner=f"mallory at {ip}", ip=ip)
        self.node("bob", ip="10.0.0.72")
        for _ in range(40):
            self.town.run(1)
            peer = alice.peers.get("bob@CIC")
            assert peer is not None
            self.assertLessEqual(len({link.key for link in peer.links}), 1)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        alice.send("bob@CIC", "still you")
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["still you"])
