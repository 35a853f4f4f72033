"""What a rendezvous answers, line by line, without a socket: the rows that need a registry."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from p2pchat.logs import levels as logs
from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.registry import Registry
from p2pchat.turns import at_once
from tests.support.replies import whole

IP = "192.0.2.1"
REGISTER = b'{"type":"REGISTER","namespace":"CIC","name":"alice","port":4000}'
GRANTED = b'{"status":"OK","ttl":7200,"ip":"192.0.2.1","port":4000}\n'
DISCOVER = b'{"type":"DISCOVER"}'


class AnswersTestCase(TestCase):
    def setUp(self) -> None:
        self.now = 1_000_000.25
        self.begin(Registry())
        self.events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def begin(self, registry: Registry) -> None:
        self.registry = registry
        self.answers = Answers(registry, lambda: self.now)

    def ask(self, line: bytes, ip: str = IP) -> bytes:
        return whole(self.answers.reply(line, ip))

    def message(self, line: bytes, ip: str = IP) -> str:
        reply = self.ask(line, ip)
        self.assertTrue(reply.endswith(b"\n"))
        return str(json.loads(reply)["message"])


class AnswersTests(AnswersTestCase):
    def test_register_discover_unregister(self) -> None:
        self.assertEqual(self.ask(REGISTER), GRANTED)
        peer = b'{"ip":"192.0.2.1","port":4000,"name":"alice","namespace":"CIC","ttl":7200,'
        everybody = b'{"status":"OK","peers":[' + peer + b'"expires_in":7200}]}\n'
        nobody = b'{"status":"OK","peers":[]}\n'
        self.assertEqual(self.ask(DISCOVER), everybody)
        self.assertEqual(self.ask(b'{"type":"discover","namespace":"CIC"}\r'), everybody)
        self.assertEqual(self.ask(b'{"type":"DISCOVER","namespace":"x"}'), nobody)
        leave = b'{"type":"UNREGISTER","namespace":"CIC","name":"alice","port":4000}'
        self.assertEqual(self.ask(leave), b'{"status":"OK"}\n')
        self.assertEqual(self.message(DISCOVER), "peer_not_registered")
        self.assertEqual(self.answers.given, 6)

    def test_errors_and_that_a_stranger_is_told_first_that_it_is_one(self) -> None:
        self.ask(REGISTER)
        stranger, mismatch = "peer_not_registered", "peer_credentials_do_not_match"
        for line, to_stranger, to_peer in (
            (b'{"type":"DISCOVER","namespace":""}', "bad_namespace", "bad_namespace"),
            (b'{"type":"DISCOVER","namespace":"%b"}' % (65 * b"x"), *2 * ("bad_namespace",)),
            (b'{"type":"DISCOVER","namespace":5}', stranger, "bad_namespace"),
            (b'{"type":"DISCOVER","namespace":0}', stranger, "bad_namespace"),
            (b'{"type":"DISCOVER","namespace":["CIC"]}', stranger, "bad_namespace"),
            (b'{"type":"DISCOVER","namespace":false}', stranger, "bad_namespace"),
            (b'{"type":"DISCOVER","namespace":"\\ud800"}', stranger, "bad_namespace"),
            (b'{"type":"UNREGISTER"}', stranger, "namespace_required"),
            (b'{"type":"UNREGISTER","namespace":""}', stranger, "bad_namespace"),
            (b'{"type":"UNREGISTER","namespace":"a","port":"abc"}', stranger, "bad_port (abc)"),
            (b'{"type":"UNREGISTER","namespace":"x"}', stranger, mismatch),
            (b'{"type":"UNREGISTER","namespace":"CIC","name":"bob"}', stranger, mismatch),
            (b'{"type":"UNREGISTER","namespace":"CIC","port":4001}', stranger, mismatch),
        ):
            self.assertEqual(self.message(line, "192.0.2.2"), to_stranger, line)
            self.assertEqual(self.message(line), to_peer, line)
        for line in (DISCOVER, b'{"type":"DISCOVER","namespace":"CIC"}'):
            self.assertEqual(self.message(line, "192.0.2.2"), stranger)

    def test_a_registration_ends(self) -> None:
        self.ask(b'{"type":"REGISTER","namespace":"CIC","name":"alice","port":4000,"ttl":60}')
        self.now += 59.9
        self.assertIn(b'"expires_in":0', self.ask(DISCOVER))
        self.now += 0.2
        self.assertEqual(self.message(DISCOVER), "peer_not_registered")

    def test_a_full_registry(self) -> None:
        self.begin(Registry(limit=1))
        self.ask(REGISTER)
        other = REGISTER.replace(b"alice", b"bob")
        self.assertEqual({self.message(other) for _ in range(3)}, {"registry_full"})
        self.assertEqual(self.ask(REGISTER), GRANTED)
        told = [event for event in self.events if "full" in (event["log_format"] or "")]
        self.assertEqual(len(told), 1)

    def test_an_address_that_has_its_share(self) -> None:
        self.begin(Registry(per_address=1))
        self.ask(REGISTER)
        other = REGISTER.replace(b"alice", b"bob")
        self.assertEqual({self.message(other) for _ in range(3)}, {"too_many_registrations"})
        self.assertEqual(self.ask(REGISTER), GRANTED)
        self.assertEqual(self.ask(other, "192.0.2.2"), GRANTED.replace(b".1", b".2"))
        (told,) = [event for event in self.events if "more are refused" in event["log_format"]]
        self.assertEqual((told["ip"], told["limit"]), (IP, 1))

    def test_a_banned_name(self) -> None:
        at_once(self.registry.ban(Bans(["alice@*"])))
        self.assertEqual({self.message(REGISTER) for _ in range(3)}, {"banned"})
        self.assertEqual(self.ask(REGISTER.replace(b"alice", b"bob")), GRANTED)
        (told,) = [event for event in self.events if "Banned" in event["log_format"]]
        self.assertEqual((told["ip"], told["name"]), (IP, "alice@CIC"))

    def test_a_listing_too_long_for_every_client(self) -> None:
        self.registry.long_replies.most = 100_000
        for number in range(1000):
            name = "\U0001f600" * 60 + f"{number:04}"
            self.registry.register(f"10.0.0.{number // 10}", name, name, 1, 60, self.now)
        self.registry.register(IP, "CIC", "alice", 4000, 60, self.now)
        self.assertEqual(self.message(DISCOVER), "listing_too_long")
        own = json.loads(self.ask(b'{"type":"DISCOVER","namespace":"CIC"}'))
        self.assertEqual([peer["name"] for peer in own["peers"]], ["alice"])

    def test_a_fault_of_ours_is_answered_and_logged_once(self) -> None:
        class Faulty(Registry):
            def knows(self, ip: str, now: float) -> bool:
                raise ZeroDivisionError("oh")

        self.begin(Faulty())
        self.assertEqual({self.message(DISCOVER) for _ in range(3)}, {"internal_error"})
        self.assertEqual(self.answers.failures, 3)
        (fault,) = [event for event in self.events if "fault" in event]
        self.assertIn("ZeroDivisionError('oh')", fault["fault"])
        self.assertIn("test_answers.py:", fault["place"])
        self.assertNotIn("log_failure", fault)
        self.assertEqual(self.ask(REGISTER), GRANTED)

    def test_debug_shows_requests(self) -> None:
        self.addCleanup(logs.set_level, logs.get_level())
        logs.set_level("DEBUG")
        self.ask(b"\xff\x1b")
        for number in range(1000):
            self.registry.register(IP, "CIC", f"name{number}", 4000, 60, self.now)
        self.registry.per_address = 0
        self.ask(DISCOVER)
        shown = [event for event in self.events if "line" in event]
        self.assertEqual(shown[0]["ip"], IP)
        self.assertTrue(shown[1]["reply"].startswith('{"status":"OK","peers":[{'))
        self.assertLess(len(shown[1]["reply"]), 250)


class TenThousandTests(AnswersTestCase):
    """Ten thousand registrations of as many names."""

    def request(self, number: int, **fields: Any) -> dict[str, Any]:
        line = json.dumps({"namespace": f"ns{number % 10}", "name": f"name{number}", **fields})
        reply = self.ask(line.encode(), f"10.0.{number // 250}.{number % 250}")
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def peers(self, line: bytes = DISCOVER) -> list[dict[str, Any]]:
        peers: list[dict[str, Any]] = json.loads(self.ask(line, "10.0.0.0"))["peers"]
        return peers

    def test_all_are_listed_renewed_and_forgotten(self) -> None:
        for number in range(10_000):
            ttl = 60 if number % 2 else 7200
            reply = self.request(number, type="REGISTER", port=4000, ttl=ttl)
            self.assertEqual(reply["status"], "OK")
        self.assertEqual(len(self.registry), 10_000)
        self.assertEqual(len(self.peers()), 10_000)
        listed = self.peers(b'{"type":"DISCOVER","namespace":"ns3"}')
        self.assertEqual({peer["namespace"] for peer in listed}, {"ns3"})
        self.now += 61
        self.assertEqual(len(self.peers()), 5_000)
        at_once(self.registry.tidying(self.now))
        self.assertEqual(self.registry._networks.total(), 5_000)
        for number in range(0, 10_000, 2):
            self.request(number, type="UNREGISTER")
        self.assertEqual(len(self.registry), 0)
        # Nothing of them is left: no namespace, no address, and soon no second when leases end.
        self.assertEqual((self.registry._namespaces, self.registry._addresses), ({}, {}))
        self.assertEqual((self.registry._networks, self.registry._sizes), ({}, {None: 0}))
        self.now += 90_000
        self.registry.expire(self.now)
        at_once(self.registry.tidying(self.now))
        self.assertEqual((self.registry._ends, self.registry._seconds), ({}, []))
