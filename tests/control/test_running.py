"""The lines that clients of the control socket run: what `p2pchat attach` asks for."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import Backpressure
from p2pchat.console.plain.queue import MEETING
from p2pchat.testing.directory import Fault
from tests.support.control_sockets import STAMP, Client, ControlledCase, ControlledTown

NOTHING_OPEN = {"failed": False, "waiting": 0}


class RunCase(ControlledCase):
    def setUp(self) -> None:
        self.begin(ControlledTown(), settled=1)  # all dials are over
        self.bob = self.town.seen(self.place.bob)

    def script(self, *lines: str, client: Client | None = None) -> None:
        """A client runs these lines, numbered from 1, as a script."""
        (client or self.client).say(
            *(
                {"id": n, "do": "run", "line": line, "script": True}
                for n, line in enumerate(lines, 1)
            )
        )

    def later(self, seconds: float = 0.5) -> list[dict[str, Any]]:
        self.town.run(seconds)
        return self.client.heard()

    def outcomes(self, seconds: float = 0.5) -> list[str]:
        return [said["line"] for said in self.later(seconds) if said.get("event") == "outcome"]


class PersonTests(RunCase):
    def test_a_line_is_answered_as_on_a_console(self) -> None:
        answer = self.client.ask("run", line="/log")
        self.assertEqual(
            (answer["ok"], answer["done"], answer["leave"]), (True, False, False), answer
        )
        self.assertIn("usage: /log", answer["lines"][0])
        answer = self.client.ask("run", line="/conn")
        self.assertIs(answer["done"], True)
        self.assertIn("bob@CIC", answer["lines"][1])
        self.assertEqual(self.client.ask("run")["lines"], [])

    def test_what_became_of_a_message_follows(self) -> None:
        answer = self.client.ask("run", line="/msg bob olá ✓")
        self.assertEqual((answer["lines"], answer["done"]), (["[bob] is [bob@CIC]"], True))
        (outcome,) = self.later()
        self.assertEqual((outcome["event"], outcome["time"]), ("outcome", STAMP))
        self.assertEqual(outcome["peer_id"], "bob@CIC")
        self.assertRegex(outcome["line"], r"^delivered to .bob@CIC. in \d")
        self.assertEqual(self.town.seen(self.place.alice).acked, [("bob@CIC", outcome["msg_id"])])
        self.assertEqual(self.bob.texts, ["olá ✓"])

    def test_or_that_it_did_not_arrive(self) -> None:
        self.town.host_of(self.place.bob).unplug()
        self.client.ask("run", line="/msg bob oi")
        (line,) = self.outcomes(6)
        self.assertIn('not delivered to [bob@CIC]: no ACK within 5 s ("oi")', line)

    def test_or_that_it_waits(self) -> None:
        self.keep()
        self.client.ask("run", line="/msg zoe@CIC oi")
        self.assertEqual(self.later(), [], "a person is asked")
        self.client.ask("run", line="/msg zoe@CIC oi")
        (outcome,) = self.later()
        self.assertIn("queued: [zoe@CIC] is not known here", outcome["line"])

    def test_what_others_say_through_the_node_is_theirs(self) -> None:
        other = self.place.client()
        self.addCleanup(other.hang_up)
        other.ask("run", line="/conn")
        self.client.ask("run", line="/msg bob oi")
        self.place.alice.send("bob@CIC", "from a bot")
        self.assertEqual(len(self.outcomes()), 1)
        self.assertEqual(other.heard(), [])

    def test_a_slow_line_holds_up_nobody(self) -> None:
        self.client.say({"id": 1, "do": "run", "line": "/peers"}, {"id": 2, "do": "run"})
        self.assertEqual([said["id"] for said in self.client.heard()], [2])
        self.assertEqual([said["id"] for said in self.later()], [1])

    def test_quit_leaves_the_console_only(self) -> None:
        answer = self.client.ask("run", line="/quit")
        self.assertEqual((answer["done"], answer["leave"]), (True, True))
        self.assertEqual(self.client.ask("run", line="/conn")["code"], "refused")
        self.assertEqual((self.place.alice.running, self.place.stopped), (True, 0))

    def test_a_fault_of_ours_is_an_answer(self) -> None:
        self.patch(Commands, "run", lambda *_: 1 / 0)
        self.assertEqual(self.client.ask("run", line="/conn")["code"], "failed")
        self.script("/conn")
        self.assertEqual(self.client.heard()[0]["code"], "failed")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_who_has_gone_hears_nothing(self) -> None:
        observers = self.place.alice.observers._observers
        idle = len(observers)
        self.client.ask("run", line="/msg bob oi")
        self.assertEqual(len(observers), idle, "only what became of its own messages is told")
        self.client.hang_up()
        self.town.run(0.5)
        self.assertEqual(self.client.heard(), [])


class ScriptTests(RunCase):
    def test_lines_are_run_in_order_whatever_they_take(self) -> None:
        self.script("/peers", "/msg bob one", "/msg bob two", "/conn")
        self.assertEqual(self.client.heard(), [])
        answers = [said["id"] for said in self.later() if "id" in said]
        self.assertEqual(answers, [1, 2, 3, 4])
        self.assertEqual(self.bob.texts, ["one", "two"])

    def test_nothing_is_run_after_quit(self) -> None:
        self.script("/peers", "/quit", "/msg bob never")
        answers = self.later()
        self.assertEqual([said["id"] for said in answers], [1, 2, 3])
        self.assertEqual(answers[2]["code"], "refused")
        self.assertEqual(self.bob.texts, [])

    def test_as_many_lines_as_may_wait(self) -> None:
        self.script("/peers", *["/help quit"] * 999)
        self.assertEqual(len(self.later()), 1000)

    def test_a_line_waits_while_peers_do_not_keep_up(self) -> None:
        busy = [True]
        self.patch(Backpressure, "should_wait", lambda *_: busy[0])
        self.script("/msg bob oi")
        self.assertEqual(self.later(120), [])
        busy.clear()
        busy.append(False)
        self.assertEqual(self.later()[0]["id"], 1)

    def test_what_waits_for_a_client_that_goes_is_not_run(self) -> None:
        self.script("/peers", "/msg bob never")
        self.client.hang_up()
        self.patch(Backpressure, "should_wait", lambda *_: True)
        late = self.place.client()
        self.script("/msg bob never", client=late)
        late.hang_up()
        self.town.run(1)
        self.assertEqual(self.bob.texts, [])


class MeetingTests(RunCase):
    def setUp(self) -> None:
        super().setUp()
        self.looked: Deferred[None] = Deferred()
        self.patch(self.place.alice.presence, "first_look", lambda: self.looked)
        self.dialing = True
        self.patch(self.place.alice.mesh, "dials_under_way", lambda: self.dialing)

    def test_a_script_needs_no_sleep(self) -> None:
        self.script("/help quit", "/msg bob@CIC at once", "/pub * when all are met")
        self.assertEqual([said["id"] for said in self.client.heard()], [1, 2])
        self.assertEqual(len(self.later(1)), 1)
        self.looked.callback(None)
        self.assertEqual(self.later(1), [])
        self.dialing = False
        self.assertEqual(self.later(1)[0]["lines"], ["published to 1 peer"])

    def test_but_it_waits_only_so_long(self) -> None:
        self.script("/pub * oi", "/pub * again")
        self.assertEqual(self.later(MEETING - 0.1), [])
        self.assertEqual([said["id"] for said in self.later()], [1, 2])

    def test_a_person_does_not_wait(self) -> None:
        self.assertIs(self.client.ask("run", line="/pub * oi")["done"], True)


class SettleTests(RunCase):
    def settle(self, seconds: float = 2) -> dict[str, Any]:
        self.client.say({"id": 0, "do": "settle"})
        (answer,) = (said for said in self.later(seconds) if said.get("id") == 0)
        return answer

    def test_nothing_was_said(self) -> None:
        self.assertEqual(
            self.client.ask("settle"), {"ok": True, "lines": [], "done": True, **NOTHING_OPEN}
        )

    def test_it_waits_for_the_lines_and_their_acks(self) -> None:
        self.script("/peers", "/msg bob one", "/msg bob two")
        self.client.say({"id": 0, "do": "settle"})
        said = self.later()
        self.assertEqual(said[-1], {"id": 0, "ok": True, "lines": [], "done": True, **NOTHING_OPEN})
        self.assertEqual([one["id"] for one in said if "id" in one], [1, 2, 3, 0])
        self.assertEqual([one["event"] for one in said if "id" not in one], ["outcome"] * 2)

    def test_what_does_not_arrive(self) -> None:
        self.town.host_of(self.place.bob).unplug()
        self.script("/msg bob oi")
        self.client.say({"id": 0, "do": "settle"})
        self.town.run(4)
        self.assertEqual([said["id"] for said in self.client.heard()], [1])
        outcome, answer = self.later(2)
        self.assertIn("not delivered", outcome["line"])
        self.assertIs(answer["done"], False)

    def test_what_is_queued_was_not_delivered_yet(self) -> None:
        alice = self.keep()
        self.script("/msg zoe@CIC oi")
        self.assertIs(self.settle()["done"], False)
        self.assertIs(self.settle()["done"], False, "it still waits")
        alice.outgoing.cancel([*alice.outgoing.outbox])
        self.assertIs(self.settle()["done"], False, "it did not arrive")
        self.assertIs(self.settle()["done"], True)

    def test_what_was_published_has_been_read(self) -> None:
        self.script("/pub * oi")
        self.assertIs(self.settle()["done"], True)
        self.assertEqual(self.bob.texts, ["oi"])
        peer = self.place.alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertEqual(len(peer.round_trips), 1)

    def test_or_not(self) -> None:
        self.town.host_of(self.place.bob).unplug()
        self.script("/pub * oi")
        answer = self.settle(60)
        self.assertEqual(answer["lines"], ["not all peers have read what was published"])
        self.assertIs(answer["done"], False)
        self.assertIs(self.settle()["done"], True)

    def test_several_clients_settle_for_themselves(self) -> None:
        other = self.place.client()
        self.addCleanup(other.hang_up)
        self.town.rendezvous.fault = Fault.DEAD
        self.script("/peers", "/msg nobody@CIC oi")
        self.script("/msg bob oi", client=other)
        other.say({"id": 0, "do": "settle"})
        answers = [said for said in self.later(10) if "id" in said]
        self.assertEqual([said["done"] for said in answers], [True, False])
        self.assertIs(other.heard()[-1]["done"], True)
