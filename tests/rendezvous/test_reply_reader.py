"""Replies read in pieces: the same entries as when they are read whole, and never too many."""

from __future__ import annotations

import json
from collections.abc import Container

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.directory import DirectoryError, Listings, NotRegistered, RequestRefused
from p2pchat.rendezvous.replies import read_listings
from p2pchat.rendezvous.reply_reader import SHORT, ReplyReader
from tests.rendezvous.test_client import json_values

ENTRY = {
    "ip": "192.0.2.1",
    "port": 4000,
    "name": 'a "quoted" },{ [name]',
    "namespace": "CIC",
    "ttl": 60,
    "expires_in": 30.5,
}
MANY = SHORT // len(json.dumps(ENTRY)) + 20
"""Entries of a reply that is too long to be read whole."""


def reply(*entries: object, status: str = "OK") -> bytes:
    """A long listing that begins with these, from a server that likes blanks."""
    return json.dumps({"status": status, "peers": [*entries, *[ENTRY] * MANY]}).encode()


def read(
    data: bytes, *, most: int | None = 20_000, size: int = 1000, wanted: Container[str] = ()
) -> bytes | Listings | None:
    """What a reply comes to that arrives in chunks of this size, and then ends."""
    reader = ReplyReader(most, wanted)
    for start in range(0, len(data), size):
        if reader.feed(data[start : start + size]):
            return reader.result
    reader.ended()
    return reader.result


class LongReplyTests(SynchronousTestCase):
    def listed(self, data: bytes, most: int = 20_000) -> Listings:
        found = read(data, most=most)
        assert isinstance(found, Listings)
        return found

    def assertRefused(self, data: bytes, *words: str) -> None:
        refused = self.assertRaises(RequestRefused, read, data)
        for word in words:
            self.assertIn(word, str(refused))

    def test_short_ones_are_left_whole(self) -> None:
        for line in (b'{"status":"OK","peers":[]}', b"anything"):
            self.assertEqual(read(b" \r\n" + line + b"\nmore"), line)
        self.assertEqual(read(b"[1] "), b"[1]")
        self.assertIsNone(read(b"[1"))

    def test_in_any_chunks(self) -> None:
        data = reply()
        for size in (97, 1000, 65_536):
            found = read(data, size=size)
            assert isinstance(found, Listings)
            self.assertEqual((len(found), found.odd, found.whole), (MANY, 0, True))
            self.assertEqual({peer.name for peer in found}, {ENTRY["name"]})

    def test_forms_of_other_servers(self) -> None:
        whole = reply()
        peers = whole[whole.index(b"[") : -1]
        for form in (
            b"%b\n",
            b'{"peers":%b}',
            b'{"peers" : %b,"status":"OK"}\n',
            b'{ "count": 5, "status" : "ok","x":NaN, "peers":%b}',
        ):
            self.assertEqual(len(self.listed(form % peers)), MANY)

    def test_odd_entries_are_left_out_and_counted(self) -> None:
        odd: list[object] = [None, 5, "x", [], {}, [[{}]], {"a": [{"b": {}}]}, ENTRY | {"port": 0}]
        usable = [ENTRY | {"port": "4000"}, ENTRY | {"more": [{"a": "]}"}]}, ENTRY | {"ttl": -1}]
        found = self.listed(reply(*odd, *usable))
        self.assertEqual((len(found), found.odd), (MANY + len(usable), len(odd)))
        self.assertEqual(found.example, "None")

    def test_never_more_than_we_take(self) -> None:
        for most in (0, 1, MANY - 1, MANY, MANY + 1):
            found = self.listed(reply(), most)
            self.assertEqual((len(found), found.whole), (min(most, MANY), most >= MANY))
        found = self.listed(b"[" + b"[]," * 30_000, 20_000)
        self.assertEqual((len(found), found.odd, found.whole), (0, 20_000, False))

    def test_no_listing_of_any_length(self) -> None:
        self.assertRefused(b"x" * 100_000, "longer than 32 KiB")
        self.assertRefused(b"[" + b"x" * 100_000, "not of this protocol")
        self.assertRefused(b'{"a":[],' + reply()[1:], "longer than 32 KiB")
        self.assertRaises(RequestRefused, read, reply(), most=None)
        for entry in ('"' * 9999, "[" * 9, "[" * 9999, '{"a":"' + "x" * 9999 + '"}', "1,,2"):
            self.assertRefused(b"[" + b"1," * 17_000 + entry.encode() + b"]" * 9 + b"\n")
        self.assertRefused(reply()[:-9] + b"\n", "not of this protocol")
        self.assertIsNone(read(reply()[:-9]))

    def test_a_long_reply_that_says_no(self) -> None:
        self.assertRaises(NotRegistered, read, reply(status="peer_not_registered"))

    @settings(deadline=None, max_examples=40)
    @given(st.lists(json_values, max_size=6), st.integers(1, 5000), st.sampled_from([None, 1]))
    def test_as_if_it_were_read_whole(
        self, entries: list[object], size: int, indent: int | None
    ) -> None:
        peers = [*entries, *[ENTRY] * MANY]
        data = json.dumps({"status": "OK", "peers": peers}, indent=indent).encode()
        data = data.replace(b"\n", b" ")
        try:
            whole = read_listings(data)
        except DirectoryError:
            return
        found = read(data, size=size)
        self.assertEqual((found, found.odd), (whole, whole.odd))  # type: ignore[union-attr]


