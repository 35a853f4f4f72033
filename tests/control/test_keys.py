"""Keys over the control socket: what is told, asked and decided, and how safe a message goes."""

from __future__ import annotations

from typing import Any

from p2pchat.control.requests import RequestError, read_request
from p2pchat.mesh.identity.key_text import fingerprint, key_text
from p2pchat.mesh.identity.trust import AlertKind
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.node.node import ChatNode
from p2pchat.node.trusting import Trusting
from p2pchat.wire.messages import Pub, Send
from tests.support.control_sockets import ControlledCase, ControlledTown

OTHER = "9K2M-0000-0000-0000"


class KeysCase(ControlledCase):
    def setUp(self) -> None:
        self.begin(ControlledTown("carol@CIC", sealed=True), settled=1.0)

    def later(self, seconds: float = 0.5) -> list[dict[str, Any]]:
        self.town.run(seconds)
        return self.client.heard()

    def trusting(self, node: ChatNode | None = None) -> Trusting:
        trusting = (node or self.place.alice).trusting
        assert trusting is not None
        return trusting

    @property
    def bob(self) -> str:
        """The fingerprint of bob's key."""
        return self.trusting(self.place.bob).own_fingerprint

    @property
    def bobs_key(self) -> str:
        return key_text(self.trusting(self.place.bob).own_key)

    def link(self, peer_id: str = "bob@CIC") -> IPeerLink:
        return next(it for it in self.place.alice.mesh.links if it.peer_id == peer_id)


class ToldTests(KeysCase):
    def test_status(self) -> None:
        own = self.trusting()
        answer = self.client.ask("status")
        self.assertEqual(answer["key"], key_text(own.own_key))
        self.assertEqual(answer["fingerprint"], own.own_fingerprint)
        self.assertEqual(answer["policy"], "prefer")

    def test_peers_and_links(self) -> None:
        for rows in (
            self.client.ask("conn")["links"],
            self.client.ask("peers", ask=False)["peers"],
        ):
            found = {row["peer_id"]: (row["security"], row["key"]) for row in rows}
            self.assertEqual(found["bob@CIC"], ("encrypted", self.bobs_key))
            self.assertEqual(found["carol@CIC"], ("plain", ""))
        self.trusting().verify("bob@CIC", self.bob)
        rows = self.client.ask("conn")["links"]
        self.assertIn("verified", [row["security"] for row in rows])
        self.place.alice.peers.listed("zoe@CIC")
        rows = self.client.ask("peers", ask=False)["peers"]
        (away,) = [row for row in rows if row["peer_id"] == "zoe@CIC"]
        self.assertEqual((away["security"], away["key"]), ("", ""))

    def test_messages(self) -> None:
        self.client.ask("subscribe", events=["message"])
        self.place.bob.send("alice@CIC", "one")
        self.town.nodes[2].send("alice@CIC", "two")
        one, two = sorted(self.later(), key=lambda event: str(event["text"]))
        self.assertEqual((one["security"], one["key"]), ("encrypted", self.bobs_key))
        self.assertEqual((two["security"], two["key"]), ("plain", ""))
        self.trusting().verify("bob@CIC", self.bob)
        self.place.bob.publish("*", "three")
        self.assertEqual(self.later()[0]["security"], "verified")

    def test_what_is_said_for_somebody_else_came_in_the_clear(self) -> None:
        self.client.ask("subscribe", events=["message"])
        self.trusting().verify("bob@CIC", self.bob)
        peer = self.place.alice.peers.get("bob@CIC")
        assert peer is not None
        messages: list[Send | Pub] = [Send("1", "bob@CIC"), Send("2", "eve@CIC"), Pub("3", "")]
        self.place.alice.incoming.deliver(peer, self.link(), messages)
        told = [(event["security"], event["key"]) for event in self.client.heard()]
        mine = ("verified", self.bobs_key)
        self.assertEqual(told, [mine, ("plain", ""), mine])

    def test_a_link_that_has_ended_still_says_who_was_there(self) -> None:
        self.client.ask("subscribe", events=["message"])
        peer, link = self.place.alice.peers.get("bob@CIC"), self.link()
        assert peer is not None
        link.give_up("over")
        self.town.run(0.1)
        self.place.alice.incoming.deliver(peer, link, [Send("1", "bob@CIC")])
        (event,) = (one for one in self.client.heard() if one["text"] == "")
        self.assertEqual((event["security"], event["key"]), ("encrypted", self.bobs_key))

    def test_what_happens_to_keys(self) -> None:
        self.client.ask("subscribe", events=["key"])
        self.place.alice.send("bob@CIC", "the first")
        self.place.alice.send("bob@CIC", "and the second")
        self.trusting().verify("bob@CIC", self.bob)
        self.trusting().verify("bob@CIC", OTHER)
        self.trusting().trust("zoe@CIC", OTHER, typed=False)
        for kind in AlertKind:
            alert = Alert(kind, "bob@CIC", "x", bytes(32), bytes([1] * 32))
            self.place.alice.observers.key_alert(alert)
        events = [event for event in self.later() if event["peer_id"] != "carol@CIC"]
        self.assertEqual({event["event"] for event in events}, {"key"})
        told = [(event["peer_id"], event["what"]) for event in events]
        mine = [("bob@CIC", "seen"), ("bob@CIC", "verified"), ("zoe@CIC", "trusted")]
        kinds = ["refused", "plain_refused", "refused", "own_key", "refuses_us"]
        kinds += ["rotated", "two_next"]
        self.assertEqual(told, [*mine, *(("bob@CIC", kind) for kind in kinds)])
        self.assertEqual([events[0][name] for name in ("key", "known")], [self.bobs_key] * 2)
        self.assertEqual((events[2]["key"], events[2]["known"]), ("", ""))
        self.assertEqual((events[3]["key"], events[3]["known"]), ("A" * 43, "AQEB" * 10 + "AQE"))

    def test_nobody_subscribed_to_them(self) -> None:
        self.client.ask("subscribe", events=["notice"])
        self.place.alice.send("bob@CIC", "the first")
        self.assertEqual({event["event"] for event in self.later()}, {"notice"})


