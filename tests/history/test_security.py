"""How each message came is kept with it, and shown; of what older programs kept it is not known."""

from __future__ import annotations

import json
import sqlite3
from itertools import chain
from typing import Any

from p2pchat.control.client.commands import run
from p2pchat.history.export import as_json, read
from p2pchat.history.records import ENCRYPTED, PLAIN, VERIFIED, WAITING, Batch, Change, Record
from p2pchat.history.segments import Security, how_it_came, is_whole, pack, unpack, without
from p2pchat.wire.messages import Pub, Said, Send
from tests.history.test_sums import file_of_4
from tests.support.fake_link import FakeLink
from tests.support.histories import NOW, FileCase, HistoryCase, send


def link_of(security: str) -> FakeLink:
    link = FakeLink()
    link.security, link.key = security, None if security == "plain" else bytes(32)
    return link


class HowItCameTests(FileCase):
    def test_all_in_the_same_way(self) -> None:
        messages: list[Send | Pub] = [Send("1", "bob@CIC"), Pub("2"), Send("3", "bob@CIC")]
        for security, number in (("plain", 0), ("encrypted", 1), ("verified", 2)):
            self.assertEqual(how_it_came(link_of(security), messages), number)

    def test_the_peer_vouches_for_nobody_else(self) -> None:
        messages: list[Send | Pub] = [Send("1", "eve@CIC"), Pub("2", "bob@CIC")]
        self.assertEqual(how_it_came(link_of("plain"), messages), PLAIN)
        self.assertEqual(how_it_came(link_of("verified"), messages), [PLAIN, VERIFIED])

    def part(self, security: Security, *messages: Send | Pub) -> bytes:
        ids = [str(message.msg_id) for message in messages]
        return b"\x91" + pack(1, "bob@CIC", NOW, messages, ids, security=security).data

    def test_it_is_packed_and_unpacked(self) -> None:
        three: list[Send | Pub] = [
            Send("1", payload="a"),
            Pub("2", dst="*"),
            Send("3", payload="c"),
        ]
        cases: list[tuple[Security, list[int | None]]] = [
            (None, [None] * 3),
            (PLAIN, [0] * 3),
            (VERIFIED, [2] * 3),
            ([PLAIN, ENCRYPTED, VERIFIED], [0, 1, 2]),
        ]
        for security, numbers in cases:
            for messages in (three, three[:1]):
                count = len(messages)
                given = security[:count] if isinstance(security, list) else security
                data = self.part(given, *messages)
                self.assertTrue(is_whole(data))
                found = [record.security for record in unpack(data)]
                self.assertEqual(found, numbers[:count])
                _, kept = without(data, lambda _: True)
                self.assertEqual([record.security for record in unpack(kept)], numbers[:count])

    def test_what_cannot_be_encoded_as_it_is(self) -> None:
        data = self.part([VERIFIED, PLAIN], Send("1", payload="\ud800"), Send("\udfff"))
        self.assertEqual([record.security for record in unpack(data)], [VERIFIED, PLAIN])

    def test_too_few_are_damage(self) -> None:
        data = self.part([VERIFIED], Send("1"), Send("2"))
        self.assertEqual((is_whole(data), unpack(data)), (False, []))

    def test_what_a_program_of_before_packed(self) -> None:
        """Its part had no such column."""
        newer = self.part(None, Send("1", payload="oi"))
        self.assertEqual(newer[:2], b"\x91\x98", "a list of one part, with eight columns")
        older = b"\x91\x97" + newer[2:-1]
        (record,) = unpack(older)
        self.assertEqual((record.text, record.security, record.came), ("oi", None, ""))


class ShownTests(HistoryCase):
    def received(self, security: str, *messages: Send | Pub) -> None:
        self.link = link_of(security)
        self.receive(*messages)

    def came(self) -> list[str]:
        return [line.came for line in self.successResultOf(self.history.recent(None, 99))]

    def test_before_and_after_filing_and_a_restart(self) -> None:
        self.start()
        self.received("plain", send("1", "a"))
        self.received("encrypted", send("2", "b"), Pub("3", "bob@CIC", "*", "c"))
        self.received("verified", send("4", "d"), Send("5", "eve@CIC", "alice@CIC", "e"))
        late = Said("6", "eve@CIC", "*", "f", NOW - 60)
        self.incoming.deliver_late(self.peer, self.link, late)
        late = Said("7", "bob@CIC", "*", "g", NOW - 60)
        self.incoming.deliver_late(self.peer, self.link, late)
        ways = ["plain", "encrypted", "encrypted", "verified", "plain", "plain", "verified"]
        self.assertEqual(self.came(), ways)
        self.successResultOf(self.history.stop())
        while self.database.file():
            pass
        self.assertEqual([line.came for line in read(self.path, None)], ways)
        self.restart()
        self.assertEqual(self.came(), ways)
        self.successResultOf(self.history.stop())

    def test_for_programs(self) -> None:
        record = Record(1, "bob@CIC", "bob@CIC", "1", NOW, 0, "oi")
        self.assertNotIn("security", as_json(record))
        record.security = VERIFIED
        self.assertEqual(as_json(record)["security"], "verified")
        record.security = PLAIN
        self.assertEqual(as_json(record)["security"], "plain")
        record.state = WAITING
        self.assertNotIn("security", as_json(record), "of ours it says something else")

    def test_from_the_command_line(self) -> None:
        self.start()
        self.received("verified", send("1", "a"))
        self.successResultOf(self.history.stop())
        shown: list[Any] = []
        self.patch(run.__globals__["sys"].stdout, "write", shown.append)
        self.assertEqual(run(["history", "--file", self.path, "--json"]), 0)
        self.assertEqual(json.loads("".join(shown))["security"], "verified")


class FileTests(FileCase):
    def test_a_flipped_mark_is_found(self) -> None:
        messages: list[Send | Pub] = [Send("1", payload="oi")]
        self.keep(pack(1, "bob@CIC", NOW, messages, ["1"], security=PLAIN))
        self.database.close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE message SET security = 2")
        connection.close()
        self.assertEqual(self.reader.recent(None, 9), [])
        self.assertEqual(self.reader.newly_damaged(), 1)
        self.assertEqual(self.database.load(9).unreadable, 1)

    def test_a_change_of_state_keeps_it(self) -> None:
        entry = self.entry("bob@CIC", "m1", "só cifrado", WAITING)
        entry.security = ENCRYPTED
        self.database.commit(Batch(entries=[entry]))
        (waiting,) = self.database.load(9).waiting
        self.assertEqual(waiting.security, ENCRYPTED)
        self.database.commit(Batch(changes=[Change(entry.id, 2)]))
        (record,) = self.reader.recent(None, 9)
        self.assertEqual((record.state, record.security, record.came), (2, ENCRYPTED, ""))
        self.assertEqual(self.database.load(9).unreadable, 0)

    def test_of_a_file_of_format_4_it_is_not_known(self) -> None:
        self.next_id = 3
        newer = self.arrival("bob@CIC", send("b2", "e então?")).data
        file_of_4(self.path, (3, 1, 0, b"\x91\x97" + newer[1:-1]))
        texts = ["oi", "espera", "e então?"]
        for opened in (False, True):
            if opened:
                self.assertEqual(self.database.load(9).unreadable, 0)
                while self.database.file():
                    pass
            records = self.reader.recent("bob@CIC", 9)
            self.assertEqual(self.texts(records), texts)
            known = chain.from_iterable((record.came, record.security) for record in records)
            self.assertEqual({*known}, {"", None})
            self.reader.close()
