"""DISCOVER in pieces: a page, some at random, some names."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.long_replies import LongReply
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.roster import drawn
from p2pchat.rendezvous.selection import MOST_LISTED, Selection, selection_of
from tests.support.replies import whole


class SelectionTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.registry = Registry(draw=Random(7).sample)
        self.answers = Answers(self.registry, lambda: self.now)
        self.enter("me", "127.0.0.1")

    def enter(self, name: str, ip: str, namespace: str = "CIC", ttl: int = 100) -> None:
        self.registry.register(ip, namespace, name, 4000, ttl, self.now)

    def fill(self, count: int, namespace: str = "CIC") -> list[str]:
        names = [f"p{n:05}" for n in range(count)]
        for n, name in enumerate(reversed(names)):
            self.enter(name, f"10.{n // 62_500}.{n // 250 % 250}.{n % 250}", namespace)
        return names

    def ask(self, **fields: Any) -> Any:
        line = json.dumps({"type": "DISCOVER", **fields}).encode()
        return json.loads(whole(self.answers.reply(line, "127.0.0.1")))

    def names(self, **fields: Any) -> list[str]:
        return [entry["name"] for entry in self.ask(namespace="CIC", **fields)["peers"]]


class PageTests(SelectionTestCase):
    """By name, with a limit."""

    def test_pages_give_everybody_once(self) -> None:
        for count in (30, 600):
            self.setUp()
            expected = sorted([*self.fill(count), "me"])
            got: list[str] = []
            after: dict[str, str] = {}
            while True:
                page = self.ask(namespace="CIC", limit=7, **after)
                self.assertEqual(page["total"], count + 1)
                got += [entry["name"] for entry in page["peers"]]
                if len(page["peers"]) < 7:
                    break
                after = {"after": got[-1]}
            self.assertEqual(got, expected)

    def test_one_name_at_many_addresses_does_not_hide_the_rest(self) -> None:
        for n in range(20):
            self.enter("bob", f"10.0.0.{n}")
        self.enter("zoe", "10.1.0.1")
        self.assertEqual(self.names(limit=5), ["bob"] * 5)
        self.assertEqual(self.names(limit=5, after="bob"), ["me", "zoe"])
        got, after = set(), ""
        for _ in range(4):
            page = self.ask(namespace="CIC", limit=5, after="bob", after_ip=after or " ")
            got |= {entry["ip"] for entry in page["peers"]}
            after = page["peers"][-1]["ip"]
        self.assertEqual(got, {f"10.0.0.{n}" for n in range(20)})

    def test_of_all_namespaces(self) -> None:
        self.fill(20)
        self.fill(20, "UnB")
        reply = self.ask(limit=30)
        self.assertEqual((len(reply["peers"]), reply["total"]), (30, 41))

    def test_a_long_page_is_sent_in_pieces_and_bounded_as_others_are(self) -> None:
        self.fill(3000)
        line = b'{"type":"DISCOVER","namespace":"CIC","limit":1000}'
        replies = [self.answers.reply(line, "127.0.0.1") for _ in range(900)]
        self.assertEqual({type(reply) for reply in replies}, {LongReply})
        self.assertLessEqual(self.registry.long_replies.size, self.registry.long_replies.most)
        self.assertEqual(len(json.loads(whole(replies[-1]))["peers"]), MOST_LISTED)

    def test_who_comes_and_goes(self) -> None:
        self.fill(200)
        self.enter("aaa", "10.9.0.1", ttl=5)
        self.assertEqual(self.names(limit=1), ["aaa"])
        self.now = 6.0
        self.assertEqual(self.names(limit=1), ["me"])
        self.registry.unregister("127.0.0.1", "CIC", "me", None, self.now)
        self.enter("other", "127.0.0.1")
        self.assertEqual(self.names(limit=2), ["other", "p00000"])
        self.now = 101.0
        self.enter("me", "127.0.0.1", "UnB")
        for _ in self.registry.tidying(self.now):
            pass
        self.assertEqual(self.names(limit=3), ["other"])


class SampleTests(SelectionTestCase):
    """At random."""

    def test_some_of_many_and_others_each_time(self) -> None:
        names = {*self.fill(500), "me"}
        draws = [self.names(limit=50, sample=True) for _ in range(200)]
        self.assertEqual({len({*drawn}) for drawn in draws}, {50})
        self.assertEqual({name for drawn in draws for name in drawn}, names)

    def test_numbers_are_drawn_evenly_and_once(self) -> None:
        for numbers, count in ((range(10, 1010), 50), (range(10, 20), 9), (range(3, 4), 1)):
            seen = Counter(number for _ in range(400) for number in drawn(numbers, count))
            self.assertEqual({*seen} - {*numbers}, set())
            self.assertEqual(sum(seen.values()), 400 * count)
            self.assertEqual(len({*drawn(numbers, count)}), count)
            self.assertGreater(len(seen), 0.99 * len(numbers))

    def test_few_are_all_given(self) -> None:
        self.fill(10)
        self.assertEqual(len(self.names(limit=50, sample=True)), 11)

    def test_families(self) -> None:
        self.fill(50)
        for n in range(50):
            self.enter(f"six{n}", f"2001:db8:{n}::1")
        for families, there in ((["ipv4"], "."), (["ipv6"], ":"), (["ipv6", "new"], ":")):
            reply = self.ask(namespace="CIC", limit=10, sample=True, families=families)
            self.assertEqual({there in entry["ip"] for entry in reply["peers"]}, {True})
            self.assertEqual(len(reply["peers"]), 10)
        self.assertEqual(self.names(limit=10, sample=True, families=["new"]), [])

    def test_named_ones_come_first_and_once(self) -> None:
        self.fill(60)
        for _ in range(20):
            drawn = self.names(limit=50, sample=True, names=["me", "nobody"])
            self.assertEqual((drawn[0], len(drawn), len({*drawn})), ("me", len(drawn), len(drawn)))


class NameTests(SelectionTestCase):
    """By name."""

    def test_those_that_are_registered(self) -> None:
        self.fill(200)
        self.enter("me", "10.200.0.1", "UnB")
        reply = self.ask(namespace="CIC", names=["p00007", "nobody", "me", "p00007"])
        self.assertEqual([entry["name"] for entry in reply["peers"]], ["p00007", "me"])
        self.assertEqual(reply["total"], 201)

    def test_a_name_at_many_addresses_has_a_share(self) -> None:
        self.registry.per_address = 0
        for n in range(3000):
            self.enter("bob", f"10.0.{n // 250}.{n % 250}")
        self.assertEqual(len(self.names(names=["bob"])), MOST_LISTED)
        self.assertEqual(self.names(names=["bob", "me"])[-2:], ["bob", "me"])


class FieldTests(SelectionTestCase):
    """What a request may say, in its usual form and in an odd one."""

    def test_bad_fields(self) -> None:
        bad: dict[str, list[Any]] = {
            "limit": [0, -1, 1001, 1.5, "50", True, [], 10**30],
            "sample": [1, 0, "yes", []],
            "after": ["", "x" * 65, 7, []],
            "names": ["ana", [""], [7], ["x" * 65], ["a"] * 101, {}],
            "families": ["ipv4", [4]],
        }
        for field, values in bad.items():
            for value in values:
                fields: dict[str, Any] = {"namespace": "CIC", "limit": 5, field: value}
                self.assertEqual(self.ask(**fields)["message"], f"bad_{field}", fields)
        self.assertEqual(self.ask(namespace="CIC", limit=5, after_ip="1")["message"], "bad_after")

    def test_a_namespace_is_needed(self) -> None:
        for fields in ({"limit": 5, "sample": True}, {"limit": 5, "after": "a"}, {"names": ["a"]}):
            self.assertEqual(self.ask(**fields)["message"], "namespace_required")

    def test_who_is_not_registered_hears_that_first(self) -> None:
        for limit in (5, 0):
            line = b'{"type":"DISCOVER","namespace":"CIC","limit":%d}' % limit
            self.assertIn(b"peer_not_registered", whole(self.answers.reply(line, "10.8.8.8")))

    def test_without_limit_and_names_everything_as_it_is(self) -> None:
        self.fill(100)
        as_ever = whole(self.answers.reply(b'{"type":"DISCOVER","namespace":"CIC"}', "127.0.0.1"))
        odd: list[dict[str, Any]] = [
            {"limit": None},
            {"sample": True, "after": "x", "families": ["ipv4"]},
            {"names": None, "odd": 1},
            {"names": []},
        ]
        for fields in odd:
            line = json.dumps({"type": "DISCOVER", "namespace": "CIC", **fields}).encode()
            self.assertEqual(whole(self.answers.reply(line, "127.0.0.1")), as_ever, fields)

    def test_the_fields_mean_nothing_to_other_requests(self) -> None:
        for limit in (b"5", b"0", b'"x"', b"[]"):
            line = b'{"type":"REGISTER","namespace":"a","name":"b","port":1,"limit":%b}' % limit
            self.assertIn(b'"OK"', whole(self.answers.reply(line, "127.0.0.1")))

    def test_what_a_client_says_is_what_a_server_reads(self) -> None:
        for selection in (
            Selection(limit=50, sample=True, names=("me",), families=("ipv6",)),
            Selection(limit=500, after=("bob", "")),
            Selection(limit=500, after=("bob", "10.0.0.1")),
            Selection(names=("a", "b")),
        ):
            self.assertEqual(selection_of(selection.fields(), 64), selection)


class RosterTests(SelectionTestCase):
    """The books, whatever happens in them."""

    def test_like_a_sorted_list(self) -> None:
        random = Random(3)
        for step in range(3000):
            name, ip = f"n{random.randrange(150)}", f"10.0.0.{random.randrange(3)}"
            if random.random() < 0.55 or step < 300:
                self.enter(name, ip, ttl=random.choice((5, 50)))
            else:
                self.registry.unregister(ip, "CIC", name, None, self.now)
            self.now += 0.1
            if not step % 50:
                self.enter("me", "127.0.0.1")
                for _ in self.registry.tidying(self.now):
                    pass
                everybody = json.loads(whole(self.registry.discover("CIC", self.now)))["peers"]
                expected = sorted((entry["name"], entry["ip"]) for entry in everybody)
                page = self.ask(namespace="CIC", limit=1000)
                got = [(entry["name"], entry["ip"]) for entry in page["peers"]]
                self.assertEqual(got, expected)
                # What ended within this second is still counted.
                self.assertIn(page["total"] - len(expected), range(4))
