"""Every request of the control socket, asked of a real node in a fake network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from p2pchat.control.answers import REQUESTS
from p2pchat.control.protocol import USUAL_KINDS
from p2pchat.logs.levels import get_level, set_level
from p2pchat.node.news import Became, News
from p2pchat.settings.checks import ConfigError
from p2pchat.testing.directory import Fault
from p2pchat.wire.messages import Pub, Send
from tests.support.control_sockets import STAMP, ControlledCase
from tests.support.histories import FULL, BrokenConnection


def unusable() -> list[str]:
    raise ConfigError("nothing was changed: x")


class AnswerTests(ControlledCase):
    def later(self, seconds: float = 0.5) -> list[dict[str, Any]]:
        self.town.run(seconds)
        return self.client.heard()

    def test_every_answer_names_its_request(self) -> None:
        for name in (1, "x", 2.5):
            self.client.say({"do": "status", "id": name})
            self.assertEqual(self.client.heard()[0]["id"], name)
        self.assertNotIn("id", self.client.ask("status"))

    def test_no_such_request(self) -> None:
        answer = self.client.ask("fly")
        self.assertEqual((answer["ok"], answer["code"]), (False, "unknown_request"))
        for name in REQUESTS:
            self.assertIn(name, answer["error"])

    # ------------------------------------------------------------ messages

    def test_a_message_is_answered_when_it_has_arrived(self) -> None:
        self.client.say({"id": 1, "do": "send", "to": "bob@CIC", "text": "olá ✓"})
        self.assertEqual(self.client.heard(), [])
        (answer,) = self.later()
        self.assertTrue(answer["ok"])
        self.assertEqual(answer["to"], "bob@CIC")
        self.assertGreater(answer["seconds"], 0)
        self.assertEqual(self.town.seen(self.place.bob).texts, ["olá ✓"])
        self.assertEqual(self.town.seen(self.place.alice).acked, [("bob@CIC", answer["msg_id"])])

    def test_the_only_one_of_a_name_needs_no_namespace(self) -> None:
        self.client.say({"do": "send", "to": "bob", "text": "oi"})
        self.assertEqual(self.later()[0]["to"], "bob@CIC")
        self.place.alice.peers.listed("bob@XYZ")
        answer = self.client.ask("send", to="bob", text="oi")
        self.assertIn("may be any of [bob@CIC], [bob@XYZ]", answer["error"])

    def test_a_name_in_another_form_of_unicode(self) -> None:
        self.place.alice.peers.listed("jos\u00e9@CIC")
        for to in ("jose\u0301", "jose\u0301@CIC"):
            answer = self.client.ask("send", to=to, text="oi")
            self.assertIn("jos\u00e9@CIC", answer["error"])

    def test_what_cannot_be_sent(self) -> None:
        for to, text, code, why in [
            ("nobody@CIC", "oi", "not_sent", "no such peer"),
            ("nobody", "oi", "not_sent", "no such peer"),
            ("", "oi", "not_sent", "a peer is missing: name one, or #namespace, or *"),
            (" ", "oi", "not_sent", "a peer is missing"),
            ("alice@CIC", "oi", "not_sent", "yourself"),
            ("bob@CIC", "", "bad_request", "no text"),
            ("bob@CIC", "x" * 40_000, "not_sent", "too long"),
            ("#", "oi", "not_sent", "neither"),
        ]:
            answer = self.client.ask("send", to=to, text=text)
            self.assertEqual((answer["ok"], answer["code"]), (False, code), to)
            self.assertIn(why, answer["error"])

    def test_what_does_not_arrive(self) -> None:
        self.town.host_of(self.place.bob).unplug()
        self.client.say({"do": "send", "to": "bob@CIC", "text": "oi"})
        (answer,) = self.later(6)
        self.assertEqual((answer["ok"], answer["code"]), (False, "not_delivered"))
        self.assertIn("no ACK", answer["error"])
        self.assertEqual(answer["to"], "bob@CIC")
        self.assertIn("msg_id", answer)

    def test_what_is_kept_for_later(self) -> None:
        self.keep()
        self.client.say({"do": "send", "to": "zoe@CIC", "text": "oi"})
        (answer,) = self.later()
        self.assertEqual((answer["ok"], answer["code"]), (False, "queued"))
        self.assertIn("it is kept", answer["error"])

    def test_what_is_cancelled_or_cannot_be_kept_is_answered_once(self) -> None:
        alice = self.keep()
        thread = self.place.thread
        thread.at_once = False
        self.client.say({"do": "send", "to": "zoe@CIC", "text": "oi"})
        self.assertEqual(self.later(), [])
        alice.outgoing.cancel([*alice.outgoing.outbox])
        self.assertEqual(self.client.heard(), [], "a kill would bring it back")
        while thread.calls:
            thread.step()
        (answer,) = self.client.heard()
        self.assertEqual((answer["code"], answer["error"]), ("not_delivered", "cancelled"))
        self.assertFalse(answer["later"])
        BrokenConnection.trouble = FULL
        self.client.say({"do": "send", "to": "zoe@CIC", "text": "olá"})
        thread.at_once = True
        while thread.calls:
            thread.step()
        (answer,) = self.later(6)
        self.assertEqual(answer["code"], "not_delivered")
        why = "it could not be kept (database or disk is full), and is not sent"
        self.assertEqual((answer["error"], answer["later"]), (why, False))
        # A program that says it again does not send it twice.
        self.assertEqual([*alice.outgoing.outbox], [])
        BrokenConnection.trouble = None
        self.assertEqual(self.later(10), [])
        self.assertEqual([*alice.outgoing.outbox], [])

    def test_what_goes_out_when_the_past_is_read_is_sent_later(self) -> None:
        """Nobody should say it again: it would be sent twice."""
        told: list[Any] = []

        def send(to: str, _text: str, tell: Any, **_: Any) -> None:
            told.append(News(to, "m1", "oi", Became.UNKEPT, reason="it goes out later"))
            tell(told[0])

        history = SimpleNamespace(ready=False, why="database is locked")
        self.place.alice.history = cast("Any", history)
        self.addCleanup(setattr, self.place.alice, "history", None)
        self.patch(self.place.alice, "send", send)
        answer = self.client.ask("send", to="zoe@CIC", text="oi")
        self.assertEqual((answer["error"], answer["later"]), ("it goes out later", True))
        self.assertEqual(len(told), 1)

    def test_publishing(self) -> None:
        for scope, count in (("*", 1), ("#CIC", 1), ("#XYZ", 0)):
            answer = self.client.ask("send", to=scope, text="all")
            self.assertEqual((answer["to"], answer["peers"], answer["dropped"]), (scope, count, 0))

    # ------------------------------------------------------------ questions

    def test_status(self) -> None:
        answer = self.client.ask("status")
        self.assertEqual(answer["peer_id"], "alice@CIC")
        self.assertEqual((answer["links"], answer["known_peers"]), (1, 1))
        self.assertIs(answer["registered"], True)
        self.assertEqual((answer["trouble"], answer["interface"]), ("", ""))
        self.assertIs(answer["history"], False)
        self.assertEqual(answer["not_kept"], "")
        history = SimpleNamespace(failing=True, why="the disk is full")
        self.place.alice.history = cast("Any", history)
        self.addCleanup(setattr, self.place.alice, "history", None)
        self.assertEqual(self.client.ask("status")["not_kept"], "the disk is full")

    def test_peers_known_and_asked_for(self) -> None:
        answer = self.client.ask("peers", ask=False)
        (bob,) = answer["peers"]
        self.assertEqual((bob["peer_id"], bob["status"]), ("bob@CIC", "CONNECTED"))
        self.assertEqual((bob["addresses"], bob["listed"]), (["10.0.0.2:4000"], True))
        self.town.rendezvous.enter("zoe@XYZ", "10.0.0.9", 4000)
        self.client.say({"do": "peers"})
        (answer,) = self.later()
        self.assertEqual([peer["peer_id"] for peer in answer["peers"]], ["bob@CIC", "zoe@XYZ"])
        self.assertEqual(self.client.ask("peers", scope="#XYZ", ask=False)["peers"][0]["links"], 0)
        self.assertEqual(self.client.ask("peers", scope="XYZ")["code"], "bad_request")

    def test_peers_when_nobody_can_be_asked(self) -> None:
        self.town.rendezvous.fault = Fault.DEAD
        self.client.say({"do": "peers"})
        (answer,) = self.later()
        self.assertEqual(len(answer["peers"]), 1)
        self.assertIn("no connection", answer["trouble"])

    def test_links_and_round_trips(self) -> None:
        self.place.alice.ping_all()
        self.town.run(1)
        (link,) = self.client.ask("conn")["links"]
        self.assertEqual(link["peer_id"], "bob@CIC")
        self.assertIn(link["direction"], ("inbound", "outbound"))
        self.assertRegex(link["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        (times,) = self.client.ask("rtt")["round_trips"]
        self.assertGreater(times["average_seconds"], 0)
        self.assertEqual(len(times["samples_seconds"]), 1)

    def test_stats(self) -> None:
        self.assertEqual(self.client.ask("stats")["stats"]["links"]["open"], 1)

    def test_the_same_for_a_person(self) -> None:
        for name, word in (("peers", "bob@CIC"), ("conn", "bound"), ("rtt", "bob@CIC")):
            self.client.say({"do": name, "format": "text"})
            (answer,) = self.later(2)
            self.assertIn(word, "\n".join(answer["lines"]))
        self.assertIn("links: open 1", "\n".join(self.client.ask("stats", format="text")["lines"]))

    # ------------------------------------------------------------ events

    def test_events_as_they_come(self) -> None:
        self.assertEqual(self.client.ask("subscribe")["events"], sorted(USUAL_KINDS))
        self.place.bob.send("alice@CIC", "one")
        self.place.bob.publish("#CIC", "two")
        self.place.alice.send("bob@CIC", "three")
        events = self.later()
        kinds = [event["event"] for event in events]
        self.assertEqual(sorted(kinds), ["delivered", "message", "message"])
        self.assertEqual({event["time"] for event in events}, {STAMP})
        self.place.alice.observers.notice("beware")
        self.assertEqual(self.client.heard()[0]["text"], "beware")
        self.place.alice.lists.ignore("bob@CIC")
        (bob,) = self.place.alice.peers.connected()
        self.place.alice.observers.status_changed(bob)
        self.assertIs(self.client.heard()[0]["ignored"], True)
        self.town.host_of(self.place.bob).unplug()
        self.place.alice.send("bob@CIC", "four")
        self.assertEqual(self.later(6)[0]["event"], "undelivered")

    def test_events_of_a_node_that_keeps_messages(self) -> None:
        self.client.ask("subscribe")
        peer = self.place.alice.peers.get("bob@CIC")
        assert peer is not None
        self.place.alice.observers.received_late(peer, [Send("1", payload="oi")], [1e9])
        self.place.alice.observers.received_unkept(peer, [Send("2", payload="ai")])
        self.place.alice.observers.queued("bob@CIC", "m")
        late, unkept, queued = self.client.heard()
        self.assertEqual((late["text"], late["said"]), ("oi", "2001-09-09T01:46:40Z"))
        self.assertNotIn("kept", late)
        self.assertNotIn("other_text", late)
        self.assertEqual((unkept["text"], unkept["kept"]), ("ai", False))
        self.assertEqual((queued["event"], queued["msg_id"]), ("queued", "m"))

    def test_an_id_that_comes_with_another_text_is_marked(self) -> None:
        self.client.ask("subscribe")
        peer, link = self.place.alice.peers.get("bob@CIC"), next(iter(self.place.alice.mesh.links))
        assert peer is not None
        for message in (Pub("1", "", "#CIC", "falso"), Send("1", payload="verdadeiro")):
            self.place.alice.incoming.deliver(peer, link, [message])
        false, true = self.client.heard()
        self.assertEqual((false["text"], false.get("other_text")), ("falso", None))
        self.assertEqual((true["to"], true["other_text"]), ("alice@CIC", True))

    def test_only_some_events_and_then_none(self) -> None:
        self.client.ask("subscribe", events=["peer"])
        self.place.bob.send("alice@CIC", "one")
        self.assertEqual(self.later(), [])
        self.client.ask("unsubscribe")
        self.client.ask("unsubscribe")
        self.town.leave(self.place.bob)
        self.assertEqual(self.client.heard(), [])
        self.assertEqual(self.client.ask("subscribe", events=["weather"])["code"], "bad_request")

    def test_what_a_person_sees_counts_as_read(self) -> None:
        history = self.keep().history
        assert history is not None
        other = self.place.client()
        self.client.ask("subscribe")
        self.assertEqual(history.attending, 0)
        for client in (self.client, other):
            client.ask("subscribe", attended=True)
            client.ask("subscribe", attended=True)
        self.assertEqual(history.attending, 2)
        self.client.ask("subscribe", watching="bob")
        self.assertEqual(history.attending, 0, "the person is there, and not here")
        self.client.ask("subscribe")
        self.assertEqual(history.attending, 1)
        other.hang_up()
        self.assertEqual(history.attending, 0)

    def test_a_peer_that_leaves(self) -> None:
        self.client.ask("subscribe", events=["peer"])
        self.town.leave(self.place.bob)
        event = self.client.heard()[-1]
        self.assertEqual((event["status"], event["left"]), ("DISCONNECTED", True))

    def test_nobody_listens_nothing_is_done(self) -> None:
        observers = self.place.alice.observers._observers
        idle = len(observers)
        self.client.say({"do": "send", "to": "bob@CIC", "text": "oi"})
        self.assertEqual(len(observers), idle)
        self.client.ask("subscribe")
        self.assertEqual(len(observers), idle + 1)
        self.client.hang_up()
        self.assertEqual(len(observers), idle)

    # ------------------------------------------------------------ orders

    def test_log_level(self) -> None:
        self.addCleanup(set_level, get_level())
        self.assertEqual(self.client.ask("log", level="warning")["level"], "WARNING")
        self.assertEqual(get_level(), "WARNING")
        self.assertEqual(self.client.ask("log", level="loud")["code"], "bad_request")

    def test_reload(self) -> None:
        self.assertEqual(self.client.ask("reload")["lines"], ["nothing changed"])
        self.place.service.requests._reload = unusable
        refused = self.client.ask("reload")
        self.assertEqual((refused["code"], refused["error"]), ("refused", "nothing was changed: x"))
        self.place.service.requests._reload = None
        self.assertEqual(self.client.ask("reload")["code"], "refused")

    def test_stop_is_answered_first(self) -> None:
        self.assertEqual(self.client.ask("stop"), {"ok": True})
        self.assertEqual(self.place.stopped, 0)
        self.town.run(0)
        self.assertEqual(self.place.stopped, 1)
