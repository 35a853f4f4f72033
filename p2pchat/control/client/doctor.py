"""`p2pchat doctor`: one page on what this machine and its network let p2pchat do.

    doctor(settings)  ->  lines; those that begin with "!" say what is wrong and what helps

Rules: no Twisted, no running node is needed, and nothing is changed. All is over in five seconds:
what waits for the network runs in threads beside each other, and who is late is said to be. Names
and texts from outside are made printable by who prints the lines.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from p2pchat.control.client.listening import heard_on_the_network
from p2pchat.settings.paths import own_files_path
from p2pchat.settings.values import Settings
from p2pchat.wire.address import host_and_port

_LIMIT: Final = 4.5
"""Seconds for everything."""
_ANSWERS: Final = 4.0
"""Seconds for the answers of a rendezvous at all of its addresses."""
_ANSWER: Final = 2.0
"""At one of them, from the connection to the last byte: what drips is no answer."""
_MOST_PLACES: Final = 4
_LONGEST: Final = 2_000_000
"""Bytes of a listing that are read."""
_LITTLE: Final = 100_000_000
"""Bytes free below which a disk is nearly full."""
_FIRST_YEAR: Final = 2026
"""No clock is right that shows an earlier one."""
_PORT: Final = 4000


class Found(NamedTuple):
    """One thing that was looked at."""

    about: str
    says: str
    helps: str = ""
    """What helps; empty if all is well."""


Look: TypeAlias = tuple[str, Callable[[], Iterable[Found]]]
"""What is looked at, and how."""


def doctor(settings: Settings) -> list[str]:
    """Look at everything; the lines are for a person, one page."""
    looks: list[Look] = [
        ("addresses", _addresses),
        ("port", lambda: _port(settings)),
        ("rendezvous", lambda: _rendezvous(settings)),
        ("network", lambda: _network(settings)),
        ("clock", _clock),
        ("files", _files),
    ]
    return page(looks)


def page(looks: Sequence[Look], limit: float = _LIMIT) -> list[str]:
    """What these looks find in so many seconds, and what is wrong."""
    results = _at_once(looks, limit)
    found = [each for about, _ in looks for each in results.get(about, [_late(about, limit)])]
    width = max(len(each.about) for each in found)
    lines = [f"{each.about:<{width}}  {each.says}" for each in found]
    wrong = [f"! {each.about}: {each.helps}" for each in found if each.helps]
    return [*lines, *(wrong or ["all is well"])]


def _at_once(looks: Sequence[Look], limit: float) -> dict[str, list[Found]]:
    results: dict[str, list[Found]] = {}

    def look(about: str, call: Callable[[], Iterable[Found]]) -> None:
        try:
            results[about] = [*call()]
        except Exception as why:  # one look that fails must not cost the others
            results[about] = [Found(about, f"could not be looked at: {why}", "tell us")]

    until = time.monotonic() + limit
    threads = [threading.Thread(target=look, args=each, daemon=True) for each in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(results)


def _late(about: str, limit: float) -> Found:
    return Found(about, f"no answer in {limit:g} s", "the network or the disk hangs: try again")


# -------------------------------------------------------------------- what is looked at


def _addresses() -> Iterable[Found]:
    import ifaddr

    for adapter in ifaddr.get_adapters():
        ips = [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips]
        yield Found(adapter.nice_name, ", ".join(ips))
    for family, name, probe in (
        (socket.AF_INET, "IPv4", "192.0.2.1"),
        (socket.AF_INET6, "IPv6", "2001:db8::1"),
    ):
        ours = _way_out(family, probe)
        yield Found(name, f"goes out from {ours}" if ours else "no way out of this network")


def _way_out(family: socket.AddressFamily, probe: str) -> str:
    """Our address towards the world; nothing is sent to find it."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((probe, 9))
            return str(asking.getsockname()[0])
    except OSError:
        return ""


