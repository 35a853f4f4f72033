"""What a fuzzer feeds, and what must hold for any bytes whatever; no fuzzer is needed to run one.

`benchmarks/fuzz.py` looks for bytes that break these, guided by coverage;
`tests/wire/test_corpus.py` tries the kept ones on every run. A target returns nothing, and raises
for a finding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from p2pchat.rendezvous import requests
from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.directory import DirectoryError
from p2pchat.rendezvous.proxy_header import MOST_SECOND, Header, HeaderError, read_header
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.replies import is_whole, read_grant, read_listings, read_ok
from p2pchat.wire.address import plain_ip
from p2pchat.wire.codec import MAX_LINE, MessageTooLongError, decode, encode, from_raw
from p2pchat.wire.liberal import WireError, read_liberally
from p2pchat.wire.messages import (
    Ack,
    Bye,
    ByeOk,
    Extension,
    Hello,
    Message,
    Ping,
    Pong,
    Pub,
    Send,
    Unknown,
)
from tests.support.lines import fields_of
from tests.support.links import TestedLink, hello
from tests.support.replies import whole
from tests.support.sealed_links import SealedPair

REASONS: Final = ("not JSON", "not UTF-8", "not an object", "nested too deeply")
"""What is said of a line that is no message."""


def wire(data: bytes) -> None:
    """A line is a message or a `WireError`; what was read can be answered and written again."""
    line = data.replace(b"\n", b" ")[: MAX_LINE - 1]
    try:
        message = decode(line)
    except WireError as why:
        if str(why) not in REASONS:
            raise
        return
    if isinstance(message, Unknown):
        return
    if isinstance(message, Extension):
        # What only our own kind says has one form, and no long way round.
        _written(message)
        return
    with suppress(WireError):
        # The long way round is stricter with what the short one skips, but never differs.
        slowly = read_liberally(line)
        assert type(slowly) is type(message), (message, slowly)
        assert fields_of(slowly) == fields_of(message), (message, slowly)
    match message:
        case Ping():
            from_raw(message.msg_id)
            _written(Pong(message.msg_id, message.timestamp))
        case Send() | Pub():
            assert isinstance(message.payload, str)
            assert isinstance(message.require_ack, bool)
            _written(Ack(message.msg_id, "now"))
        case Bye():
            _written(ByeOk(message.msg_id, "a@b", "c@d"))
        case Hello():
            assert all(isinstance(feature, str) for feature in message.features)
    _written(message)


def _written(message: Message) -> None:
    """It is one line of strict JSON, unless it is too long, and reads back as what it was."""
    try:
        line = encode(message)
    except MessageTooLongError:
        return
    assert line.index(b"\n") == len(line) - 1
    json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    again = decode(line)
    assert type(again) is type(message), (message, again)


def _no_constant(name: str) -> object:
    raise AssertionError(name)


def request(data: bytes) -> None:
    """A request gets one line of JSON that says OK or ERROR, and the short cut never differs."""
    line = data.replace(b"\n", b" ")[: requests.MAX_REQUEST - 1]
    answers = Answers(Registry(), lambda: 1000.0)
    answers.reply(b'{"type":"REGISTER","namespace":"n","name":"me","port":1}', "10.0.0.1")
    for ip in ("10.0.0.1", "10.0.0.2"):
        reply = whole(answers.reply(line, ip))
        assert reply.endswith(b"\n")
        assert reply.count(b"\n") == 1
        assert json.loads(reply)["status"] in ("OK", "ERROR")
    assert not answers.failures
    listing = whole(answers.reply(b'{"type":"DISCOVER"}', "10.0.0.1"))
    if b"not_registered" not in listing:
        assert json.loads(listing.decode("ascii"))["status"] == "OK"
    assert requests.parse(line) == requests._parse_odd(line)


def proxied(data: bytes) -> None:
    """A balancer's header is whole, wrong or too short, however it is cut, and little is kept."""
    decided: object = None
    for size in range(min(len(data), MOST_SECOND + 16) + 1):
        try:
            found: object = read_header(data[:size])
        except HeaderError:
            found = HeaderError
        assert decided is None or found == decided
        decided = found
        if isinstance(found, Header) and found.client is not None:
            ip, port = found.client
            assert str(ip_address(ip)) == ip
            assert plain_ip(ip) == ip
            assert 0 <= port <= 65_535
    assert decided is not None or size <= MOST_SECOND


def reply(data: bytes) -> None:
    """Whatever a rendezvous answers is a result or a `DirectoryError`."""
    for read in (lambda data: read_grant(data, ttl=60), read_listings, read_ok, is_whole):
        with suppress(DirectoryError):
            read(data)


def link(data: bytes) -> None:
    """A link takes any bytes in any chunks: it answers in whole lines, or ends, and never raises.

    The first byte says what kind of link it is, the second how long the chunks are.
    """
    kind, size = (data[0], data[1]) if len(data) > 1 else (0, 0)
    tested = TestedLink(dialed="bob@CIC" if kind & 1 else None)
    if kind & 2:
        tested.hear(hello(is_p2pchat=bool(kind & 4), kind="HELLO_OK" if kind & 1 else "HELLO"))
    rest, step = data[2:], size * 8 + 1
    for at in range(0, len(rest), step):
        if tested.transport.disconnecting or tested.transport.disconnected:
            break
        tested.link.dataReceived(rest[at : at + step])
    tested.run(1.0)
    tested.run(15.0)
    for line in tested.transport.value().splitlines(keepends=True):
        assert line.endswith(b"\n")
        assert len(line) <= MAX_LINE
        assert isinstance(json.loads(line), dict)
    if kind & 2 and not tested.owner.of("closed"):
        tested.lose()
    assert len(tested.link._tail) <= MAX_LINE


def sealed(data: bytes) -> None:
    """A link that can encrypt takes any bytes, too, before TLS, below it and inside it.

    The first byte says what kind of link it is, the second how long the chunks are.
    """
    kind, size = (data[0], data[1]) if len(data) > 1 else (0, 0)
    pair = SealedPair()
    one, other = (pair.alice, pair.bob) if kind & 1 else (pair.bob, pair.alice)
    if kind & 2:
        pair.open()
    rest, step = data[2:], size * 8 + 1
    if kind & 6 == 6 and other.link.sealed is not None:
        other.link.queue.put(rest)
        rest = other.said()
    for at in range(0, len(rest), step):
        if one.transport.disconnecting or one.transport.disconnected:
            break
        one.link.dataReceived(rest[at : at + step])
    one.run(1.0)
    one.run(15.0)
    assert len(one.link._tail) <= MAX_LINE
    assert kind & 2 or not one.owner.texts or one.link.peer_id
    if not one.owner.of("closed"):
        one.link.connectionLost(Failure(ConnectionDone()))
    assert one.security.budget.waiting == 0


TARGETS: Final[dict[str, Callable[[bytes], Any]]] = {
    target.__name__: target for target in (wire, request, proxied, reply, link, sealed)
}
