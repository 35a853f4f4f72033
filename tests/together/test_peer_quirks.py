"""Every row of "accepts" and "bad input", and every habit of a real client, against a real node."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Peer, Status
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.address import scope_of
from tests.support import quirky_peers as quirks
from tests.support.quirky_peers import ForeignPeer, Program

NODE_IP = "10.0.0.1"


class ForeignTestCase(SynchronousTestCase):
    """One node, `me@CIC`, and foreign programs that know it."""

    settings = Settings(connection=ConnectionSettings(discovery_interval=20))
    cut = 0.0
    join = 0.0

    def setUp(self) -> None:
        self.town = FakeTown(11, cut=self.cut, join=self.join)
        self.node = self.town.node("me@CIC", ip=NODE_IP, settings=self.settings)
        self.seen = self.town.seen(self.node)
        self.run_for(0.5)

    def tearDown(self) -> None:
        self.town.close()

    def run_for(self, seconds: float) -> None:
        self.town.run(seconds)

    def program(self, kind: type[ForeignPeer] = ForeignPeer, name: str = "bob@CIC") -> Program:
        host = self.town.network.host(f"10.0.1.{len(self.town.network.hosts)}")
        return Program(host, name, kind)

    def dials_us(self, kind: type[ForeignPeer] = ForeignPeer, name: str = "bob@CIC") -> ForeignPeer:
        """A link that this kind of program dialed, after its handshake."""
        program = self.program(kind, name)
        program.dial(NODE_IP)
        self.run_for(0.5)
        self.assertTrue(program.link.open)
        return program.link

    def connects_raw(self) -> ForeignPeer:
        """A connection on which nothing has been said."""

        class Silent(ForeignPeer):
            def say_hello(self) -> None:
                pass

        program = self.program(Silent)
        program.dial(NODE_IP)
        self.run_for(0.5)
        return program.link

    def is_dialed(
        self, kind: type[ForeignPeer] = ForeignPeer, name: str = "bob@CIC"
    ) -> ForeignPeer:
        """A link that our node dialed to this kind of program, after its handshake."""
        program = self.program(kind, name)
        program.listen()
        self.register(program)
        self.run_for(0.5)
        self.assertTrue(program.link.open)
        return program.link

    def register(self, program: Program) -> None:
        """Enter the program in the rendezvous, and have the node look."""
        self.town.rendezvous.enter(program.peer_id, program.host.ip, 4000)
        self.node.presence.discover()
        self.run_for(0.2)

    def peer(self, name: str = "bob@CIC") -> Peer:
        peer = self.node.peers.get(name)
        assert peer is not None
        return peer

    def assertTalks(self, link: ForeignPeer, name: str = "bob@CIC") -> None:
        """Messages go both ways, and both ends notice."""
        before = len(self.seen.texts), len(link.texts), len(self.seen.acked)
        msg_id = link.send("to you")
        self.node.send(name, "to them")
        self.run_for(3)
        self.assertEqual(self.seen.texts[before[0] :], ["to you"])
        self.assertEqual(link.texts[before[1] :], ["to them"])
        self.assertEqual(len(self.seen.acked), before[2] + 1)
        self.assertEqual([ack["msg_id"] for ack in link.got("ACK")][-1], msg_id)
        self.assertEqual(self.seen.failed, [])


class EmitsTests(ForeignTestCase):
    """What goes out on a plain link (section 1, "emits")."""

    def test_the_form_of_every_message(self) -> None:
        link = self.dials_us()
        link.send("hi")
        link.say("PING", timestamp=TIMESTAMP)
        self.node.send("bob@CIC", "olá 😀")
        self.node.publish("#CIC", "all")
        self.node.ping_all()
        self.run_for(1)
        self.town.leave(self.node)
        kinds = ("HELLO_OK", "ACK", "PONG", "SEND", "PUB", "PING", "BYE")
        hello, ack, pong, send, pub, ping, bye = (link.got(kind)[0] for kind in kinds)
        self.assertEqual(len(link.messages), 7)
        agent, instance = hello.pop("agent"), hello.pop("instance")
        self.assertRegex(agent, r"^p2pchat/\d")
        self.assertRegex(instance, "^[0-9a-f]{16}$")
        self.assertEqual(
            hello,
            {
                "type": "HELLO_OK",
                "peer_id": "me@CIC",
                "version": "1.0",
                "features": ["ack", "metrics"],
                "ttl": 1,
            },
        )
        self.assertEqual(pong["timestamp"], TIMESTAMP)
        uuid4 = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
        for message in (send, pub, ping, bye):
            self.assertRegex(message["msg_id"], uuid4)
        for message in (ack, pong, send, pub, ping, bye):
            self.assertIs(type(message["ttl"]), int)
        for message in (ack, ping):
            self.assertRegex(message["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for message in (send, pub, bye):
            self.assertEqual(message["src"], "me@CIC")
        self.assertEqual((send["dst"], pub["dst"], bye["dst"]), ("bob@CIC", "#CIC", "bob@CIC"))
        self.assertEqual((send["payload"], send["require_ack"]), ("olá 😀", True))
        self.assertEqual((pub["payload"], pub["require_ack"]), ("all", False))
        self.assertEqual(bye["reason"], "leaving")

    def test_lines_leave_one_by_one_and_not_at_once(self) -> None:
        link = self.dials_us()
        for number in range(5):
            self.node.send("bob@CIC", str(number))
        self.run_for(2)
        opened = link.reads[0][0]
        times = [at for at, _ in link.reads]
        self.assertEqual([data.count(b"\n") for _, data in link.reads], [1] * 6)
        self.assertGreater(times[1] - opened, 0.09)
        for before, after in pairwise(times[1:]):
            self.assertGreater(after - before, 0.035)
        self.assertEqual(link.texts, ["0", "1", "2", "3", "4"])

    def test_a_client_that_loses_what_follows_hello_ok(self) -> None:
        program = self.program(quirks.LosesWhatFollowsHelloOk)
        program.dial(NODE_IP)
        self.town.network.run_until(lambda: bool(self.peer_or_none("bob@CIC")))
        self.node.send("bob@CIC", "at once")
        self.run_for(1)
        self.assertEqual(program.link.texts, ["at once"])

    def peer_or_none(self, name: str) -> Peer | None:
        return self.node.peers.get(name)

    def test_a_client_that_keeps_one_line_of_each_read(self) -> None:
        link = self.dials_us(quirks.ReadsOneLineAtATime)
        for number in range(30):
            self.node.publish("*", str(number))
        self.run_for(4)
        self.assertEqual(link.texts, [str(number) for number in range(30)])

    def test_clients_that_close_on_what_they_did_not_ask_for(self) -> None:
        for name, link in (
            ("bob@CIC", self.dials_us(quirks.ClosesOnUnsolicited)),
            ("eve@CIC", self.is_dialed(quirks.ClosesOnUnsolicited, "eve@CIC")),
        ):
            self.assertTalks(link, name)
            self.run_for(70)
            self.assertFalse(link.closed)
            self.assertEqual(link.got("PONG") + link.got("BYE_OK"), [])

    def test_a_client_that_waits_for_two_seconds(self) -> None:
        link = self.dials_us(quirks.Impatient)
        for _ in range(40):
            link.send("quick")
            link.say("PING", timestamp=None)
        self.run_for(10)
        self.assertEqual(len(link.got("ACK")), 40)
        self.assertEqual(len(link.got("PONG")), 40)
        self.assertFalse(link.closed)

    def test_a_client_that_waits_for_two_seconds_while_we_talk(self) -> None:
        link = self.dials_us(quirks.Impatient)
        for _ in range(30):
            self.node.publish("*", "x")
        self.run_for(0.01)
        link.send("quick")
        self.run_for(5)
        self.assertEqual(len(link.got("ACK")), 1)
        self.assertFalse(link.closed)

    def test_a_client_that_closes_silent_links(self) -> None:
        for name, link in (
            ("bob@CIC", self.dials_us(quirks.ClosesWhenSilent)),
            ("eve@CIC", self.is_dialed(quirks.ClosesWhenSilent, "eve@CIC")),
        ):
            self.run_for(200)
            self.assertFalse(link.closed, name)
            self.assertGreaterEqual(len(link.got("PING")), 5)

    def test_publishing_goes_to_a_namespace(self) -> None:
        bob, eve = self.dials_us(), self.dials_us(name="eve@other")
        self.assertEqual(self.node.publish("#CIC", "ours").peers, 1)
        self.assertEqual(self.node.publish("*", "all").peers, 2)
        self.run_for(1)
        self.assertEqual((bob.texts, eve.texts), (["ours", "all"], ["all"]))


TIMESTAMP = "2024-05-06T07:08:09Z"


class AcceptsTests(ForeignTestCase):
    """The nine rows of "accepts"."""

    def test_1_pipelining_fragments_and_odd_json(self) -> None:
        link = self.connects_raw()
        hello = b'{ "type" : "HELLO", "peer_id":"b\\u00f3b@CIC",\t"x":{"y":[1]} }\r\n'
        send = '{"type":"SEND","msg_id":"1","payload":"ol\u00e1 \\u00e1","require_ack":true}\n'
        whole = hello + send.encode() + b'{"type":"NEW","q":1}\n{"type":"SEND","msg_id":"2","pay'
        link.raw(whole)
        self.run_for(0.5)
        for byte in b'load":"end"}\r\n':
            link.raw(bytes([byte]))
            self.run_for(0.01)
        self.run_for(0.5)
        self.assertEqual([m["type"] for _, m in link.messages], ["HELLO_OK", "ACK"])
        self.assertEqual(self.seen.texts, ["olá á", "end"])
        self.assertEqual(self.town.links(self.node), {"bób@CIC": 1})

    def test_2_odd_types_in_hello(self) -> None:
        odd: list[dict[str, Any]] = [
            {"peer_id": "p0@CIC", "version": 1.0, "features": None, "ttl": None},
            {"peer_id": ..., "src": "p1@CIC", "version": ..., "features": ..., "ttl": ...},
            {"peer_id": "p2@CIC", "version": None, "features": "ack", "ttl": "1"},
            {"peer_id": "p3@CIC", "version": "2.7", "features": [1, None, "x"], "ttl": 1.0},
        ]
        for number, fields in enumerate(odd):
            link = self.connects_raw()
            link.say("HELLO", **fields)
            self.run_for(0.5)
            self.assertEqual(len(link.got("HELLO_OK")), 1, str(fields))
            self.assertIn(f"p{number}@CIC", self.town.links(self.node))

    def test_2_every_form_of_time(self) -> None:
        link = self.dials_us()
        for time in (
            TIMESTAMP,
            "2024-05-06T07:08:09+02:00",
            "2024-05-06T07:08:09",
            1.7e9,
            ...,
            None,
        ):
            msg_id = link.say("PING", timestamp=time)
            self.run_for(0.2)
            pong = link.got("PONG")[-1]
            self.assertEqual(pong["msg_id"], msg_id)
            self.assertEqual(pong["timestamp"], None if time is ... else time)
        for odd in (7, 7.5, None, {"a": [1]}, "\ud800"):
            link.say("PING", msg_id=odd, timestamp=odd)
            self.run_for(0.2)
            self.assertEqual(link.got("PONG")[-1]["msg_id"], odd)

    def test_2_require_ack_null_or_absent_is_false(self) -> None:
        link = self.dials_us()
        for value in (None, ..., False):
            link.send(f"{value}", require_ack=value)
        self.run_for(1)
        self.assertEqual(len(self.seen.texts), 3)
        self.assertEqual(link.got("ACK"), [])

    def test_2_every_form_of_ack(self) -> None:
        kinds = (quirks.AcksWithFrom, quirks.AcksWithSrcAndDst, quirks.FloatTimes)
        for number, kind in enumerate(kinds):
            self.assertTalks(self.dials_us(kind, f"in{number}@CIC"), f"in{number}@CIC")
            self.assertTalks(self.is_dialed(kind, f"out{number}@CIC"), f"out{number}@CIC")

    def test_2_an_ack_on_another_link(self) -> None:
        class Mute(ForeignPeer):
            def on_send(self, message: dict[str, Any]) -> None:
                pass

        first, second = self.dials_us(Mute), self.dials_us(Mute)
        msg_id = self.node.send("bob@CIC", "where?")
        self.run_for(0.5)
        self.assertEqual((first.texts, second.texts), (["where?"], []))
        second.say("ACK", msg_id=msg_id)
        self.run_for(0.5)
        self.assertEqual(self.seen.acked, [("bob@CIC", msg_id)])

    def test_3_a_hello_ok_with_our_own_id(self) -> None:
        link = self.is_dialed(quirks.EchoesTheCaller)
        self.assertEqual(self.town.links(self.node), {"bob@CIC": 1})
        self.assertFalse(self.node.mesh.links[0].is_p2pchat)
        self.assertTalks(link)

    def test_3_a_hello_ok_with_a_third_id(self) -> None:
        program = self.program(name="carol@CIC")
        program.listen()
        self.town.rendezvous.enter("bob@CIC", program.host.ip, 4000)
        self.node.presence.discover()
        self.run_for(45)
        self.assertEqual(self.town.links(self.node), {"carol@CIC": 1})
        self.assertEqual(self.peer().status, Status.STALE)
        self.assertEqual(len(program.links), 5)
        self.assertEqual(len(program.live), 1)
        self.assertTalks(program.live[0], "carol@CIC")

    def test_4_every_scope_that_means_us(self) -> None:
        link = self.dials_us()
        for scope in ("*", "#CIC", "CIC", "me@CIC", "me", ..., None):
            link.say("PUB", src="bob@CIC", dst=scope, payload=f"{scope}")
        link.say("PUB", src="bob@CIC", dst="#other", payload="not for us")
        self.run_for(1)
        self.assertEqual(len(self.seen.texts), 7)
        shown = [scope_of(message.dst) for _, message in self.seen.messages[:4]]
        self.assertEqual(shown, ["*", "#CIC", "#CIC", "me@CIC"])

    def test_5_every_form_of_bye(self) -> None:
        forms: list[dict[str, Any]] = [
            {},
            {"msg_id": ...},
            {"src": "bob@CIC", "dest": "me@CIC"},
            {"src": "bob@CIC", "dst": "*", "reason": None},
            {"src": "bob@CIC", "dst": "me@CIC", "reason": "bye"},
        ]
        for fields in forms:
            link = self.dials_us()
            link.say("BYE", **fields)
            self.run_for(1)
            self.assertEqual(len(link.got("BYE_OK")), 1, str(fields))
            self.assertTrue(link.closed)
            self.assertTrue(self.peer().left)
            self.assertEqual(self.peer().status, Status.DISCONNECTED)
        self.assertEqual(self.town.links(self.node), {})

    def test_5_every_answer_to_our_bye(self) -> None:
        for kind, most in (
            (ForeignPeer, 0.5),
            (quirks.ClosesOnBye, 0.5),
            (quirks.AnswersByeWithAnotherId, 0.5),
            (quirks.NeverAnswersBye, 2.3),
        ):
            node = self.town.node("other@CIC", ip="10.0.0.7", settings=self.settings)
            program = self.program(kind, "bob@CIC")
            program.dial("10.0.0.7")
            self.run_for(1)
            took = self.town.leave(node)
            self.run_for(0.1)
            self.assertLess(took, most, kind.__name__)
            self.assertEqual(len(program.link.got("BYE")), 1)
            self.assertTrue(program.link.closed)
            self.town.check_clean(self.town.network.host("10.0.0.7"))

    def test_6_one_link_per_direction(self) -> None:
        program = self.program()
        program.listen()
        self.register(program)
        program.dial(NODE_IP)
        self.run_for(1)
        ours, theirs = program.links
        self.assertEqual(self.town.links(self.node), {"bob@CIC": 2})
        msg_id = theirs.send("on theirs")
        other = ours.send("on ours")
        self.node.send("bob@CIC", "to you")
        self.run_for(1)
        self.assertEqual(sorted(self.seen.texts), ["on ours", "on theirs"])
        self.assertEqual([ack["msg_id"] for ack in theirs.got("ACK")], [msg_id])
        self.assertEqual([ack["msg_id"] for ack in ours.got("ACK")], [other])
        self.assertEqual((ours.texts, theirs.texts), ([], ["to you"]))
        ours.transport.loseConnection()
        self.run_for(1)
        self.assertEqual(self.peer().status, Status.CONNECTED)
        self.assertTalks(theirs)
        self.assertEqual(len(program.links), 2)
        self.assertEqual(self.seen.notices, [])

    def test_6_one_that_comes_back_while_its_old_link_is_half_open(self) -> None:
        old = self.dials_us()
        program = Program(old.host, "bob@CIC")
        for end in self.town.network.between(old.host, self.town.host_of(self.node)):
            end.severed = end.other.severed = True
        self.run_for(10)
        program.dial(NODE_IP)
        self.run_for(0.3)
        self.assertTalks(program.link)
        self.assertEqual((old.texts, self.seen.failed, self.seen.notices), ([], [], []))
        self.run_for(130)
        self.assertEqual(self.town.links(self.node), {"bob@CIC": 1})

    def test_6_one_that_answers_everything_on_its_newest_link(self) -> None:
        self.patch(quirks.AnswersOnItsNewestLink, "newest", [])
        old = self.dials_us(quirks.AnswersOnItsNewestLink)
        program = Program(old.host, "bob@CIC", quirks.AnswersOnItsNewestLink)
        program.dial(NODE_IP)
        self.run_for(0.5)
        for _ in range(5):
            self.assertTalks(program.link)
            self.run_for(40)
        self.assertTrue(program.link.open and not program.link.closed)

    def test_6_after_an_ack_time_out_the_other_link_is_used(self) -> None:
        class Mute(ForeignPeer):
            def on_send(self, message: dict[str, Any]) -> None:
                pass

        program = self.program()
        program.dial(NODE_IP)
        self.run_for(0.5)
        program.kind = Mute
        program.dial(NODE_IP)
        self.run_for(0.5)
        first, mute = program.links
        self.node.send("bob@CIC", "1")
        self.run_for(6)
        self.node.send("bob@CIC", "2")
        self.run_for(1)
        self.assertEqual((mute.texts, first.texts), (["1"], ["2"]))
        self.assertEqual((len(self.seen.failed), len(self.seen.acked)), (1, 1))

    def test_6_a_second_dial_that_is_closed(self) -> None:
        first = self.dials_us()
        program = self.program(quirks.ClosesASecondLink)
        program.listen()
        dialed = self.node.mesh.reconnect
        self.register(program)
        self.assertEqual(dialed(), 0)
        self.assertEqual(self.town.links(self.node), {"bob@CIC": 1})
        self.assertEqual(self.peer().status, Status.CONNECTED)
        self.assertTalks(first)

    def test_6_crossing_dials_of_which_the_second_is_closed(self) -> None:
        program = self.program(quirks.ClosesASecondLink)
        program.listen()
        self.town.rendezvous.enter("bob@CIC", program.host.ip, 4000)
        program.dial(NODE_IP)
        self.node.presence.discover()
        self.run_for(3)
        inbound = next(link for link in program.links if link.dials)
        self.assertEqual(self.peer().status, Status.CONNECTED)
        self.assertNotIn(("bob@CIC", Status.DISCONNECTED), self.seen.statuses)
        self.assertTalks(inbound)

    def test_7_repetitions_are_acknowledged_and_shown_once(self) -> None:
        link = self.dials_us(quirks.Retransmits)
        link.send("once")
        other = self.dials_us()
        self.run_for(5)
        link.say("PUB", msg_id="p", src="bob@CIC", dst="*", payload="pub")
        other.say("PUB", msg_id="p", src="bob@CIC", dst="*", payload="pub")
        self.run_for(1)
        self.assertEqual(self.seen.texts, ["once", "pub"])
        self.assertEqual(len(link.got("ACK")), 3)

    def test_8_a_connection_from_ourselves(self) -> None:
        self.town.rendezvous.enter("old-name@CIC", NODE_IP, 4000)
        self.node.presence.discover()
        self.run_for(3)
        self.assertEqual(self.town.links(self.node), {})
        self.assertEqual(self.seen.notices, [])

    def test_8_a_stranger_with_our_name(self) -> None:
        link = self.connects_raw()
        link.say("HELLO", peer_id="me@CIC")
        self.run_for(0.5)
        self.assertTrue(link.closed)
        self.assertEqual(link.messages, [])
        link = self.connects_raw()
        link.say("HELLO", peer_id="me@CIC")
        self.run_for(0.5)
        self.assertEqual(len(self.seen.notices), 2)  # one for each address
        self.assertIn("me@CIC", self.seen.notices[0])
        self.assertEqual(self.town.links(self.node), {})

    def test_9_several_addresses_latest_registration_first(self) -> None:
        program = self.program()
        program.listen()
        rendezvous = self.town.rendezvous
        refusing, silent = self.town.network.host("10.0.2.1"), self.town.network.host("10.0.2.2")
        silent.unplug()
        rendezvous.enter("bob@CIC", program.host.ip, 4000, 7200)
        self.run_for(1)
        rendezvous.enter("bob@CIC", refusing.ip, 4000, 7200)
        self.run_for(1)
        rendezvous.enter("bob@CIC", silent.ip, 4000, 7200)
        self.node.presence.discover()
        self.run_for(2)
        self.assertEqual(self.peer().addresses[0][0], silent.ip)
        self.assertTalks(program.link)  # the silent one was not waited for
        self.assertNotIn(("bob@CIC", Status.DISCONNECTED), self.seen.statuses)

    def test_9_an_address_behind_our_own_router_is_tried_at_loopback_first(self) -> None:
        host = self.town.host_of(self.node)
        program = Program(host, "bob@CIC")
        program.listen(4001, "127.0.0.1")
        self.town.rendezvous.enter("bob@CIC", host.ip, 4001)
        self.node.presence.discover()
        self.run_for(1)
        self.assertEqual(self.node.mesh.links[0].address, "127.0.0.1:4001")
        self.assertTalks(program.link)
        program.link.transport.loseConnection()
        host.ports[4001].close()


class BadInputTests(ForeignTestCase):
    """The table of "bad input"."""

    settings = Settings(
        connection=ConnectionSettings(discovery_interval=20, handshake_timeout=10),
        limits=LimitSettings(max_bad_lines=20),
    )

    def test_bad_lines_are_survived(self) -> None:
        link = self.dials_us()
        for bad in (b"{", b"\xff\xfe", b"[]", b"1", b'"x"', b"nul", b"{}x", b"\xef\xbb\xbf{}"):
            link.raw(bad + b"\n")
        link.raw(b"\n  \r\n")
        self.assertTalks(link)

    def test_twenty_bad_lines_in_a_row_end_the_link(self) -> None:
        link = self.dials_us()
        link.raw(b"{\n" * 19)
        self.assertTalks(link)
        link.raw(b"{\n" * 19 + b"\n" * 40 + b"{\n" + b'{"type":"SEND","msg_id":1,"payload":"x"}\n')
        self.run_for(1)
        self.assertEqual([bye["reason"] for bye in link.got("BYE")], ["protocol error"])
        self.assertTrue(link.closed)
        self.assertEqual(self.seen.texts, ["to you"])

    def test_a_line_too_long_with_or_without_newline(self) -> None:
        for end in (b"\n", b""):
            link = self.dials_us()
            first = json.dumps({"type": "SEND", "msg_id": end.hex(), "payload": "first"}).encode()
            link.raw(first + b"\n" + b"x" * 32_768 + end)
            self.run_for(1)
            self.assertEqual([bye["reason"] for bye in link.got("BYE")], ["line_too_long"])
            self.assertTrue(link.closed)
        self.assertEqual(self.seen.texts, ["first", "first"])

    def test_the_farewell_arrives_although_the_other_end_keeps_sending(self) -> None:
        class Chatterbox(ForeignPeer):
            def chat(self) -> None:
                if not self.closed:
                    self.raw(b"y" * 10_000)
                    self.host.callLater(0.01, self.chat)

            def on_bye(self, message: dict[str, Any]) -> None:
                pass

        link = self.dials_us(Chatterbox)
        assert isinstance(link, Chatterbox)
        link.transport.pauseProducing()  # it is slow to read: a reset would take the farewell away
        link.chat()
        self.run_for(0.5)
        link.transport.resumeProducing()
        self.run_for(0.5)
        self.assertEqual([bye["reason"] for bye in link.got("BYE")], ["line_too_long"])
        self.run_for(2)
        self.assertTrue(link.closed)
        self.assertEqual(self.town.links(self.node), {})

    def test_the_longest_line_is_taken(self) -> None:
        link = self.dials_us()
        empty = json.dumps({"type": "SEND", "msg_id": "1", "dst": "me", "payload": ""})
        payload = "x" * (32_767 - len(empty))
        link.say("SEND", msg_id="1", dst="me", payload=payload, ttl=...)
        self.run_for(1)
        self.assertEqual([len(text) for text in self.seen.texts], [len(payload)])
        link.say("SEND", msg_id="2", dst="me", payload=payload + "x", ttl=...)
        self.run_for(1)
        self.assertEqual([bye["reason"] for bye in link.got("BYE")], ["line_too_long"])

    def test_the_first_message_must_be_hello(self) -> None:
        for kind in ("PING", "SEND", "BYE", "HELLO_OK", "WHAT"):
            link = self.connects_raw()
            link.say(kind, peer_id="bob@CIC", payload="x", timestamp=None)
            self.run_for(0.5)
            self.assertTrue(link.closed, kind)
            self.assertEqual(link.messages, [])
        self.assertEqual(self.seen.texts, [])

    def test_an_impossible_peer_id_is_refused(self) -> None:
        for odd in (
            "",
            "bob",
            "@CIC",
            "bob@",
            "x" * 65 + "@CIC",
            "b\x1b[2Jb@CIC",
            None,
            7,
            ["a@b"],
        ):
            link = self.connects_raw()
            link.say("HELLO", peer_id=odd)
            self.run_for(0.5)
            self.assertTrue(link.closed, repr(odd))
        self.assertEqual(self.town.links(self.node), {})

    def test_a_handshake_has_ten_seconds(self) -> None:
        silent, dribbling = self.connects_raw(), self.connects_raw()
        for byte in b'{"type":"HELLO"' + b" " * 4:
            dribbling.raw(bytes([byte]))
            self.run_for(0.4)
        self.assertFalse(silent.closed or dribbling.closed)
        self.run_for(3)
        self.assertTrue(silent.closed and dribbling.closed)

    def test_a_listener_that_does_not_answer_is_a_failed_attempt(self) -> None:
        class Mute(ForeignPeer):
            def on_hello(self, message: dict[str, Any]) -> None:
                pass

        program = self.program(Mute)
        program.listen()
        self.register(program)
        self.run_for(9)
        self.assertEqual(self.peer().status, Status.CONNECTING)
        self.run_for(1.5)
        self.assertEqual(self.peer().status, Status.DISCONNECTED)
        self.run_for(90)
        self.assertEqual(self.peer().status, Status.STALE)
        self.assertEqual(len(program.links), 5)

    def test_a_direct_message_for_somebody_else_is_dropped(self) -> None:
        link = self.dials_us()
        for dst in ("eve@CIC", "me@other", "CIC"):
            link.send("not yours", dst=dst)
        for ours in ("me@CIC", "me", "", ..., None):
            link.send("yours", dst=ours)
        self.run_for(1)
        self.assertEqual(self.seen.texts, ["yours"] * 5)
        self.assertEqual(len(link.got("ACK")), 5)

    def test_a_claimed_sender_is_shown_under_the_links_peer(self) -> None:
        link = self.dials_us()
        link.send("trust me", src="boss@CIC")
        self.run_for(1)
        ((peer_id, message),) = self.seen.messages
        self.assertEqual((peer_id, message.src), ("bob@CIC", "boss@CIC"))

    def test_a_ttl_of_zero_is_dropped(self) -> None:
        link = self.dials_us()
        for ttl in (0, -1, "0", -0.5):
            link.send("late", ttl=ttl)
            link.say("PING", timestamp=None, ttl=ttl)
        for fine in (1, 64, 0.5, None, "x"):
            link.send("fine", ttl=fine)
        self.run_for(1)
        self.assertEqual(self.seen.texts, ["fine"] * 5)
        self.assertEqual(link.got("PONG"), [])

    def test_a_payload_that_is_no_string_is_shown_as_json(self) -> None:
        link = self.dials_us()
        for payload in (5, None, {"a": [1, "é"]}, True):
            link.send(payload)
        self.run_for(1)
        self.assertEqual(self.seen.texts, ["5", "null", '{"a": [1, "é"]}', "true"])

    def test_an_end_that_accepts_and_drops_is_backed_off_from(self) -> None:
        program = self.program(quirks.DropsUs)
        program.listen()
        self.register(program)
        self.run_for(240)
        self.assertLess(len(program.links), 12)
        self.assertGreater(len(program.links), 6)

    def test_extensions_are_ignored(self) -> None:
        link = self.dials_us()
        for kind in ("WHO_HAS", "RELAY", "METRICS_REQ", "HELLO_REJECT", "ERROR", "send", ""):
            link.say(kind, src="bob@CIC", dst="me@CIC", payload="x")
        link.raw(b'{"type":5}\n{"no":"type"}\n{}\n')
        self.assertTalks(link)
        self.assertEqual(len(link.messages), 3)  # HELLO_OK, ACK, SEND


class RoughNetworkTests(AcceptsTests):
    """The same rows where every read is cut and joined at random."""

    cut = 0.7
    join = 0.5
