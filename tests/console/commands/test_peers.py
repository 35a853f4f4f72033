"""Peers and links: /peers, /conn, /rtt, and the tables that they answer with."""

from __future__ import annotations

import re

from p2pchat.console.reports import duration, link_rows, links_table, peer_rows, peers_table
from p2pchat.mesh.peers import Status
from p2pchat.rendezvous.directory import Listings, Unreachable
from p2pchat.turns import at_once
from p2pchat.wire.friends import Friends
from tests.support.consoles import ME, listing
from tests.support.typed_commands import CommandCase


class PeersTests(CommandCase):
    def test_it_asks_now_and_lists_one_row_a_peer(self) -> None:
        self.node.meets("bob@CIC")
        self.node.meets("zoe@UnB", outbound=False)
        self.node.knows("gone@CIC", Status.STALE)
        answer = self.ask("/peers")
        self.assertNoResult(answer)
        self.node.presence.asked[0].callback(
            [
                listing("bob@CIC", 4001, expires_in=50),
                listing("bob@CIC", 4002, expires_in=20),
                listing(ME),
                listing("日本@CIC", 4003, ip="::1"),
                listing("\x1b[2J@CIC", 4004),
            ]
        )
        self.assertEqual(
            self.successResultOf(answer).lines,
            [
                "peer_id         address         status",
                "\\x1b\\x5b2J@CIC  10.0.0.1:4004   UNKNOWN",
                "bob@CIC         10.0.0.1:4001   CONNECTED",
                "zoe@UnB         10.0.0.9:40000  CONNECTED (not listed)",
                "日本@CIC        [::1]:4003      UNKNOWN",
            ],
        )

    def test_a_namespace_narrows_it_down(self) -> None:
        answer = self.ask("/peers #UnB")
        self.node.presence.asked[0].callback([listing("bob@CIC"), listing("zoe@UnB")])
        lines = self.successResultOf(answer).lines
        self.assertEqual([line.split()[0] for line in lines], ["peer_id", "zoe@UnB"])

    def test_some_of_many(self) -> None:
        self.node.meets("bob@CIC")
        self.node.knows("carol@CIC").registered = True
        self.node.peers.get("bob@CIC").registered = True  # type: ignore[union-attr]
        self.node.presence.partial = True
        self.node.presence.registered_in_all = 12_000
        some = Listings([listing("carol@CIC")])
        some.whole, some.total = False, 10_000
        answer = self.ask("/peers")
        self.node.presence.asked[0].callback(some)
        lines = self.successResultOf(answer).lines
        self.assertEqual(
            [line.split()[0] for line in lines],
            ["asked", "12,000", "peer_id", "bob@CIC", "carol@CIC"],
        )
        text = "\n".join(lines)
        self.assertIn("asked for 1 of 10,000 in [#CIC], and those that are known; /peers all", text)
        self.assertNotIn("not listed", text)
        self.assertFalse(self.node.presence.whole)
        self.ask("/peers all")
        self.assertTrue(self.node.presence.whole)

    def test_nobody(self) -> None:
        for line, text in (("/peers", "no other peers"), ("/peers #X", "no other peers in [#X]")):
            answer = self.ask(line)
            self.node.presence.asked[-1].callback([listing(ME)])
            self.assertEqual(self.successResultOf(answer).lines, [text])

    def test_without_the_rendezvous_it_lists_what_is_known(self) -> None:
        self.node.meets("bob@CIC")
        self.node.knows("carol@CIC", Status.STALE).addresses = (("10.0.0.3", 4000),)
        self.node.knows("dan@CIC")
        answer = self.ask("/peers")
        self.node.presence.asked[0].errback(Unreachable("no \x1b[1manswer"))
        self.assertEqual(
            self.successResultOf(answer).lines,
            [
                "the rendezvous could not be asked: no \\x1b[1manswer",
                "what is known:",
                "peer_id    address         status",
                "bob@CIC    10.0.0.9:40000  CONNECTED",
                "carol@CIC  10.0.0.3:4000   STALE",
                "dan@CIC    -               UNKNOWN",
            ],
        )

    def test_a_fault_is_not_taken_for_an_answer(self) -> None:
        answer = self.ask("/peers")
        self.node.presence.asked[0].errback(ZeroDivisionError())
        self.failureResultOf(answer, ZeroDivisionError)

    def test_combining_characters_take_no_column(self) -> None:
        rows = at_once(peer_rows([], None, [listing("e\u0301@C"), listing("ab@C")]))
        lines = peers_table(rows, None, "me@CIC", Friends(), asked=True).lines()
        self.assertEqual([line.index("10.") for line in lines[1:]], [9, 10])


