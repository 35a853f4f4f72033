"""A session that knows about encryption: what it says, what counts, and who may be there."""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.codec import decode, encode
from p2pchat.wire.guard import Guard
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import Bye, Hello
from p2pchat.wire.outputs import (
    Ending,
    Extended,
    Finish,
    Opened,
    Output,
    Probed,
    Remark,
    Transmit,
)
from p2pchat.wire.session import Session
from p2pchat.wire.states import State

ME: Final = Identity.of("alice@CIC", "p2pchat/1", "ours")
HELLO: Final = b'{"type":"HELLO","peer_id":"bob@CIC","version":"1.0","features":[]%s}'
HELLO_OK: Final = HELLO.replace(b"HELLO", b"HELLO_OK")


class Asked:
    """Who was vouched for, and a session that asks for it."""

    def __init__(
        self, answer: str = "", *, sealed: bool = False, dialed: str | None = None
    ) -> None:
        self.answer = answer
        self.names: list[str] = []
        self.session = Session(
            ME, 0.0, lambda: "id", dialed=dialed, guard=Guard(sealed, self._vouch, fleeting=True)
        )

    def _vouch(self, peer_id: str, _greeting: Hello) -> str:
        self.names.append(peer_id)
        return self.answer

    def hears(self, line: bytes) -> list[Output]:
        return self.session.receive(decode(line), 1.0)


def said(outputs: list[Output]) -> list[object]:
    return [output.message for output in outputs if isinstance(output, Transmit)]


class WordsTests(SynchronousTestCase):
    def test_who_does_not_encrypt_says_what_it_always_said(self) -> None:
        line = encode(ME.hello()) + encode(ME.hello_ok(is_p2pchat=True))
        self.assertNotIn(b"tls", line)
        self.assertNotIn(b"fleeting", line)

    def test_each_kind_says_its_own_number(self) -> None:
        """An echo of our HELLO is no answer to it."""
        guard = Guard(sealed=False, vouch=lambda _peer_id, _greeting: "")
        self.assertIn(b'"tls":1}', encode(guard.greeting(ME.hello())))
        self.assertIn(b'"tls":2}', encode(guard.greeting(ME.hello_ok(is_p2pchat=True))))

    def test_only_the_json_number_counts(self) -> None:
        guard = Guard(sealed=False, vouch=lambda _peer_id, _greeting: "")
        for text, counts in (
            (b',"tls":1', True),
            (b"", False),
            *((b',"tls":' + odd, False) for odd in (b"true", b'"1"', b"2", b"0", b"null", b"[1]")),
        ):
            hello = decode(HELLO % text)
            assert isinstance(hello, Hello)
            self.assertIs(guard.is_asked(hello), counts, text)
            self.assertEqual(hello.peer_id, "bob@CIC")

    def test_a_key_that_ends_with_the_process_is_told_inside_tls_alone(self) -> None:
        for sealed in (False, True):
            hello = Guard(sealed, lambda _peer_id, _greeting: "", fleeting=True).greeting(
                ME.hello()
            )
            self.assertIs(b"fleeting" in encode(hello), sealed)


