"""EDIT and AWAY in a session, and the id by which a change is kept."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.changes import changed_id, is_usual, kept_id, said_id
from p2pchat.wire.codec import decode, encode
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    AWAY,
    EDIT,
    FEATURES,
    OWN_FEATURES,
    Away,
    Edit,
    Hello,
    HelloOk,
    Unknown,
)
from p2pchat.wire.outputs import Extended, Remark, Transmit
from p2pchat.wire.repetitions import LONGEST_ID, id_text
from p2pchat.wire.session import Session
from tests.support.sessions import inbound

ALICE = Identity.of("alice@CIC", "p2pchat/1", "ours", OWN_FEATURES)
CHANGE = Edit("e1", "m1", "bob@CIC", "alice@CIC", "hello")
GONE = Away("a1", "lunch")


class SessionTests(SynchronousTestCase):
    def opened(self, **hello: Any) -> Session:
        session = inbound(ALICE)
        self.answer = session.receive(Hello("bob@CIC", **hello), 0.0)[0]
        return session

    def test_each_needs_its_feature_and_our_own_kind(self) -> None:
        for features, agent, heard in (
            ((EDIT, AWAY), "p2pchat/2", (CHANGE, GONE)),
            ((EDIT,), "p2pchat/2", (CHANGE,)),
            ((AWAY,), "p2pchat/2", (GONE,)),
            ((EDIT, AWAY), "", ()),
            (FEATURES, "p2pchat/2", ()),
        ):
            session = self.opened(features=features, agent=agent)
            for message in (CHANGE, GONE):
                (output,) = session.receive(message, 1.0)
                self.assertEqual(output == Extended(message), message in heard)

    def test_others_are_told_of_neither(self) -> None:
        for agent, features in (("", FEATURES), ("p2pchat/2", OWN_FEATURES)):
            self.opened(agent=agent)
            assert isinstance(self.answer, Transmit)
            assert isinstance(self.answer.message, HelloOk)
            self.assertEqual(self.answer.message.features, features)

    def test_what_is_dropped(self) -> None:
        session = self.opened(features=(EDIT, AWAY), agent="p2pchat/2")
        for changed in (
            {"dst": "eva@CIC"},
            {"dst": "#UnB"},
            {"src": "eva@CIC"},
            {"ttl": 0},
            {"msg_id": ""},
            {"of": "x" * (LONGEST_ID + 1)},
            {"of": "a b"},
            {"msg_id": "a\\b"},
            {"msg_id": "ã"},
        ):
            fields: dict[str, Any] = {
                "msg_id": "e",
                "of": "m",
                "src": "",
                "dst": "",
                "payload": "x",
                **changed,
            }
            (output,) = session.receive(Edit(**fields), 1.0)
            self.assertIsInstance(output, Remark, changed)

    def test_there_and_back(self) -> None:
        for message in (CHANGE, GONE):
            self.assertEqual(decode(encode(message)), message)
        for line in (b'{"type":"EDIT","msg_id":1}', b'{"type":"AWAY","msg_id":"a","text":[]}'):
            self.assertIsInstance(decode(line), Unknown)


IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=LONGEST_ID)


class KeptIdTests(SynchronousTestCase):
    @given(IDS.filter(is_usual), IDS.filter(is_usual))
    def test_both_are_found_again(self, msg_id: str, of: str) -> None:
        kept = kept_id(msg_id, of)
        self.assertEqual((said_id(kept), changed_id(kept)), (msg_id, of))

    @given(st.text(max_size=300) | st.text(st.just("\ud800"), max_size=LONGEST_ID))
    def test_no_other_message_is_taken_for_a_change(self, msg_id: str) -> None:
        kept = id_text(msg_id).encode("utf-8", "backslashreplace").decode()
        self.assertEqual((said_id(kept), changed_id(kept)), (kept, ""))
