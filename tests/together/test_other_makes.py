"""A node that keeps messages, and clients of other makes: what they answer, take, and never say."""

from __future__ import annotations

from typing import Any

from p2pchat.console.commands.past import outbox
from p2pchat.console.commands.sent import SentMessages
from p2pchat.control.client.event_lines import event_line
from p2pchat.control.events import undelivered_event
from p2pchat.history.reading import Reader
from p2pchat.history.records import ABANDONED, DELIVERED
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.news import Became, News
from tests.support import quirky_peers as quirks
from tests.support.quirky_peers import ForeignPeer, Program
from tests.together.test_keeping import KeepingCase

BOB = "bob@CIC"
LONG = "x" * 5000


class OtherMakesCase(KeepingCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.node("alice@CIC")
        self.news: list[tuple[str, Became, str]] = []
        self.addCleanup(self.leave)
        self.run_for(1)

    def leave(self) -> None:
        if self.town.nodes:
            self.town.close()

    def run_for(self, seconds: float) -> None:
        self.town.run(seconds)

    def program(self, kind: type[ForeignPeer] = ForeignPeer, port: int = 4000) -> Program:
        """A program that listens, is listed, and is linked to."""
        program = Program(self.town.network.host("10.0.1.1"), BOB, kind)
        program.listen(port)
        self.list_bob(port)
        return program

    def list_bob(self, port: int, ip: str = "10.0.1.1") -> None:
        self.town.rendezvous.enter(BOB, ip, port)
        self.alice.presence.discover()
        self.run_for(1)

    def dials_us(self, program: Program) -> ForeignPeer:
        program.dial(self.town.host_of(self.alice).ip)
        self.run_for(0.5)
        self.assertTrue(program.link.open)
        return program.link

    def say(self, text: str) -> str:
        return self.alice.send(BOB, text, self.told)

    def told(self, news: News) -> None:
        self.news.append((news.text, news.became, str(news.reason)))

    def became(self, text: str) -> list[Became]:
        return [became for said, became, _ in self.news if said == text]

    def last_reason(self) -> str:
        return self.news[-1][2]

    @property
    def bob(self) -> Peer:
        peer = self.alice.peers.get(BOB)
        assert peer is not None
        return peer

    def states(self) -> dict[str, int]:
        reader = Reader(self.path("alice@CIC"))
        try:
            return {line.text[:10]: line.state for line in reader.recent(BOB, 100)}
        finally:
            reader.close()

    def outbox(self) -> list[str]:
        lines = outbox(self.alice.outgoing, "", lambda name: name)
        assert isinstance(lines, list)
        return lines


class AnswersElsewhereTests(OtherMakesCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(quirks.AnswersOnItsOtherLink, "all", [])
        self.bob_program = self.program(quirks.AnswersOnItsOtherLink)
        self.dials_us(self.bob_program)
        self.assertEqual(len(self.bob.links), 2)

    def test_answers_count_whatever_link_they_come_on(self) -> None:
        for number in range(4):
            self.run_for(100)
            self.say(str(number))
            self.run_for(1)
        self.assertEqual((len(self.bob_program.links), len(self.bob_program.live)), (2, 2))
        self.assertEqual({became for _, became, _ in self.news}, {Became.DELIVERED})
        self.assertEqual(self.alice.mesh.keepalive.ended, 0)
        self.assertEqual(len(self.bob.round_trips), 10)

    def test_a_bye_that_is_answered_on_the_other_link(self) -> None:
        took = self.town.leave(self.alice)
        self.assertLess(took, 1)
        self.town.check_clean(self.town.network.host("10.0.0.1"))

    def test_who_knows_no_id_does_not_keep_a_dead_link(self) -> None:
        """Somebody says bob's name: what it is asked itself is no answer for his dead link."""
        first, second = self.bob_program.links
        self.patch(quirks.AnswersOnItsOtherLink, "say", ForeignPeer.say)
        for end in self.town.network.between(first.host, self.town.host_of(self.alice)):
            end.severed = end.other.severed = True
        impostor = Program(self.town.network.host("10.0.6.6"), BOB, EchoesEveryPing)
        self.dials_us(impostor)
        self.alice.ping_all()
        self.run_for(100)
        self.assertEqual([link.ip for link in self.bob.links], ["10.0.6.6"])
        self.assertFalse(second.open and self.bob.links[0].ip == "10.0.1.1")

    def test_a_flood_of_pongs_costs_little(self) -> None:
        for number in range(3000):
            self.bob_program.link.raw(b'{"type":"PONG","msg_id":"%d"}\n' % number)
        self.run_for(5)
        self.assertEqual(len(self.bob.links), 2)
        self.assertEqual(len(self.bob.round_trips), 0)


class EchoesEveryPing(ForeignPeer):
    """Answers each PING three times."""

    def on_ping(self, message: dict[str, Any]) -> None:
        for _ in range(3):
            super().on_ping(message)


class NewPortTests(OtherMakesCase):
    def test_a_connected_peer_that_is_listed_at_a_new_port_is_dialed_there(self) -> None:
        program = self.program()
        old = program.link
        for end in self.town.network.between(old.host, self.town.host_of(self.alice)):
            end.severed = end.other.severed = True
        program.host.ports[4000].close()
        program.listen(4001)
        self.list_bob(4001)
        self.assertEqual(len(program.links), 2)
        self.say("there")
        self.run_for(1)
        self.assertEqual((old.texts, program.link.texts), ([], ["there"]))
        self.assertEqual(self.became("there"), [Became.DELIVERED])
        self.run_for(120)
        self.assertEqual(len(self.bob.links), 1)
        self.assertNotIn((BOB, Status.DISCONNECTED), self.town.seen(self.alice).statuses)

    def test_nobody_there_changes_nothing_and_is_dialed_once(self) -> None:
        program = self.program()
        self.list_bob(4001)
        self.run_for(60)
        self.assertEqual((len(program.links), len(program.live)), (1, 1))
        self.assertEqual(
            [status for _, status in self.town.seen(self.alice).statuses].count(Status.CONNECTED), 1
        )
        self.say("still here")
        self.run_for(1)
        self.assertEqual(program.link.texts, ["still here"])
        program.link.transport.loseConnection()
        self.run_for(0.1)
        program.listen(4001)
        self.run_for(5)
        self.assertEqual(self.bob.status, Status.CONNECTED)

    def test_who_dialed_us_and_is_listed_for_the_first_time_is_not_dialed(self) -> None:
        program = Program(self.town.network.host("10.0.1.1"), BOB)
        program.listen()
        self.dials_us(program)
        self.list_bob(4000)
        self.assertEqual(len(program.links), 1)

    def test_a_port_that_we_are_linked_to_is_not_dialed_again(self) -> None:
        program = self.program()
        program.listen(4001)
        for port in (4001, 4000, 4001, 4000):
            self.list_bob(port)
        self.assertEqual(len(program.links), 2)

    def test_our_own_kind_comes_by_itself(self) -> None:
        self.node(BOB)
        self.meet()
        self.run_for(6)
        self.assertTrue(self.bob.addresses)
        trap = Program(self.town.network.host("10.0.1.1"), BOB)
        trap.listen()
        self.list_bob(4000)
        self.run_for(30)
        self.assertEqual(trap.links, [])


class CannotTakeTests(OtherMakesCase):
    def test_what_a_peer_cannot_take_lets_the_others_go_first(self) -> None:
        program = self.program(quirks.ClosesAtLongLines)
        self.say(LONG)
        self.run_for(0.01)
        for number in range(3):
            self.say(str(number))
        seen: list[str] = []
        for _ in range(300):
            self.run_for(0.1)
            seen += self.outbox()[:1] if "closed the link" in self.outbox()[0] else []
        texts = [text for link in program.links for text in link.texts]
        self.assertEqual(texts, ["0", "1", "2"])
        self.assertIn("its peer closed the link behind it, twice: the others go first", seen[0])
        self.assertEqual(self.news[-2][:2], ("2", Became.DELIVERED))
        self.assertEqual(self.became(LONG)[-1], Became.UNCONFIRMED)
        self.assertEqual(self.became(LONG).count(Became.UNCONFIRMED), 1)
        self.assertEqual(
            [reason for text, became, reason in self.news if became is Became.UNCONFIRMED],
            ["sent, not confirmed: each of 3 times the other end closed the link behind it"],
        )
        self.assertEqual(self.outbox(), ["nothing waits"])
        self.run_for(30)
        self.assertEqual(self.bob.status, Status.CONNECTED)

    def test_several_that_it_cannot_take_cost_none_of_the_others(self) -> None:
        # What follows a long line is under way before the end of the link comes here.
        self.town.network.latency = (0.3, 0.4)
        program = self.program(quirks.ClosesAtLongLines)
        self.run_for(3)
        for number in range(3):
            self.say(f"{number} {LONG}")
            for _ in range(20):
                self.say(f"{number} short")
        self.run_for(240)
        texts = [text for link in program.links for text in link.texts]
        self.assertEqual(sorted(texts), sorted(f"{n} short" for n in (0, 1, 2) for _ in range(20)))
        outcomes = [(text[2:7], became) for text, became, _ in self.news if became.value]
        self.assertEqual(outcomes.count(("short", Became.DELIVERED)), 60)
        self.assertEqual(outcomes.count(("xxxxx", Became.UNCONFIRMED)), 3)
        self.assertEqual(self.outbox(), ["nothing waits"])

    def test_what_is_said_meanwhile_goes_first_too(self) -> None:
        program = self.program(quirks.ClosesAtLongLines)
        self.say(LONG)
        self.alice_waits_until(lambda: "closed the link" in self.outbox()[0])
        self.say("later")
        self.run_for(20)
        self.assertEqual([text for link in program.links for text in link.texts], ["later"])
        self.assertEqual(self.became("later")[-1], Became.DELIVERED)

    def alice_waits_until(self, condition: Any) -> None:
        self.town.network.run_until(condition, 30)


class NeverAcknowledgesTests(OtherMakesCase):
    def again(self, program: Program) -> None:
        """The link breaks, and another one opens."""
        links = len(program.links)
        for end in self.town.network.between(program.host, self.town.host_of(self.alice)):
            end.reset()
        self.town.network.run_until(lambda: len(program.links) > links, 60)
        self.run_for(1)

    def count(self, program: Program, text: str) -> int:
        return sum(link.texts.count(text) for link in program.links)

    def test_it_gets_a_message_three_times_and_then_that_is_told_once(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        self.say("oi")
        for number in range(1, 6):
            self.run_for(20)
            self.assertEqual(self.count(program, "oi"), min(number, 3))
            self.again(program)
        self.assertEqual(self.became("oi"), [Became.LATE, Became.LATE, Became.UNCONFIRMED])
        self.assertEqual(
            self.last_reason(), "sent, not confirmed: no ACK came, though it went out 3 times"
        )
        self.assertEqual(self.states(), {"oi": ABANDONED})
        self.assertEqual((len(self.alice.outgoing.outbox), self.alice.outgoing.pending), (0, 0))

    def test_the_person_the_script_and_tail_read_those_words(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        sent = SentMessages(self.alice)
        lines: list[str] = []
        sent.on_news = lambda _news, line: lines.append(line)
        sent.send(BOB, "oi")
        for _ in range(3):
            self.run_for(6)
            self.again(program)
        confirmed = f'[{BOB}]: sent, not confirmed: no ACK came, though it went out 3 times ("oi")'
        self.assertEqual(lines[-1], confirmed)
        self.assertEqual((sent.pending, sent.waiting), (0, 0))
        peer_id, msg_id, reason = self.town.seen(self.alice).failed[-1]
        event = undelivered_event(peer_id, msg_id, reason, "2026-01-31T14:00:00Z")
        self.assertEqual(event_line(event) + ' ("oi")', confirmed)

    def test_links_that_break_before_the_ack_could_come_count_too(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        self.say("oi")
        self.run_for(1)
        for _ in range(3):
            self.again(program)
        self.run_for(6)
        self.assertEqual(self.count(program, "oi"), 3)
        self.assertEqual(self.became("oi")[-1], Became.UNCONFIRMED)

    def test_what_did_not_leave_is_not_counted(self) -> None:
        """The link closes before the first line may leave: nobody got it."""
        program = self.program(quirks.DropsUs)
        self.say("oi")
        self.run_for(40)
        self.assertGreater(len(program.links), 3)
        self.assertEqual(self.count(program, "oi"), 0)
        self.assertEqual([m.times for m in self.alice.outgoing.outbox], [0])
        program.kind = ForeignPeer
        self.run_for(60)
        self.assertEqual(self.count(program, "oi"), 1)
        self.assertEqual(self.became("oi")[-1], Became.DELIVERED)

    def test_its_last_ack_may_come_on_another_link(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        msg_id = self.say("oi")
        for _ in range(2):
            self.run_for(6)
            self.again(program)
        program.kind = ForeignPeer
        self.again(program)
        self.assertEqual(self.count(program, "oi"), 3)
        program.link.say("ACK", msg_id=msg_id)
        self.run_for(0.5)
        self.assertEqual(self.became("oi")[-1], Became.DELIVERED)
        self.assertEqual(self.states(), {"oi": DELIVERED})

    def test_leaving_after_the_third_time(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        self.say("oi")
        self.run_for(1)
        for _ in range(2):
            self.again(program)
        self.town.leave(self.alice)
        self.assertEqual(self.count(program, "oi"), 3)
        self.assertEqual(self.became("oi").count(Became.UNCONFIRMED), 1)
        self.assertEqual(self.states(), {"oi": ABANDONED})


class WhatIsToldTests(OtherMakesCase):
    """ "It is kept, and sent again": when, is said as it will be."""

    def test_to_another_program_when_a_link_opens(self) -> None:
        self.program(quirks.NeverAcknowledges)
        self.say("oi")
        self.run_for(6)
        self.assertEqual(
            self.last_reason(),
            "no ACK within 5 s: it is kept, and sent again when a link opens",
        )

    def test_to_our_own_kind_in_ten_seconds(self) -> None:
        bob = self.node(BOB, at_once=False)
        self.threads[-1].step()
        self.meet()
        self.say("oi")
        self.run_for(6)
        self.assertEqual(
            self.last_reason(),
            "no ACK within 5 s: it is kept, and sent again in 10 s, or when a link opens before",
        )
        self.assertIn("(no ACK came: sent again soon)", self.outbox()[0])
        sent = self.alice.outgoing.sent
        self.run_for(10)
        self.assertEqual(self.alice.outgoing.sent, sent + 1)
        while self.threads[-1].calls:
            self.threads[-1].step()
        self.threads[-1].at_once = True
        self.run_for(1)
        self.assertEqual(self.texts(bob), ["oi"])

    def test_on_another_link_now(self) -> None:
        program = self.program(quirks.NeverAcknowledges)
        self.say("oi")
        self.run_for(1)
        program.kind = ForeignPeer
        self.dials_us(program)
        self.run_for(6)
        self.assertEqual(
            self.news[0][2],
            "no ACK within 5 s: it is kept, and sent again now, on another link",
        )
        self.assertEqual(self.became("oi"), [Became.LATE, Became.DELIVERED])


class ReusedIdTests(OtherMakesCase):
    def test_one_id_and_two_texts_are_two_messages_and_two_acks(self) -> None:
        program = self.program(quirks.CountsItsMessages)
        program.link.send("um")
        self.run_for(1)
        second = self.dials_us(program)
        for text in ("dois", "três"):
            second.send(text)
        second.say("SEND", msg_id="1", src=BOB, dst="alice@CIC", payload="dois", require_ack=True)
        self.run_for(1)
        self.assertEqual(self.texts(self.alice), ["um", "dois", "três"])
        self.assertEqual(sorted(ack["msg_id"] for ack in second.got("ACK")), ["1", "1", "2"])
        self.assertEqual(self.kept("alice@CIC", BOB), ["um", "dois", "três"])

    def test_after_a_restart_too(self) -> None:
        program = self.program(quirks.CountsItsMessages)
        program.link.send("um")
        self.run_for(1)
        self.town.kill(self.alice)
        self.alice = self.node("alice@CIC")
        self.run_for(1)
        self.list_bob(4000)
        for text in ("um", "dois"):
            program.link.say(
                "SEND", msg_id="1", src=BOB, dst="alice@CIC", payload=text, require_ack=True
            )
        self.run_for(1)
        self.assertEqual(self.texts(self.alice), ["dois"])
        self.assertEqual(len(program.link.got("ACK")), 2)


class WantedTests(OtherMakesCase):
    """A message for a peer in backoff."""

    def lost(self) -> Program:
        """Bob was there, and does not listen any more; he is dialed with growing pauses."""
        program = self.program()
        port = program.host.ports[4000]
        port.close()
        for end in self.town.network.between(program.host, self.town.host_of(self.alice)):
            end.reset()
        return program

    def dials(self) -> int:
        return sum(
            1 for _, status in self.town.seen(self.alice).statuses if status is Status.CONNECTING
        )

    def test_it_is_dialed_now(self) -> None:
        program = self.lost()
        self.run_for(18)
        self.assertEqual(self.bob.status, Status.DISCONNECTED)
        program.listen()
        self.assertEqual(len(program.links), 1)
        self.say("oi")
        self.run_for(0.5)
        self.assertEqual(program.link.texts, ["oi"])
        self.assertEqual(self.became("oi"), [Became.QUEUED, Became.DELIVERED])

    def test_also_when_it_is_stale(self) -> None:
        program = self.lost()
        self.run_for(100)
        self.assertEqual(self.bob.status, Status.STALE)
        program.listen()
        self.say("oi")
        self.run_for(0.5)
        self.assertEqual(program.link.texts, ["oi"])

    def test_no_more_often_than_the_shortest_pause_and_it_does_not_count(self) -> None:
        self.lost()
        self.run_for(18)
        failures = self.alice.mesh._dialing._dialers[self.bob].failures
        before = self.dials()
        for _ in range(40):
            for number in range(10):
                self.say(str(number))
            self.run_for(0.1)
        self.assertIn(self.dials() - before, (2, 3))
        self.assertLessEqual(self.alice.mesh._dialing._dialers[self.bob].failures, failures + 1)
        self.assertEqual(self.bob.status, Status.DISCONNECTED)

    def test_who_has_left_or_is_blocked_is_not(self) -> None:
        program = self.program()
        program.link.say("BYE", reason="bye")
        self.run_for(1)
        self.assertTrue(self.bob.left)
        links = len(program.links)
        self.say("oi")
        self.run_for(10)
        self.assertEqual(len(program.links), links)
        self.bob.left = False
        self.alice.mesh.blocking.block(BOB)
        self.say("oi")
        self.run_for(10)
        self.assertEqual(len(program.links), links)
