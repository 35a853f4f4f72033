"""Who is registered until when: case by case, and against a naive model."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.long_replies import size_of
from p2pchat.rendezvous.registration import Registration
from p2pchat.rendezvous.registry import PER_ADDRESS, Registry, Verdict
from p2pchat.turns import at_once
from tests.support.replies import whole

IP = "192.0.2.1"


def listed(registry: Registry, namespace: str | None, now: float) -> list[dict[str, Any]]:
    reply = whole(registry.discover(namespace, now))
    assert reply.endswith(b"}\n")
    assert reply.isascii()
    fields = json.loads(reply)
    assert fields["status"] == "OK"
    peers: list[dict[str, Any]] = fields["peers"]
    return peers


def names(registry: Registry, namespace: str | None, now: float) -> list[str]:
    return [peer["name"] for peer in listed(registry, namespace, now)]


class RegistryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.registry = Registry()

    def test_exact_reply(self) -> None:
        self.registry.register(IP, "CIC", "olá", 4000, 60, 100.0)
        self.assertEqual(
            self.registry.discover("CIC", 100.5),
            b'{"status":"OK","peers":[{"ip":"192.0.2.1","port":4000,"name":"ol\\u00e1",'
            b'"namespace":"CIC","ttl":60,"expires_in":59}]}\n',
        )
        self.assertEqual(self.registry.discover("x", 100.5), b'{"status":"OK","peers":[]}\n')

    def test_replaces_by_address_namespace_and_name(self) -> None:
        self.registry.register(IP, "a", "x", 1, 60, 0.0)
        self.registry.register(IP, "a", "x", 2, 90, 10.0)
        self.registry.register("192.0.2.2", "a", "x", 3, 60, 10.0)
        self.registry.register(IP, "b", "x", 4, 60, 10.0)
        self.registry.register(IP, "a", "y", 5, 60, 10.0)
        self.assertEqual([peer["port"] for peer in listed(self.registry, "a", 10.0)], [2, 3, 5])
        self.assertEqual(len(listed(self.registry, None, 10.0)), 4)
        self.assertEqual(len(self.registry), 4)
        self.assertEqual(listed(self.registry, "a", 10.0)[0]["ttl"], 90)

    def test_a_renewal_moves_to_the_end(self) -> None:
        for name in ("x", "y", "x"):
            self.registry.register(IP, "a", name, 1, 60, 0.0)
        self.assertEqual(names(self.registry, "a", 0.0), ["y", "x"])

    def test_expires_exactly_at_its_end(self) -> None:
        self.registry.register(IP, "a", "x", 1, 60, 0.5)
        self.assertTrue(self.registry.knows(IP, 60.4))
        self.assertEqual(listed(self.registry, "a", 60.4)[0]["expires_in"], 0)
        self.assertFalse(self.registry.knows(IP, 60.5))
        self.assertEqual(names(self.registry, "a", 60.5), [])
        self.registry.expire(61.0)
        self.assertEqual(len(self.registry), 0)

    def test_a_renewal_outlives_its_first_lease_and_a_shorter_one_ends_early(self) -> None:
        self.registry.register(IP, "a", "x", 1, 60, 0.0)
        self.registry.register(IP, "a", "x", 1, 60, 50.0)
        self.assertEqual(names(self.registry, "a", 100.0), ["x"])
        self.registry.register(IP, "a", "x", 1, 5, 100.0)
        self.assertEqual(names(self.registry, "a", 105.0), [])

    def test_the_reply_is_kept_for_a_second_and_until_a_change(self) -> None:
        self.registry.register(IP, "a", "x", 1, 60, 0.1)
        self.registry.register(IP, "b", "x", 1, 60, 0.1)
        kept = {space: self.registry.discover(space, 0.2) for space in ("a", "b", None)}
        for space, reply in kept.items():
            self.assertIs(self.registry.discover(space, 0.9), reply)
        self.assertIsNot(self.registry.discover("a", 1.2), kept["a"])
        kept = {space: self.registry.discover(space, 1.2) for space in ("a", "b", None)}
        self.registry.register(IP, "a", "y", 1, 60, 1.3)
        self.assertIs(self.registry.discover("b", 1.4), kept["b"])
        self.assertEqual(names(self.registry, "a", 1.4), ["x", "y"])
        self.assertEqual(sorted(names(self.registry, None, 1.4)), ["x", "x", "y"])

    def test_an_expiry_within_the_second_is_seen(self) -> None:
        self.registry.register(IP, "a", "x", 1, 1, 0.5)
        self.registry.register(IP, "a", "y", 1, 60, 0.5)
        self.assertEqual(names(self.registry, "a", 1.4), ["x", "y"])
        self.assertEqual(names(self.registry, "a", 1.6), ["y"])

    def test_unregister(self) -> None:
        def filled() -> Registry:
            registry = Registry()
            for ip, space, name, port in (
                (IP, "a", "x", 1),
                (IP, "a", "y", 2),
                (IP, "b", "x", 1),
                ("192.0.2.2", "a", "x", 1),
            ):
                registry.register(ip, space, name, port, 60, 0.0)
            return registry

        for (space, name, port), gone in (
            (("a", None, None), 2),
            (("a", "x", None), 1),
            (("a", "x", 1), 1),
            (("a", "x", 2), 0),
            (("a", None, 2), 1),
            (("a", None, 3), 0),
            (("a", "z", None), 0),
            (("c", None, None), 0),
        ):
            registry = filled()
            self.assertEqual(registry.unregister(IP, space, name, port, 1.0), gone)
            self.assertEqual(len(listed(registry, None, 1.0)), 4 - gone)
        self.assertEqual(filled().unregister("192.0.2.9", "a", None, None, 1.0), 0)
        self.assertEqual(filled().unregister(IP, "a", None, None, 60.0), 0)

    def test_a_full_registry_refuses_new_ones_and_renews(self) -> None:
        registry = Registry(limit=2)
        self.assertIs(registry.register(IP, "a", "x", 1, 60, 0.0), Verdict.GRANTED)
        self.assertIs(registry.register(IP, "a", "y", 1, 5, 0.0), Verdict.GRANTED)
        self.assertIs(registry.register(IP, "a", "z", 1, 60, 1.0), Verdict.FULL)
        self.assertIs(registry.register(IP, "a", "x", 2, 60, 1.0), Verdict.GRANTED)
        self.assertEqual((len(registry), registry.refused), (2, 1))
        self.assertIs(registry.register(IP, "a", "z", 1, 60, 5.0), Verdict.GRANTED)

    def test_nothing_of_old_leases_is_left_under_renewals(self) -> None:
        for i in range(20_000):
            self.registry.register(IP, "a", f"x{i % 10}", 1, 86_400, float(i))
        self.assertEqual(sum(map(len, self.registry._ends.values())), 10)
        self.assertEqual(len(listed(self.registry, "a", 20_000.0)), 10)

    def test_the_journal_hears_of_every_change(self) -> None:
        heard: list[tuple[str, bool]] = []
        self.registry.journal = lambda each: heard.append((each.name, each.live))
        self.registry.register(IP, "a", "x", 1, 60, 0.0)
        self.registry.register(IP, "a", "x", 2, 60, 1.0)
        self.registry.register(IP, "a", "y", 2, 60, 2.0)
        self.registry.unregister(IP, "a", "y", None, 3.0)
        self.registry.expire(100.0)
        expected = [("x", True), ("x", True), ("y", True), ("y", False), ("x", False)]
        self.assertEqual(heard, expected)

    def test_restore(self) -> None:
        registry = Registry(limit=2)
        registry.register(IP, "a", "x", 1, 60, 0.0)
        self.assertEqual(names(registry, None, 0.0), ["x"])
        heard: list[Registration] = []
        registry.journal = heard.append
        stored = [Registration(IP, "a", name, 9, 60, 40.0) for name in ("x", "y", "z")]
        self.assertEqual(at_once(registry.restoring(stored)), 1)
        found = [(peer["name"], peer["port"]) for peer in listed(registry, None, 0.0)]
        self.assertEqual(found, [("x", 1), ("y", 9)])
        self.assertEqual(names(registry, None, 40.0), ["x"])
        self.assertEqual([each.live for each in heard], [False])


class ShareTests(SynchronousTestCase):
    """Nobody takes all the places."""

    def taken(self, registry: Registry, ips: list[str], count: int = 400) -> int:
        """How many of so many new names these addresses get, in turn."""
        verdicts = [
            registry.register(ips[number % len(ips)], "n", f"x{number}", 1, 60, 0.0)
            for number in range(count)
        ]
        self.assertLessEqual({*verdicts}, {Verdict.GRANTED, Verdict.TOO_MANY})
        return verdicts.count(Verdict.GRANTED)

    def test_one_address(self) -> None:
        registry = Registry()
        self.assertEqual(self.taken(registry, [IP]), PER_ADDRESS)
        self.assertEqual(registry.refused, 400 - PER_ADDRESS)
        self.assertIs(registry.register(IP, "n", "x0", 2, 60, 1.0), Verdict.GRANTED)
        self.assertEqual(self.taken(registry, ["192.0.2.2"]), PER_ADDRESS)

    def test_a_network_of_ipv6_is_one_address(self) -> None:
        network = [f"2001:db8:1:2:{number:x}::{number:x}" for number in range(400)]
        self.assertEqual(self.taken(Registry(), network), PER_ADDRESS)
        networks = [f"2001:db8:1:{number:x}::1" for number in range(400)]
        self.assertEqual(self.taken(Registry(), networks), 400)

    def test_a_place_is_given_back(self) -> None:
        registry = Registry(per_address=2)
        registry.register(IP, "n", "x", 1, 5, 0.0)
        registry.register(IP, "n", "y", 1, 60, 0.0)
        self.assertIs(registry.register(IP, "n", "z", 1, 60, 1.0), Verdict.TOO_MANY)
        self.assertIs(registry.register(IP, "n", "z", 1, 60, 5.0), Verdict.GRANTED)
        self.assertEqual(registry.unregister(IP, "n", "y", None, 6.0), 1)
        self.assertIs(registry.register(IP, "n", "w", 1, 60, 6.0), Verdict.GRANTED)

    def test_loopback_and_a_share_of_any_number(self) -> None:
        for ip in ("127.0.0.1", "127.1.2.3", "::1"):
            self.assertEqual(self.taken(Registry(), [ip]), 400)
        self.assertEqual(self.taken(Registry(per_address=0), [IP]), 400)

    def test_a_store_brings_no_more_than_the_share(self) -> None:
        registry = Registry(per_address=2)
        stored = [Registration(IP, "n", f"x{number}", 1, 60, 60.0) for number in range(9)]
        self.assertEqual(at_once(registry.restoring(stored)), 2)
        self.assertIs(registry.register(IP, "n", "z", 1, 60, 1.0), Verdict.TOO_MANY)


class BanTests(SynchronousTestCase):
    def test_banned_names_are_refused_and_renewals_of_them_too(self) -> None:
        registry = Registry()
        registry.register(IP, "n", "mallory", 1, 60, 0.0)
        registry.register(IP, "n", "bob", 1, 60, 0.0)
        registry.register("203.0.113.7", "n", "eve", 1, 60, 0.0)
        heard: list[tuple[str, bool]] = []
        registry.journal = lambda each: heard.append((each.name, each.live))
        self.assertEqual(at_once(registry.ban(Bans(["mallory@*", "203.0.113.0/24"]))), 2)
        self.assertEqual(sorted(heard), [("eve", False), ("mallory", False)])
        self.assertEqual(names(registry, None, 0.0), ["bob"])
        self.assertIs(registry.register(IP, "n", "mallory", 1, 60, 0.0), Verdict.BANNED)
        self.assertEqual(at_once(registry.ban(Bans())), 0)
        self.assertIs(registry.register(IP, "n", "mallory", 1, 60, 0.0), Verdict.GRANTED)

    def test_a_store_does_not_bring_them_back(self) -> None:
        registry = Registry()
        at_once(registry.ban(Bans(["mallory@n", "203.0.113.7"])))
        stored = [
            Registration(ip, "n", name, 1, 60, 60.0)
            for ip, name in ((IP, "mallory"), ("203.0.113.7", "eve"), (IP, "bob"), ("?", "odd"))
        ]
        self.assertEqual(at_once(registry.restoring(stored)), 2)
        self.assertEqual(names(registry, None, 0.0), ["bob", "odd"])


ips = st.sampled_from(["192.0.2.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"])
spaces = st.sampled_from(["a", "b", "ç"])
labels = st.sampled_from(["x", "y", '"z\\'])


class RegistryMachine(RuleBasedStateMachine):
    """The registry beside a dict that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.registry = Registry(limit=6, per_address=3)
        self.model: dict[tuple[str, str, str], tuple[int, int, float]] = {}

    def sweep(self) -> None:
        self.model = {key: value for key, value in self.model.items() if value[2] > self.now}

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(ip=ips, space=spaces, name=labels, port=st.integers(1, 3), ttl=st.integers(1, 60))
    def register(self, ip: str, space: str, name: str, port: int, ttl: int) -> None:
        self.sweep()
        key = (ip, space, name)
        network = ip[:9]  # the two IPv6 addresses are in one
        expected = Verdict.GRANTED
        if key not in self.model:
            if len(self.model) == 6:
                expected = Verdict.FULL
            elif sum(key[0].startswith(network) for key in self.model) == 3:
                expected = Verdict.TOO_MANY
        assert self.registry.register(ip, space, name, port, ttl, self.now) is expected
        if expected is Verdict.GRANTED:
            self.model[key] = (port, ttl, self.now + ttl)

    @rule(ip=ips, space=spaces, name=st.none() | labels, port=st.none() | st.integers(1, 3))
    def unregister(self, ip: str, space: str, name: str | None, port: int | None) -> None:
        self.sweep()
        gone = [
            key
            for key, value in self.model.items()
            if key[:2] == (ip, space) and name in (None, key[2]) and port in (None, value[0])
        ]
        for key in gone:
            del self.model[key]
        assert self.registry.unregister(ip, space, name, port, self.now) == len(gone)

    @rule(space=st.none() | spaces)
    def discover(self, space: str | None) -> None:
        self.sweep()
        expected = {
            key: (port, ttl)
            for key, (port, ttl, _) in self.model.items()
            if space in (None, key[1])
        }
        found = listed(self.registry, space, self.now)
        assert len(found) == len(expected)
        assert expected == {
            (peer["ip"], peer["namespace"], peer["name"]): (peer["port"], peer["ttl"])
            for peer in found
        }
        for peer in found:
            until = self.model[peer["ip"], peer["namespace"], peer["name"]][2]
            assert 0 <= peer["expires_in"] - int(until - self.now) <= 1  # kept within the second

    @rule(ip=ips)
    def knows(self, ip: str) -> None:
        self.sweep()
        assert self.registry.knows(ip, self.now) == any(key[0] == ip for key in self.model)

    @invariant()
    def counts(self) -> None:
        assert len(self.registry) == len(self.registry.all()) <= 6
        assert self.registry._networks.total() == len(self.registry)
        sizes = self.registry._sizes
        assert sizes[None] * 2 == sizes.total() == 2 * sum(map(size_of, self.registry.all()))


class ModelTests(SynchronousTestCase):
    def test_any_sequence_agrees_with_the_model(self) -> None:
        run_state_machine_as_test(
            RegistryMachine, settings=settings(deadline=None, max_examples=60)
        )
