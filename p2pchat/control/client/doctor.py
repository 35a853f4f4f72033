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
from p2pchat.speech import N_, _, ngettext, spoken
from p2pchat.wire.address import host_and_port
from p2pchat.wire.text import why_not

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
        (N_("addresses"), _addresses),
        (N_("port"), lambda: _port(settings)),
        (N_("rendezvous"), lambda: _rendezvous(settings)),
        (N_("network"), lambda: _network(settings)),
        (N_("clock"), _clock),
        (N_("files"), _files),
    ]
    return page(looks)


def page(looks: Sequence[Look], limit: float = _LIMIT) -> list[str]:
    """What these looks find in so many seconds, and what is wrong."""
    results = _at_once(looks, limit)
    found = [each for about, _look in looks for each in results.get(about, [_late(about, limit)])]
    width = max(len(each.about) for each in found)
    lines = [f"{each.about:<{width}}  {each.says}" for each in found]
    wrong = [f"! {each.about}: {each.helps}" for each in found if each.helps]
    return [*lines, *(wrong or [_("all is well")])]


def _at_once(looks: Sequence[Look], limit: float) -> dict[str, list[Found]]:
    results: dict[str, list[Found]] = {}

    def look(about: str, call: Callable[[], Iterable[Found]]) -> None:
        try:
            results[about] = [*call()]
        except Exception as why:  # one look that fails must not cost the others
            says = _("could not be looked at: {why}").format(why=spoken(why))
            results[about] = [Found(_(about), says, _("tell us"))]

    until = time.monotonic() + limit
    threads = [threading.Thread(target=look, args=each, daemon=True) for each in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(results)


def _late(about: str, limit: float) -> Found:
    says = _("no answer in {limit:g} s").format(limit=limit)
    return Found(_(about), says, _("the network or the disk hangs: try again"))


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
        says = _("goes out from {address}") if ours else _("no way out of this network")
        yield Found(name, says.format(address=ours))


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
        says = _("an endpoint of its own: {endpoint}").format(endpoint=settings.peer.listen)
        yield Found(_("port"), says)
        return
    number = _PORT if settings.peer.port is None else settings.peer.port
    if _is_free(number):
        yield Found(_("port"), _("{port} is free").format(port=number))
    elif settings.peer.port is None:
        says = _("{port} is taken: the next free one is used")
        yield Found(_("port"), says.format(port=number))
    else:
        helps = _("another program has it: --port NUMBER")
        yield Found(_("port"), _("{port} is taken").format(port=number), helps)


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
        says = _(
            "this machine's own (port {port}): only its nodes are met; --rendezvous HOST or --lan "
            "meets others"
        )
        yield Found(_("rendezvous"), says.format(port=where.local_port))
        return
    name = host_and_port(where.host, where.port)
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    except OSError as why:
        says = _("{host}: there is no such host ({why})").format(
            host=name, why=spoken(why_not(why))
        )
        helps = _("look at the name (--rendezvous) and at the network")
        yield Found(_("rendezvous"), says, helps)
        return
    every = dict.fromkeys((family, place) for family, _kind, _protocol, _name, place in found)
    places = [*every][:_MOST_PLACES]
    seconds = min(_ANSWER, _ANSWERS / len(places))
    answers = [_asked(family, place, seconds) for family, place in places]
    for says, _ok in answers:
        yield Found(_("rendezvous"), says)
    if not any(ok for _says, ok in answers):
        says = _("{host} cannot be used").format(host=name)
        helps = _("nobody new is found until it answers: another --rendezvous, --lan or /dial")
        yield Found(_("rendezvous"), says, helps)


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
        answer: object = json.loads(line)
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    except OSError as why:
        said = spoken(why_not(why)) if why.strerror else _("no answer")
        return f"{where}: {said}", False
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return _("{host}: what answers is no rendezvous").format(host=where), False
    peers = answer.get("peers")
    if isinstance(peers, list):
        says = ngettext(
            "{host}: {n} registered, {took}", "{host}: {n} registered, {took}", len(peers)
        )
        return says.format(host=where, n=len(peers), took=took), True
    # Some tell only who is registered himself; it answers, and that is enough.
    said = str(answer["error"])[:80] if "error" in answer else _("no list")
    says = _("{host}: it answers ({said}), {took}")
    return says.format(host=where, said=said, took=took), True


def _network(settings: Settings) -> Iterable[Found]:
    ways, names, trouble = heard_on_the_network(
        patterns=settings.lan.interfaces, listens_on=settings.peer.interface
    )
    if trouble:
        helps = _("a firewall or another program: see --lan-interfaces")
        yield Found(_("network"), trouble, helps)
        return
    if not ways:
        helps = _("/dial HOST[:PORT] or a rendezvous; --lan-interfaces names an interface")
        helps = helps if settings.lan.enabled else ""
        yield Found(_("network"), _("no interface leads to neighbours"), helps)
        return
    if names:
        says = ngettext("{n} heard: {names}", "{n} heard: {names}", len(names))
        some = ", ".join(sorted(names)[:10])
        yield Found(_("network"), says.format(n=len(names), names=some))
        return
    yield Found(_("network"), _("nobody else was heard (who starts with --lan would be)"))


def _clock() -> Iterable[Found]:
    now = time.gmtime()
    helps = "" if now.tm_year >= _FIRST_YEAR else _("set it: people read the time of a message")
    yield Found(_("clock"), time.strftime("%Y-%m-%d %H:%M:%S UTC", now), helps)


def _files() -> Iterable[Found]:
    folder = os.path.dirname(own_files_path("x@y"))
    there = folder
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    if not os.access(there, os.W_OK | os.X_OK):
        helps = _("nothing can be kept: make {folder} writable, or --history FILE elsewhere")
        says = _("{folder} cannot be written").format(folder=folder)
        yield Found(_("files"), says, helps.format(folder=there))
        return
    free = shutil.disk_usage(there).free
    helps = "" if free >= _LITTLE else _("the disk is nearly full: what comes could not be kept")
    says = _("{folder}, {free:.1f} GB free").format(folder=folder, free=free / 1e9)
    yield Found(_("files"), says, helps)
