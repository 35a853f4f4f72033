"""What a rendezvous tells those who ask over IPv4 and do not say that they know IPv6."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.long_replies import LongReply
from p2pchat.rendezvous.registry import Registry

FOUR, SIX = "192.0.2.9", "2001:db8::9"
BOTH = b',"families":["ipv4","ipv6"]'


class ViewTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.registry = Registry(per_address=0)
        self.answers = Answers(self.registry, lambda: self.now)
        for asking in (FOUR, SIX):
            self.register(asking, "me", namespace="other")

    def register(self, ip: str, name: str, ttl: int = 600, namespace: str = "CIC") -> None:
        self.registry.register(ip, namespace, name, 4000, ttl, self.now)

    def raw(self, ip: str, more: bytes = b"", namespace: bytes = b',"namespace":"CIC"') -> bytes:
        reply = self.answers.reply(b'{"type":"DISCOVER"%b%b}' % (namespace, more), ip)
        if not isinstance(reply, LongReply):
            return reply
        parts, number = [], 0
        while (part := reply.piece(number)) is not None:
            parts.append(part)
            number += 1
        return b"".join(parts)

    def listed(self, ip: str, more: bytes = b"") -> list[tuple[str, str]]:
        peers = json.loads(self.raw(ip, more))["peers"]
        return [(each["name"], each["ip"]) for each in peers]

    def test_names_with_an_ipv4_address_are_listed_there_and_the_others_last(self) -> None:
        self.register("2001:db8::1", "six")
        self.register("2001:db8::2", "both")
        self.register("192.0.2.2", "both")
        self.register("192.0.2.3", "four")
        self.register("2001:db8::4", "four")
        narrow = [("both", "192.0.2.2"), ("four", "192.0.2.3"), ("six", "2001:db8::1")]
        whole = [("six", "2001:db8::1"), ("both", "2001:db8::2"), ("both", "192.0.2.2")]
        whole += [("four", "192.0.2.3"), ("four", "2001:db8::4")]
        for _ in range(2):  # made, and then remembered
            self.assertEqual(self.listed(FOUR), narrow)
            self.assertEqual(self.listed(FOUR, b',"families":["ipv4"]'), narrow)
            self.assertEqual(self.listed(FOUR, BOTH), whole)
            self.assertEqual(self.listed(FOUR, BOTH + b',"odd":NaN'), whole)
            self.assertEqual(self.listed(SIX), whole)

    def test_nothing_changes_where_nobody_has_ipv6(self) -> None:
        """Byte for byte, and it is the same object: it is made once."""
        for number in range(20):
            self.register(f"192.0.2.{number}", f"n{number}")
        self.assertIs(self.raw(FOUR), self.raw(SIX))
        self.assertIs(self.raw(FOUR), self.raw(FOUR, BOTH))

    def test_what_changes_is_told(self) -> None:
        self.register("2001:db8::2", "both")
        self.assertEqual(self.listed(FOUR), [("both", "2001:db8::2")])
        self.register("192.0.2.2", "both", ttl=60)
        self.assertEqual(self.listed(FOUR), [("both", "192.0.2.2")])
        self.now += 61
        self.assertEqual(self.listed(FOUR), [("both", "2001:db8::2")])
        self.registry.unregister("2001:db8::2", "CIC", "both", None, self.now)
        self.assertEqual(self.listed(FOUR), [])
        self.assertEqual(self.registry._six, {None: 1, "other": 1})

    def test_the_same_name_in_two_namespaces_is_two(self) -> None:
        self.register("192.0.2.2", "ana", namespace="A")
        self.register("2001:db8::2", "ana", namespace="B")
        peers = json.loads(self.raw(FOUR, namespace=b""))["peers"]
        found = {(each["namespace"], each["ip"]) for each in peers if each["name"] == "ana"}
        self.assertEqual(found, {("A", "192.0.2.2"), ("B", "2001:db8::2")})

    def test_a_long_listing(self) -> None:
        for number in range(2000):
            self.register(f"192.0.{number // 250}.{number % 250 + 1}", f"n{number}")
            self.register(f"2001:db8::{number + 16:x}", f"n{number}")
        self.register("2001:db8::1", "six")
        narrow, whole = self.listed(FOUR), self.listed(FOUR, BOTH)
        self.assertEqual((len(narrow), len(whole)), (2001, 4001))
        self.assertEqual(narrow[-1], ("six", "2001:db8::1"))
        self.assertEqual([ip for _, ip in narrow[:-1] if ":" in ip], [])

    def test_a_selection_lists_all(self) -> None:
        """Whoever knows these fields is of our kind, and knows both."""
        self.register("2001:db8::2", "both")
        self.register("192.0.2.2", "both")
        for more in (b',"limit":9', b',"names":["both"]', b',"limit":9,"sample":true'):
            self.assertEqual(len(self.listed(FOUR, more)), 2)