class WantedTests(SynchronousTestCase):
    """Those to whom we wrote are found behind any number of strangers."""

    def found(self, *entries: object, most: int, wanted: Container[str]) -> Listings:
        data = json.dumps({"status": "OK", "peers": [*[ENTRY] * MANY, *entries]}).encode()
        listings = read(data, most=most, wanted=wanted)
        assert isinstance(listings, Listings)
        return listings

    def test_behind_more_than_we_take(self) -> None:
        friend = ENTRY | {"name": "bob"}
        odd = ENTRY | {"name": "carol", "port": "4001"}
        for entries in ([friend], [5, friend], [odd, friend, ENTRY]):
            listings = self.found(*entries, most=10, wanted={"bob@CIC"})
            self.assertEqual([peer.name for peer in listings[10:]], ["bob"])
            self.assertEqual((len(listings), listings.whole), (11, False))
        both = self.found(odd, friend, most=10, wanted={"bob@CIC", "carol@CIC"})
        self.assertEqual([peer.name for peer in both[10:]], ["carol", "bob"])
        self.assertEqual(len(self.found(friend, most=10, wanted=())), 10)

    def test_in_a_short_reply(self) -> None:
        line = json.dumps({"status": "OK", "peers": [ENTRY, ENTRY, ENTRY | {"name": "bob"}]})
        listings = read_listings(line.encode(), 1, {"bob@CIC"})
        self.assertEqual([peer.name for peer in listings], [ENTRY["name"], "bob"])

    def test_not_without_end(self) -> None:
        piece = b"[]," * 1000
        reader = ReplyReader(10, {"bob@CIC"})
        self.assertFalse(reader.feed(b'{"status":"OK","peers":['))
        pieces = next(n for n in range(1000) if reader.feed(piece))
        self.assertEqual(pieces, 100)

    def test_nor_as_many_as_one_likes_of_one_friend(self) -> None:
        friend = ENTRY | {"name": "bob"}
        reader = ReplyReader(1000, {"bob@CIC"})
        reader.feed(b'{"status":"OK","peers":[')
        piece = json.dumps([friend] * 100)[1:-1].encode() + b","
        next(n for n in range(1000) if reader.feed(piece))
        assert isinstance(reader.result, Listings)
        self.assertLessEqual(len(reader.result), 2100)
