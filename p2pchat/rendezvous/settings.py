"""Every setting of a rendezvous server: its default, its option, and what it trades.

Rules: a setting is one field here, and its user. The annotation holds its kind, its help, and
whether it needs a restart. The command line, its help, the configuration file and its checks are
made from that. `examples/rendezvous.example.json` has every one.
"""

import re
from typing import Annotated, Final

from msgspec import Struct

from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.stores.redis_address import redis_address
from p2pchat.settings.checks import (
    ENDPOINT,
    FORMAT,
    HOST,
    LEVEL,
    PATH,
    PORT_OR_FREE,
    Kind,
    Unfit,
    number,
    whole,
)
from p2pchat.settings.table import settings_of
from p2pchat.settings.values import LoggingSettings, MetricsSettings
from p2pchat.speech import N_, Sentence
from p2pchat.wire.networks import read_network

UNIX: Final = "unix"
"""Among the addresses of balancers: whoever comes by a UNIX socket."""
_MOST_BALANCERS: Final = 100


def _accept_balancers(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_BALANCERS:
        raise Unfit(
            Sentence("a list of at most {most} addresses and networks", most=_MOST_BALANCERS)
        )
    return tuple(map(_balancer, value))


def _balancer(entry: object) -> str:
    if entry == UNIX:
        return UNIX
    try:
        network = read_network(entry if isinstance(entry, str) else "")
    except ValueError:
        raise Unfit(Sentence('addresses, networks or "{unix}"', unix=UNIX)) from None
    if not network.prefixlen:
        sentence = Sentence(
            "the addresses of balancers, and {network} is everybody", network=network
        )
        raise Unfit(sentence)
    return str(network)


def _accept_redis(value: object) -> str:
    if isinstance(value, str):
        try:
            redis_address(value)
        except ValueError:
            pass
        else:
            return value
    raise Unfit(Sentence("redis://HOST:PORT/DB or redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB"))


def _accept_ack(value: object) -> str:
    if value not in ("commit", "memory"):
        raise Unfit(Sentence("commit or memory"))
    return str(value)


def _accept_prefix(value: object) -> str:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise Unfit(Sentence("1 to 64 letters, digits and any of : . _ -"))
    return value


_PREFIX: Final = re.compile(r"[0-9A-Za-z:._-]{1,64}", re.ASCII)
REDIS: Final = Kind("ADDRESS", _accept_redis)
ACK: Final = Kind("commit|memory", _accept_ack)
PREFIX: Final = Kind("TEXT", _accept_prefix)
BALANCERS: Final = Kind("ADDRESS,...", _accept_balancers)


class PlaceSettings(Struct, frozen=True, kw_only=True):
    """Where the server listens, and where it keeps what it knows."""

    port: Annotated[
        int, PORT_OR_FREE(N_("the port to listen on; 0 takes a free one"), restart=True)
    ] = 8080
    interface: Annotated[
        str | None,
        HOST(N_("the address to listen on (every one, of IPv6 and of IPv4)"), restart=True),
    ] = None
    listen: Annotated[
        str | None,
        ENDPOINT(
            N_("listen there instead, for example on systemd:domain=INET6:index=0"), restart=True
        ),
    ] = None
    """A Twisted endpoint instead of `port` and `interface`. A socket that systemd opened takes
    connections while the server restarts."""
    proxy_protocol: Annotated[
        tuple[str, ...],
        BALANCERS(
            N_(
                "take connections only from these balancers, HAProxy or nginx, which say in a "
                "PROXY header (version 1 or 2) whose each is; unix: from a UNIX socket"
            ),
            restart=True,
        ),
    ] = ()
    """Empty: connections are those of clients. A balancer that is not named is turned away, and one
    that is named is believed whatever it says: name nobody else's."""
    database: Annotated[
        str | None,
        PATH(N_("keep registrations in FILE, so that a restart finds them"), restart=True),
    ] = None
    ban_file: Annotated[
        str | None,
        PATH(
            N_(
                "addresses, networks and NAME@NAMESPACE to refuse, one a line; SIGHUP reads it "
                "again"
            )
        ),
    ] = None
    drain: Annotated[
        float,
        number("SECONDS")(N_("answer requests that are under way for so long when it is to stop")),
    ] = 5.0
    """Longer: slow networks get their answers. Shorter: the server leaves sooner. 0: they are cut
    off."""


class SharedSettings(Struct, frozen=True, kw_only=True):
    """The registry that several servers share, and the Redis between them."""

    redis: Annotated[
        str | None,
        REDIS(
            N_(
                "share the registry with other servers by this Redis, redis://HOST:PORT/DB, or by "
                "the one that Sentinels know, redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB"
            ),
            "shared",
            restart=True,
        ),
    ] = None
    """Instead of a database. A password stands in the address, `redis://:PASSWORD@HOST`: better in
    a configuration file than on a command line, which others can see."""
    ack: Annotated[
        str,
        ACK(
            N_("answer a registration when Redis has it (commit), or at once (memory)"),
            "shared-ack",
            restart=True,
        ),
    ] = "commit"
    """memory: answers come sooner, and a registration dies with its server if that is killed within
    milliseconds."""
    prefix: Annotated[
        str,
        PREFIX(N_("the beginning of the servers' keys in Redis"), "shared-prefix", restart=True),
    ] = "p2pchat:"
    """Servers with the same one are one rendezvous."""


class ServerLogSettings(Struct, frozen=True, kw_only=True):
    """What the server logs, and where."""

    level: Annotated[
        str, LEVEL(N_("DEBUG, INFO, WARNING or ERROR; DEBUG shows requests"), "log-level")
    ] = "INFO"
    file: Annotated[
        str | None,
        PATH(
            N_("log to FILE instead of standard error; -: standard output"),
            "log-file",
            restart=True,
        ),
    ] = None
    format: Annotated[
        str, FORMAT(N_("text, or json: one object a line"), "log-format", restart=True)
    ] = "text"
    """A person reads the text; programs read the objects. In the journal each line of both has its
    severity."""
    max_bytes: Annotated[
        int,
        whole("BYTES", 1024)(
            N_("put a log file aside at this size"), "log-max-bytes", restart=True
        ),
    ] = LoggingSettings().max_bytes
    """Larger: one file tells a longer story."""
    files: Annotated[
        int,
        whole("N", 1, 1000)(
            N_("log files at most, the current one included"), "log-files", restart=True
        ),
    ] = LoggingSettings().files
    """More: a longer past, and up to `files * max_bytes` of disk."""


class ServerControlSettings(Struct, frozen=True, kw_only=True):
    """The socket by which an administrator talks to the server that runs."""

    path: Annotated[
        str | None,
        PATH(N_("put a control socket there"), "control", metavar="PATH", restart=True),
    ] = None
    """None: there is none."""


class ServerSettings(Struct, frozen=True, kw_only=True):
    """All settings of a rendezvous server; each section has its title."""

    server: Annotated[PlaceSettings, N_("The server")] = PlaceSettings()
    shared: Annotated[SharedSettings, N_("Several servers")] = SharedSettings()
    limits: Annotated[Limits, N_("Limits")] = Limits()
    logging: Annotated[ServerLogSettings, N_("The log")] = ServerLogSettings()
    control: Annotated[ServerControlSettings, N_("For other programs")] = ServerControlSettings()
    metrics: Annotated[MetricsSettings, N_("For other programs")] = MetricsSettings()


SERVER_SETTINGS: Final = settings_of(ServerSettings)
"""Every setting of a rendezvous server."""
