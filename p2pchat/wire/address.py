"""Addresses: peer_ids and scopes of the protocol (section 1), and which IP addresses are our own.

peer_id = name "@" namespace           1 to 64 characters each
scope   = "*" / "#" namespace          everyone / everyone of a namespace
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from p2pchat.speech import Sentence
from p2pchat.wire.names import bracketed, is_escaped, visible

EVERYONE: Final = "*"
"""The scope of a message to every connected peer."""

LOOPBACK: Final = "127.0.0.1"
"""This machine, for whatever runs on it."""

THIS_MACHINE: Final = "this machine"
"""What all addresses of loopback count as."""

LINK: Final = "fe80::/64"
"""What all IPv6 addresses of the machine's own links count as, whatever their scope."""

MAX_NAME: Final = 64
"""Characters of the longest name, and of the longest namespace."""
_MOST_NAMES: Final = 10
_LONGEST: Final = 2000
"""Characters of what a person types for a name; no peer_id takes more, however it is spelt."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LINK_LOCAL: Final = ("fe8", "fe9", "fea", "feb")
_EMBEDDING: Final = (
    (bytes(10) + b"\xff\xff", 12),  # IPv4-mapped, ::ffff:a.b.c.d
    (bytes(12), 12),  # IPv4-compatible, ::a.b.c.d
    (bytes(8) + b"\xff\xff\x00\x00", 12),  # IPv4-translated, ::ffff:0:a.b.c.d
    (b"\x00\x64\xff\x9b" + bytes(8), 12),  # NAT64, 64:ff9b::a.b.c.d
    (b"\x20\x02", 2),  # 6to4, 2002:aabb:ccdd::
)


class AmbiguousNameError(ValueError):
    """A bare name that may mean several peers; its `Sentence` names them."""


def split_peer_id(peer_id: str) -> tuple[str, str]:
    """Split `name@namespace` at its last `@` (a name may be an e-mail address).

    Raises `ValueError`, with a sentence, when a part is empty, longer than 64 characters or holds
    a control character.
    """
    name, at, namespace = peer_id.rpartition("@")
    if not at:
        raise ValueError(
            Sentence("{peer} has no @: a peer_id is name@namespace", peer=bracketed(peer_id))
        )
    if not 0 < len(name) <= MAX_NAME:
        raise ValueError(
            Sentence(
                "the name in {peer} must have 1 to {most} characters",
                peer=bracketed(peer_id),
                most=MAX_NAME,
            )
        )
    if not 0 < len(namespace) <= MAX_NAME:
        raise ValueError(
            Sentence(
                "the namespace in {peer} must have 1 to {most} characters",
                peer=bracketed(peer_id),
                most=MAX_NAME,
            )
        )
    if _CONTROL.search(peer_id):
        raise ValueError(Sentence("{peer} holds control characters", peer=bracketed(peer_id)))
    return name, namespace


def the_one_called(name: str, peer_ids: Iterable[str]) -> str:
    """The one of these that a bare name means, or a name as it is shown; as it is without any.

    The form of Unicode does not matter, unless one of them is called exactly like a whole `name`.
    Raises `AmbiguousNameError`, with a sentence, when there are several.
    """
    whole = sorted({*filter(_meant_by(name), peer_ids)})
    if name in whole and not is_escaped(name):
        return name
    if len(whole) > 1:
        more = ", ..." if len(whole) > _MOST_NAMES else ""
        names = ", ".join(map(bracketed, whole[:_MOST_NAMES]))
        raise AmbiguousNameError(
            Sentence("{name} may be any of {names}", name=bracketed(name), names=names + more)
        )
    return whole[0] if whole else name


def is_called(name: str, peer_id: str) -> bool:
    """Whether a name may mean this peer: bare or whole, as it is, or as it is shown."""
    return _meant_by(name)(peer_id)


def _meant_by(name: str) -> Callable[[str], bool]:
    """Tells of a peer_id whether a name may mean it; what does not depend on it is done once."""
    if len(name) > _LONGEST:
        # Marks without end would take the square of their number to be put in order.
        return lambda _: False
    escaped = is_escaped(name)
    spelt = _spelt(name) if escaped or not name.isascii() else ""

    def is_meant(peer_id: str) -> bool:
        called = peer_id.rpartition("@")[0]
        if name in (called, peer_id):
            return True
        if escaped:
            return spelt in (_spelt(visible(called)), _spelt(visible(peer_id)))
        if peer_id.isascii():
            return bool(spelt) and spelt in (called, peer_id)
        return bool(spelt) and spelt in (_spelt(called), _spelt(peer_id))

    return is_meant


def is_plain(name: str) -> bool:
    """Whether it can mean no peer of another whole name: a peer_id that has one spelling."""
    return "@" in name and name.isascii() and not is_escaped(name)


def _spelt(name: str) -> str:
    """The same for all spellings of a name: the forms of Unicode, and blanks that are escaped."""
    return unicodedata.normalize("NFC", name).replace("\\x20", " ")


def namespace_of(peer_id: str) -> str:
    """The namespace of a peer_id that was checked before."""
    return peer_id.rpartition("@")[2]


def scope_of(dst: str) -> str:
    """The scope that the `dst` of a PUB names, in full: `*`, `#namespace`, or a peer_id."""
    dst = dst or EVERYONE
    return dst if dst.startswith("#") or dst == EVERYONE or "@" in dst else "#" + dst


def conversation_of(peer_id: str, dst: str | None) -> str:
    """Where a message that `peer_id` sent to `dst` belongs: with the peer, or with a scope.

    `dst` is as it came; None for a direct message.
    """
    if dst is None:
        return peer_id
    scope = scope_of(dst)
    return peer_id if "@" in scope and not scope.startswith("#") else scope


def namespace_of_scope(scope: str) -> str | None:
    """The namespace that `#namespace` names, or None for `*`; raises `ValueError` otherwise."""
    if scope == EVERYONE:
        return None
    if not scope.startswith("#") or not 0 < len(scope) - 1 <= MAX_NAME or _CONTROL.search(scope):
        raise ValueError(Sentence("{scope} is neither * nor #namespace", scope=bracketed(scope)))
    return scope[1:]


def is_loopback(ip: str) -> bool:
    """Whether only this machine can reach `ip`, IPv4 or IPv6."""
    return ip.startswith(("127.", "::ffff:127.")) or ip == "::1"


def is_link_local(ip: str) -> bool:
    """Whether `ip` is an IPv6 address that only machines of one link can reach, fe80::/10.

    Such an address means nothing to another machine: each has its own name for the interface.
    """
    return ip.startswith(_LINK_LOCAL)


def plain_ip(ip: str) -> str:
    """`ip` with an IPv4 address that came as IPv6 (`::ffff:192.0.2.1`) in its usual form."""
    return ip[7:] if ip.startswith("::ffff:") and "." in ip else ip


def machine_of(ip: str) -> str:
    """What counts as one machine, for who compares two links of one name.

    As `network_of`, but neighbours on a link are not one machine for having one share.
    """
    network = network_of(ip)
    return ip if network == LINK else network


@lru_cache(maxsize=1024)
def network_of(ip: str) -> str:
    """What counts as one address, for every limit that has a share for each.

    This machine is one, and so are an IPv4 address and the network of 64 bits of an IPv6 address:
    whoever has one address of such a network has them all. An IPv4 address inside an IPv6 one is
    the IPv4 address. All link-local addresses are one, because each machine of a link has them all.
    """
    if is_loopback(ip):
        return THIS_MACHINE
    if ":" not in ip:
        return ip
    try:
        address = IPv6Address(ip)
    except ValueError:
        return ip
    inner = embedded_ipv4(address.packed)
    if inner is not None:
        # Whatever it says: who comes from such an address is not this machine.
        return ".".join(map(str, inner))
    if address.is_link_local:
        return LINK
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def group_of(ip: str) -> str:
    """Addresses that share one part: /24 of IPv4, /64 of IPv6, and this machine."""
    address = network_of(ip)
    head, dot, _ = address.rpartition(".")
    return f"{head}.0/24" if dot and head.count(".") == 2 and ":" not in head else address


def embedded_ipv4(packed: bytes) -> bytes | None:
    """The four bytes of the IPv4 address inside an IPv6 address of sixteen; None without one."""
    for prefix, start in _EMBEDDING:
        if packed.startswith(prefix):
            return packed[start : start + 4]
    return None


def leads_to(listens_on: str | None, ip: str) -> bool:
    """Whether who listens on this one address can be reached over the family of `ip`.

    None is every address, and so is `::`, which takes IPv4 as well.
    """
    return listens_on is None or listens_on == "::" or (":" in ip) == (":" in listens_on)


def host_and_port(host: str, port: int) -> str:
    """`HOST:PORT`, or `[V6]:PORT` for an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
