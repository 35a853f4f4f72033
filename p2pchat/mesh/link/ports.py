"""Taking the port that peers reach us on: a number, the first free one, or an endpoint.

Rules: it is bound before anything else happens, so that a port that is taken is one sentence and
the end of the program, and not a line in the log of a node that nobody can reach.
"""

from __future__ import annotations

import errno
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from p2pchat.dual_stack import BACKLOG, listen_on_all, listen_on_loopback
from p2pchat.settings.values import PeerSettings
from p2pchat.speech import Sentence, plain
from p2pchat.wire.address import LOOPBACK
from p2pchat.wire.text import why_not

DEFAULT_PORT: Final = 4000
_PORTS_TO_TRY: Final = 50

_FORMS: Final = {
    "tcp": Sentence(
        "tcp:PORT[:interface=ADDRESS], the port from 0 to 65535, a colon in ADDRESS as \\:"
    ),
    "unix": plain("unix:PATH"),
    "systemd": Sentence("systemd:domain=INET:index=NUMBER or systemd:domain=INET:name=NAME"),
}
"""The usual kinds of endpoint, and how they are written."""


class CannotStartError(Exception):
    """The node cannot start; its `Sentence` is for the person."""


def reason(why: CannotListenError) -> Sentence:
    """What the system said against listening."""
    trouble = why.socketError
    if isinstance(trouble, OSError) and trouble.strerror:
        return why_not(trouble)
    return plain(str(trouble))


def open_port(
    reactor: Any, factory: ServerFactory, peer: PeerSettings, *, loopback: bool
) -> IListeningPort:
    """Listen as the settings say.

    Without a port in the settings, the first free one from 4000 on is taken. Without an interface,
    all of them are, over IPv6 and IPv4, or only this machine's own with `loopback`. Raises
    `CannotStartError`.
    """
    if peer.listen is not None:
        return listen_on(reactor, factory, peer.listen)
    wanted = [*range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TO_TRY), 0]
    if peer.port is not None:
        wanted = [peer.port]
    for number in wanted:
        try:
            if peer.interface is not None:
                port: IListeningPort = reactor.listenTCP(
                    number, factory, backlog=BACKLOG, interface=peer.interface
                )
                return port
            return (listen_on_loopback if loopback else listen_on_all)(reactor, number, factory)
        except CannotListenError as why:
            code = getattr(why.socketError, "errno", None)
            if number == wanted[-1] or code not in (errno.EADDRINUSE, errno.EACCES):
                where = peer.interface or (LOOPBACK if loopback else None)
                raise CannotStartError(
                    Sentence(
                        "cannot listen on {address}, port {port}: {why}",
                        address=where or Sentence("all interfaces"),
                        port=number,
                        why=reason(why),
                    )
                ) from None
    raise AssertionError("the last one is taken or refused")


def listen_on(reactor: Any, factory: ServerFactory, description: str) -> IListeningPort:
    """Listen on a Twisted endpoint, for example on a socket that systemd opened.

    Raises `CannotStartError` with a sentence.
    """
    # Slow to import, and hardly anybody names an endpoint.
    from twisted.internet.endpoints import serverFromString

    ports: list[IListeningPort] = []
    failures: list[Failure] = []
    trouble: BaseException | None = None
    try:
        listening = serverFromString(reactor, description).listen(factory)
        listening.addCallbacks(ports.append, failures.append)
    except Exception as why:  # each kind of endpoint has its own way to refuse a description
        trouble = why
    if not ports:
        if failures:
            trouble = failures[0].value
        raise CannotStartError(
            Sentence(
                "cannot listen on {endpoint}: {why}",
                endpoint=description,
                why=_refusal(description, trouble),
            )
        )
    return ports[0]


def _refusal(description: str, why: BaseException | None) -> Sentence:
    kind = description.partition(":")[0]
    if why is None:
        return Sentence("it is not ready at once")
    if isinstance(why, LookupError) and kind == "systemd":
        return Sentence("systemd handed over no such socket")
    if isinstance(why, CannotListenError):
        return reason(why)
    if isinstance(why, OSError) and why.strerror:
        return why_not(why)
    if isinstance(why, ModuleNotFoundError):
        return Sentence("this needs the module {module}, which is not installed", module=why.name)
    # What remains are faults of its parser, whose texts are for programmers.
    if kind in _FORMS:
        return Sentence("expected {forms}", forms=_FORMS[kind])
    return Sentence(
        'no such kind of endpoint: "{kind}" (usual kinds: {usual})',
        kind=kind,
        usual=", ".join(_FORMS),
    )