class DecidedTests(KeysCase):
    def test_all_keys(self) -> None:
        self.place.alice.send("bob@CIC", "oi")
        answer = self.client.ask("keys")
        self.assertEqual(answer["fingerprint"], self.trusting().own_fingerprint)
        (row,) = answer["keys"]
        self.assertEqual(
            {name: row[name] for name in ("peer_id", "key", "fingerprint", "verified", "links")},
            {
                "peer_id": "bob@CIC",
                "key": self.bobs_key,
                "fingerprint": self.bob,
                "verified": None,
                "links": 1,
            },
        )
        self.assertEqual((row["settled"], row["trusted"], row["refused"]), (True, False, []))
        self.assertRegex(row["since"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_the_key_of_one(self) -> None:
        key = bytes([7] * 32)
        self.trusting().known.refused("bob@CIC", key, "10.0.0.66")
        (row,) = self.client.ask("keys", peer_id="bob")["keys"]
        (refused,) = row["refused"]
        self.assertEqual(refused["fingerprint"], fingerprint(key))
        answer = self.client.ask("keys", peer_id="carol@CIC")
        self.assertEqual((answer["ok"], answer["code"]), (False, "unknown_key"))

    def test_verify(self) -> None:
        for text, code in ((OTHER, "different_key"), ("9K2M", "bad_request"), ("", "bad_request")):
            answer = self.client.ask("verify", peer_id="bob@CIC", fingerprint=text)
            self.assertEqual((answer["ok"], answer["code"]), (False, code), text)
        self.assertEqual(self.link().security, "encrypted")
        answer = self.client.ask("verify", peer_id="bob@CIC", fingerprint=self.bob.lower())
        self.assertEqual(
            (answer["ok"], answer["peer_id"], answer["stored"]), (True, "bob@CIC", True)
        )
        self.assertEqual(self.link().security, "verified")
        answer = self.client.ask("verify", peer_id="carol@CIC", fingerprint=self.bob)
        self.assertEqual(answer["code"], "unknown_key")

    def asks(self, **fields: Any) -> dict[str, Any]:
        """What comes after a while."""
        self.client.heard()
        self.client.say({"do": "pair", **fields})
        (answer,) = (it for it in self.later() if "ok" in it)
        return answer

    def test_pair_gives_a_code(self) -> None:
        answer = self.client.ask("pair", peer_id="bob")
        self.assertEqual((answer["peer_id"], answer["seconds"]), ("bob@CIC", 600.0))
        self.assertRegex(answer["code"], r"\A[0-9]{6}\Z")
        self.client.ask("subscribe", events=["key", "notice"])
        assert self.place.bob.pairings is not None
        self.place.bob.pairings.take("alice@CIC", answer["code"])
        told = [(it["event"], it.get("what")) for it in self.later()]
        self.assertEqual(told, [("key", "verified"), ("notice", None)])
        self.assertEqual(self.link().security, "verified")

    def test_pair_takes_a_code(self) -> None:
        assert self.place.bob.pairings is not None
        digits = self.place.bob.pairings.give("alice@CIC").digits
        for wrong, code in (("12345", "bad_request"), ("٣٨٤٧٢٩", "bad_request")):
            answer = self.client.ask("pair", peer_id="bob", code=wrong)
            self.assertEqual((answer["ok"], answer["code"]), (False, code))
        answer = self.asks(peer_id="bob", code=digits)
        self.assertEqual(
            (answer["ok"], answer["peer_id"], answer["stored"]), (True, "bob@CIC", True)
        )
        self.assertEqual(self.link().security, "verified")
        answer = self.asks(peer_id="bob", code=digits)
        self.assertEqual((answer["ok"], answer["code"]), (False, "not_paired"))
        self.assertIn("used up", answer["error"])

    def test_pair_with_whom_it_cannot(self) -> None:
        for peer_id in ("carol@CIC", "zoe@CIC", "alice@CIC"):
            answer = self.client.ask("pair", peer_id=peer_id)
            self.assertEqual((answer["ok"], answer["code"]), (False, "not_paired"), peer_id)

    def test_trust_does_not_verify(self) -> None:
        answer = self.client.ask("trust", peer_id="zoe@CIC", fingerprint=OTHER)
        self.assertTrue(answer["ok"])
        pin = self.trusting().known.pin_of("zoe@CIC")
        assert pin is not None
        self.assertEqual((pin.fingerprint, pin.trusted, pin.verified), (OTHER, True, None))
        self.assertTrue(self.client.ask("verify", peer_id="zoe@CIC", fingerprint=OTHER)["ok"])
        self.assertIsNotNone(pin.verified)

    def test_trust_verifies_what_a_person_has_compared(self) -> None:
        self.client.ask("trust", peer_id="zoe@CIC", fingerprint=OTHER, compared=True)
        pin = self.trusting().known.pin_of("zoe@CIC")
        assert pin is not None
        self.assertIsNotNone(pin.verified)
        answer = self.client.ask("trust", peer_id="zoe@CIC", fingerprint=OTHER, compared="yes")
        self.assertEqual(answer["code"], "bad_request")

    def test_trust_of_another_key_ends_the_links_of_the_one_before(self) -> None:
        self.assertTrue(self.client.ask("trust", peer_id="bob@CIC", fingerprint=OTHER)["ok"])
        self.town.run(5)
        self.assertNotIn("bob@CIC", [link.peer_id for link in self.place.alice.mesh.links])

    def test_forget(self) -> None:
        self.trusting().verify("bob@CIC", self.bob)
        self.assertTrue(self.client.ask("forget_key", peer_id="bob@CIC")["ok"])
        self.town.run(5)
        self.assertEqual(self.link().security, "encrypted", "it came back as one unknown")
        self.client.ask("forget_key", peer_id="zoe@CIC")
        answer = self.client.ask("forget_key", peer_id="zoe@CIC")
        self.assertEqual(answer["code"], "unknown_key")

    def test_odd_names_and_values(self) -> None:
        for do in ("verify", "pair", "trust", "forget_key"):
            for peer_id in ("", " ", "rob", "x" * 5000, "@", "bob@", "\ud800@CIC", "*", "#CIC"):
                answer = self.client.ask(do, peer_id=peer_id, fingerprint="?")
                self.assertFalse(answer["ok"], (do, peer_id))
        for field in ({"peer_id": 5}, {"fingerprint": ["x"]}, {"security": "safe"}):
            answer = self.client.ask("verify", **field)
            self.assertEqual(answer["code"], "bad_request")
        with self.assertRaises(RequestError):
            read_request('{"do":"send","security":"Verified"}')

    def test_many_keys_take_no_long_turn(self) -> None:
        for number in range(3000):
            self.trusting().known.trust(f"p{number}@CIC", OTHER, 0.0, typed=False)
        self.client.say({"do": "keys"})
        (answer,) = self.later(5)
        self.assertEqual(len(answer["keys"]), 3001)


class DemandTests(KeysCase):
    def send(self, to: str, security: str, seconds: float = 0.5) -> dict[str, Any]:
        self.client.say({"do": "send", "to": to, "text": security, "security": security})
        (answer,) = self.later(seconds)
        return answer

    def test_less_than_that_and_nothing_leaves(self) -> None:
        answers = [self.send("carol@CIC", "encrypted"), self.send("bob@CIC", "verified")]
        self.assertEqual([answer["code"] for answer in answers], ["insecure"] * 2)
        self.assertIn("is plain, and not encrypted", answers[0]["error"])
        self.town.run(10)
        for node in self.town.nodes[1:]:
            self.assertEqual(self.town.seen(node).texts, [])
        self.assertEqual([*self.place.alice.outgoing.outbox], [])

    def test_that_or_more(self) -> None:
        self.assertTrue(self.send("bob@CIC", "encrypted")["ok"])
        self.assertTrue(self.send("carol@CIC", "plain")["ok"])
        self.trusting().verify("bob@CIC", self.bob)
        self.assertTrue(self.send("bob@CIC", "encrypted")["ok"])
        self.assertTrue(self.send("bob@CIC", "verified")["ok"])

    def test_who_is_away_when_nothing_is_kept(self) -> None:
        self.town.kill(self.place.bob)
        self.town.run(30)
        answer = self.send("bob@CIC", "encrypted")
        self.assertEqual((answer["ok"], answer["code"]), (False, "not_sent"))

    def test_what_is_published_goes_to_everybody(self) -> None:
        for scope in ("*", "#CIC"):
            self.assertEqual(self.send(scope, "encrypted")["code"], "bad_request")
            self.assertTrue(self.send(scope, "plain")["ok"])


class WithoutKeysTests(ControlledCase):
    def test_everything_is_in_the_clear(self) -> None:
        answer = self.client.ask("status")
        self.assertEqual((answer["key"], answer["fingerprint"]), ("", ""))
        answer = self.client.ask("send", to="bob@CIC", text="oi", security="encrypted")
        self.assertEqual(answer["code"], "insecure")
        for do in ("keys", "verify", "trust", "forget_key"):
            answer = self.client.ask(do, peer_id="bob@CIC", fingerprint=OTHER)
            self.assertEqual((answer["ok"], answer["code"]), (False, "refused"), do)
