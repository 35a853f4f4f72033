"""From one request line to one reply line: what is asked, of whom, and what the registry says.

Rules: `reply` never raises and never answers nothing; a fault of ours costs one request and one
line of the log. No sockets here, and no reactor.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.logger import LogLevel

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.rendezvous import requests
from p2pchat.rendezvous.long_replies import LongReply
from p2pchat.rendezvous.registry import Registry, Verdict
from p2pchat.rendezvous.requests import Discover, Invalid, Register
from p2pchat.wire.address import network_of

_log = Log("Rendezvous")


class Answers:
    """Answers out of `registry`; `monotonic` gives the seconds of a clock that never jumps."""

    def __init__(self, registry: Registry, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry
        self.given = 0
        """Requests answered since the start, errors included."""
        self.failures = 0
        """Requests that failed by a fault of ours."""
        self._monotonic = monotonic
        self._limited = RateLimited(_log, limit=1)

    def reply(self, line: bytes, ip: str) -> bytes | LongReply:
        """The reply to the request line (without its newline) that came from `ip`: one line."""
        self.given += 1
        now = self._monotonic()
        try:
            reply = self._obey(line, ip, now)
        except Exception as fault:
            self.failures += 1
            self._limited.emit(
                LogLevel.error,
                now,
                "internal error",
                "A request of {ip} failed by a fault of ours: {fault} at {place}",
                ip=ip,
                fault=repr(fault),
                place=_place_of(fault),
            )
            return requests.INTERNAL_ERROR
        if _log.debugging:
            said = reply.piece(0) or b"" if isinstance(reply, LongReply) else reply
            _log.debug("{ip}: {line} -> {reply}", ip=ip, line=_head(line), reply=_head(said))
        return reply

    def _obey(self, line: bytes, ip: str, now: float) -> bytes | LongReply:
        registry = self.registry
        request = requests.parse(line)
        if isinstance(request, Register):
            namespace, name, port = request.namespace, request.name, request.port
            verdict = registry.register(ip, namespace, name, port, request.ttl, now, request.hint)
            if verdict is Verdict.GRANTED:
                return requests.granted(request.ttl, ip, port)
            return self._refused(verdict, request, ip, now)
        if isinstance(request, Invalid) and not request.of_a_registered_peer:
            return request.reply
        if not registry.knows(ip, now):
            return requests.NOT_REGISTERED
        if isinstance(request, Invalid):
            return request.reply
        if isinstance(request, Discover):
            if request.selection is not None:
                return registry.discover_some(request.namespace, request.selection, now, ip)
            ipv4_only = not request.ipv6 and ":" not in ip
            return registry.discover(request.namespace, now, ipv4_only=ipv4_only)
        gone = registry.unregister(ip, request.namespace, request.name, request.port, now)
        return requests.OK if gone else requests.NO_MATCH

    def _refused(self, verdict: Verdict, request: Register, ip: str, now: float) -> bytes:
        registry, limited = self.registry, self._limited
        if verdict is Verdict.BANNED:
            name = f"{request.name}@{request.namespace}"
            limited.info(now, "banned", "Banned: {ip} may not register [{name}]", ip=ip, name=name)
            return requests.BANNED
        if verdict is Verdict.LINK_LOCAL:
            return requests.LINK_LOCAL
        if verdict is Verdict.TOO_MANY:
            text = "{ip} has its {limit} registrations: more are refused"
            limited.warn(now, "share", text, ip=network_of(ip), limit=registry.per_address)
            return requests.TOO_MANY
        text = "The registry is full ({limit} registrations): new ones are refused"
        limited.warn(now, "full", text, limit=registry.limit)
        return requests.FULL


def _head(line: bytes) -> str:
    return line[:200].decode("utf-8", "replace").strip()


def _place_of(fault: BaseException) -> str:
    """The file and line that raised, in place of a traceback."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