def _port(settings: Settings) -> Iterable[Found]:
    if settings.peer.listen is not None:
        yield Found("port", f"an endpoint of its own: {settings.peer.listen}")
        return
    number = _PORT if settings.peer.port is None else settings.peer.port
    if _is_free(number):
        yield Found("port", f"{number} is free")
    elif settings.peer.port is None:
        yield Found("port", f"{number} is taken: the next free one is used")
    else:
        yield Found("port", f"{number} is taken", "another program has it: --port NUMBER")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("", port))
        except OSError:
            return False
        return True


def _rendezvous(settings: Settings) -> Iterable[Found]:
    where = settings.rendezvous
    if where.host is None:
        said = f"this machine's own (port {where.local_port}): only its nodes are met"
        yield Found("rendezvous", f"{said}; --rendezvous HOST or --lan meets others")
        return
    name = host_and_port(where.host, where.port)
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    except OSError as why:
        said = f"{name}: there is no such host ({why.strerror})"
        yield Found("rendezvous", said, "look at the name (--rendezvous) and at the network")
        return
    every = dict.fromkeys((family, place) for family, _, _, _, place in found)
    places = [*every][:_MOST_PLACES]
    seconds = min(_ANSWER, _ANSWERS / len(places))
    answers = [_asked(family, place, seconds) for family, place in places]
    for says, _ in answers:
        yield Found("rendezvous", says)
    if not any(ok for _, ok in answers):
        helps = "nobody new is found until it answers: another --rendezvous, --lan or /dial"
        yield Found("rendezvous", f"{name} cannot be used", helps)


def _asked(family: int, place: tuple[object, ...], seconds: float) -> tuple[str, bool]:
    """What the rendezvous at one address answers in so many, and whether that is an answer."""
    where = host_and_port(str(place[0]), int(str(place[1])))
    began = time.monotonic()
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(place)
            connection.sendall(b'{"type":"DISCOVER"}\n')
            line = bytearray()
            while b"\n" not in line[-65_536:] and len(line) < _LONGEST:
                connection.settimeout(max(began + seconds - time.monotonic(), 0.001))
                data = connection.recv(65_536)
                if not data:
                    break
                line += data
        answer = json.loads(line)
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    except OSError as why:
        return f"{where}: {why.strerror or 'no answer'}", False
    except (ValueError, RecursionError):
        return f"{where}: what answers is no rendezvous", False
    if not isinstance(answer, dict):
        return f"{where}: what answers is no rendezvous", False
    peers = answer.get("peers")
    if isinstance(peers, list):
        return f"{where}: {len(peers)} registered, {took}", True
    # Some tell only who is registered himself; it answers, and that is enough.
    return f"{where}: it answers ({str(answer.get('error', 'no list'))[:80]}), {took}", True


def _network(settings: Settings) -> Iterable[Found]:
    ways, names, trouble = heard_on_the_network(patterns=settings.lan.interfaces)
    if trouble:
        yield Found("network", trouble, "a firewall or another program: see --lan-interfaces")
        return
    if not ways:
        helps = "/dial HOST[:PORT] or a rendezvous; --lan-interfaces names an interface"
        helps = helps if settings.lan.enabled else ""
        yield Found("network", "no interface leads to neighbours", helps)
        return
    if names:
        yield Found("network", f"{len(names)} heard: {', '.join(sorted(names)[:10])}")
        return
    yield Found("network", "nobody else was heard (who starts with --lan would be)")


def _clock() -> Iterable[Found]:
    now = time.gmtime()
    helps = "" if now.tm_year >= _FIRST_YEAR else "set it: people read the time of a message"
    yield Found("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", now), helps)


def _files() -> Iterable[Found]:
    folder = os.path.dirname(own_files_path("x@y"))
    there = folder
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    if not os.access(there, os.W_OK | os.X_OK):
        helps = f"nothing can be kept: make {there} writable, or --history FILE elsewhere"
        yield Found("files", f"{folder} cannot be written", helps)
        return
    free = shutil.disk_usage(there).free
    helps = "" if free >= _LITTLE else "the disk is nearly full: what comes could not be kept"
    yield Found("files", f"{folder}, {free / 1e9:.1f} GB free", helps)