class LinkTests(CommandCase):
    def test_conn_lists_the_links(self) -> None:
        self.assertEqual(self.reply("/conn").lines, ["no links"])
        self.node.meets("bob@CIC", outbound=False)
        self.clock.advance(65)
        link = self.node.meets("bob@CIC")
        link.sent, link.received = 1234, 5
        head, *rows = self.reply("/conn").lines
        self.assertEqual(
            head.split(), ["peer_id", "direction", "since", "in", "out", "over", "from"]
        )
        self.assertRegex(
            rows[0], r"^bob@CIC  inbound    \d\d:\d\d:\d\d \(1 min\)  0   0      IPv4  -$"
        )
        self.assertRegex(
            rows[1], r"^bob@CIC  outbound   \d\d:\d\d:\d\d \(0 s\)    5   1,234  IPv4  -$"
        )

    def test_an_old_link_has_a_date(self) -> None:
        self.node.meets("bob@CIC")
        links = link_rows(self.node.peers.connected(), 90_000, 1_000_000_000)
        rows = links_table(links, 1_000_000_000).lines()
        self.assertTrue(re.search(r"2001-09-0\d \d\d:\d\d \(1 d 1 h\)", rows[1]), rows[1])

    def test_durations(self) -> None:
        for seconds, text in (
            (0.9, "0 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (200_000, "2 d 7 h"),
        ):
            self.assertEqual(duration(seconds), text)

    def test_rtt_shows_average_minimum_last_and_samples(self) -> None:
        self.node.meets("bob@CIC")
        bob = self.node.peers.connected()[0]
        for seconds in (0.010, 0.020, 0.0301):
            bob.add_round_trip(seconds)
        head, row = self.reply("/rtt").lines
        self.assertEqual(row.split(), ["bob@CIC", "20.0", "10.0", "30.1", "10.0", "20.0", "30.1"])
        self.assertIn("samples", head)

    def test_rtt_pings_who_has_no_sample_and_waits_for_the_pong(self) -> None:
        self.node.knows("dan@CIC")
        link = self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.assertEqual(link.pings, 1)
        self.clock.advance(0.1)
        self.assertNoResult(answer)
        self.node.peers.connected()[0].add_round_trip(0.1)
        self.clock.advance(0.1)
        lines = self.successResultOf(answer).lines
        self.assertEqual(lines[1].split(), ["bob@CIC", "100.0", "100.0", "100.0", "100.0"])
        self.assertEqual(len(lines), 2)

    def test_rtt_waits_for_a_second_at_most(self) -> None:
        self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.clock.pump([0.02] * 51)
        lines = self.successResultOf(answer).lines
        self.assertEqual(lines[1].split(), ["bob@CIC", "-", "-", "-", "no", "answer", "yet"])

    def test_rtt_shows_what_the_person_calls_a_peer(self) -> None:
        self.node.meets("bob@CIC")
        self.node.peers.connected()[0].add_round_trip(0.01)
        self.reply("/alias mum bob")
        self.assertTrue(self.reply("/rtt").lines[1].endswith("10.0, alias mum"))

    def test_rtt_of_nobody(self) -> None:
        self.assertEqual(self.reply("/rtt").lines, ["no links, and no round-trip times"])

    def test_rtt_does_not_wait_for_who_has_left(self) -> None:
        link = self.node.meets("bob@CIC")
        answer = self.ask("/rtt")
        self.node.loses(link)
        self.clock.advance(0.02)
        self.assertEqual(self.successResultOf(answer).lines, ["no links, and no round-trip times"])


class BlockTests(CommandCase):
    def test_a_peer_until_the_program_ends(self) -> None:
        self.node.knows("bob@CIC")
        for name in ("bob@CIC", "bob"):
            self.assertEqual(
                [*self.reply(f"/block {name}").lines],
                [
                    "[bob@CIC] is blocked until this program ends",
                    "to keep it, add it to limits.blocked in the configuration; a reload applies"
                    " that",
                ],
            )
        self.assertTrue(self.node.mesh.blocking.has_peer("bob@CIC"))
        self.assertEqual([*self.reply("/unblock bob").lines], ["[bob@CIC] is not blocked any more"])
        self.assertFalse(self.node.mesh.blocking.has_peer("bob@CIC"))

    def test_what_is_blocked(self) -> None:
        self.reply("/block 192.0.2.7")
        self.assertEqual(
            [*self.reply("/block").lines],
            ["*@spam (limits.blocked)", "192.0.2.7/32 (until this program ends)"],
        )
        again = self.reply("/block *@spam")
        self.assertEqual([*again.lines], ["[*@spam] is blocked by limits.blocked"])
        self.node.mesh.blocking.configure([])
        self.reply("/unblock 192.0.2.7")
        self.assertEqual([*self.reply("/block").lines], ["nobody is blocked"])

    def test_what_cannot_be_blocked_or_unblocked(self) -> None:
        self.node.knows("zoe@CIC")
        self.node.knows("zoe@UnB")
        for line, why in (
            ("/block nobody", '"nobody" is no peer_id, NAME@*, *@NAMESPACE, address or network'),
            ("/block zoe", "[zoe] may be any of [zoe@CIC], [zoe@UnB]"),
            ("/block *@*", '"*@*" would block everybody'),
            ("/unblock", "usage: /unblock <entry>"),
            ("/unblock zoe@CIC", "zoe@CIC is not blocked (/block lists what is)"),
            ("/unblock *@spam", "*@spam is in limits.blocked: take it out there, and reload"),
        ):
            answer = self.reply(line)
            self.assertEqual(([*answer.lines], answer.ok), ([why], False))