class ClearTests(SynchronousTestCase):
    def test_whoever_asks_is_answered_and_nothing_is_shown(self) -> None:
        it = Asked()
        outputs = it.hears(HELLO % b',"tls":1')
        self.assertEqual(outputs[1:], [Probed()])
        self.assertEqual([getattr(each, "tls", None) for each in said(outputs)], [2])
        self.assertEqual((it.session.state, it.session.peer_id, it.names), (State.PROBED, "", []))

    def test_whoever_does_not_ask_opens_if_nothing_is_against_it(self) -> None:
        it = Asked()
        self.assertIn(Opened(), it.hears(HELLO % b""))
        self.assertEqual(it.names, ["bob@CIC"])

    def test_the_one_whom_we_dialed_encrypts(self) -> None:
        it = Asked(dialed="bob@CIC")
        hello = said(it.session.start())[0]
        self.assertEqual(getattr(hello, "tls", None), 1)
        self.assertEqual(
            it.hears(HELLO_OK % b',"tls":2'), [Finish(Ending.UPGRADE, "it can encrypt")]
        )
        self.assertEqual(it.names, [])

    def test_an_echo_of_our_hello_is_a_program_that_does_not(self) -> None:
        it = Asked(dialed="bob@CIC")
        self.assertEqual(it.hears(HELLO_OK % b',"tls":1'), [Opened()])

    def test_who_is_refused_hears_why_and_not_who_we_are(self) -> None:
        for dialed in (None, "bob@CIC"):
            it = Asked("encryption required", dialed=dialed)
            outputs = it.hears((HELLO if dialed is None else HELLO_OK) % b"")
            self.assertEqual(said(outputs), [Bye("id", "alice@CIC", "bob@CIC", it.answer)])
            self.assertIs(outputs[-1].ending if isinstance(outputs[-1], Finish) else None, REFUSED)


class SealedTests(SynchronousTestCase):
    def test_hello_counts_whatever_it_says_of_tls(self) -> None:
        for tls in (b"", b',"tls":1', b',"tls":0'):
            it = Asked(sealed=True)
            self.assertIn(Opened(), it.hears(HELLO % tls))
            self.assertEqual(it.names, ["bob@CIC"])
            it = Asked(sealed=True, dialed="bob@CIC")
            self.assertEqual(it.hears(HELLO_OK % tls.replace(b"1", b"2")), [Opened()])

    def test_who_is_refused_gets_no_hello_ok(self) -> None:
        it = Asked("another key is known for bob@CIC", sealed=True)
        outputs = it.hears(HELLO % b"")
        self.assertEqual([type(message) for message in said(outputs)], [Bye])
        self.assertIs(it.session.state, State.CLOSED)

    def test_a_name_that_nobody_said_gets_no_key(self) -> None:
        for line in (
            b'{"type":"HELLO_OK"}',
            b'{"type":"HELLO_OK","peer_id":""}',
            b'{"type":"HELLO_OK","peer_id":7}',
        ):
            it = Asked(sealed=True, dialed="bob@CIC")
            self.assertIs(_ending(it.hears(line)), REFUSED)
            self.assertEqual(it.names, [])

    def test_our_own_name_is_no_answer(self) -> None:
        it = Asked(sealed=True, dialed="bob@CIC")
        line = (HELLO_OK % b"").replace(b"bob@CIC", b"alice@CIC")
        self.assertIs(_ending(it.hears(line)), Ending.NAME_IN_USE)
        self.assertEqual(it.names, [])


REFUSED: Final = Ending.REFUSED


def _ending(outputs: list[Output]) -> Ending | None:
    return next((it.ending for it in outputs if isinstance(it, Finish)), None)


class KeyChangeTests(SynchronousTestCase):
    def test_it_counts_inside_tls_alone_and_from_our_kind_alone(self) -> None:
        line = b'{"type":"KEY","msg_id":"x","old":"","new":"","count":1,"by_old":"","by_new":""%s}'
        for sealed, agent, more, counts in (
            (True, b',"agent":"p2pchat/2"', b"", True),
            (True, b',"agent":"p2pchat/2"', b',"ttl":0', False),
            (True, b"", b"", False),
            (False, b',"agent":"p2pchat/2"', b"", False),
        ):
            asked = Asked(sealed=sealed)
            self.assertEqual([*map(type, asked.hears(line % b""))], [Finish])  # before HELLO
            asked = Asked(sealed=sealed)
            asked.hears(HELLO % agent)
            outputs = asked.hears(line % more)
            self.assertEqual([*map(type, outputs)], [Extended if counts else Remark])
            self.assertIs(asked.session.state, State.OPEN)
        session = Session(ME, 0.0, lambda: "id")  # of a node that does not encrypt
        session.receive(decode(HELLO % b',"agent":"p2pchat/2"'), 1.0)
        (output,) = session.receive(decode(line % b""), 1.0)
        self.assertIsInstance(output, Remark)
