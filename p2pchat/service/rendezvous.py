"""The rendezvous server as a program: the service that its options describe, and running it.

`p2pchat-rendezvous` runs it in the foreground and logs to standard error; `twistd
p2pchat-rendezvous` and `twist p2pchat-rendezvous` take the same options. SIGHUP has the settings
and the file of bans read again, and the log reopened.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import FileLogObserver, LogEvent, globalLogBeginner

from p2pchat.control.client.standard import fill_standard_descriptors, forget_output
from p2pchat.control.paths import ControlError
from p2pchat.logs.levels import set_level
from p2pchat.logs.output import complain, counters, start_logging, stream_format, wanted
from p2pchat.mesh.link.ports import CannotStartError, listen_on, reason
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.proxied import ProxiedFactory
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.rendezvous.settings import PlaceSettings
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.service.command_line import WRONG
from p2pchat.service.process import poll_directly, use_steady_clock
from p2pchat.service.rendezvous_companions import add_companions, possible_limits
from p2pchat.service.rendezvous_options import RendezvousOptions
from p2pchat.service.rendezvous_reload import Reload
from p2pchat.service.rendezvous_shared import add_figures, share
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, sentence_of, use
from p2pchat.sqlite import ForeignFileError, InUseError
from p2pchat.wire.address import host_and_port

Options = RendezvousOptions  # by this name twistd and twist ask for them


def makeService(options: RendezvousOptions) -> MultiService:
    """The server that `options` describe, its port already open and its database read.

    Both happen here, before a daemon lets go of its terminal, because here a person can still be
    told in one sentence what is wrong: SystemExit, with status 2 when it will be wrong the next
    time, too, else with status 1.
    """
    from twisted.internet import reactor

    use_steady_clock(reactor)
    poll_directly(reactor)
    settings = options.settings
    place, limits = settings.server, possible_limits(settings.limits)
    registry = Registry(limits.registrations, limits.per_address)
    service = Reload(reactor, registry, place.ban_file, reactor.stop)
    service.take_signal()  # before anything that takes long: to read, or to restore
    try:
        service.read()
        database = None
        if place.database is not None:
            # First in, so that it is last out: what the server still changes is written.
            database = Persistence(registry, RegistrationFile(place.database), reactor=reactor)
            database.setServiceParent(service)
            with options.files():
                database.load()
            if options.user is not None and database.failing:
                sentence = Sentence(
                    "database: {user} cannot use {path}",
                    user=options.user.name,
                    path=place.database,
                )
                raise ConfigError(sentence)
        shared = None
        if settings.shared.redis is not None:
            shared = share(reactor, registry, settings.shared, settings.shared.redis)
            shared.setServiceParent(service)
        server = _server(reactor, place, registry, limits)
        server.factory.shared = shared
        server.setServiceParent(service)
        server.listen()
        _check_listening(server)
        running = add_companions(reactor, options, service, server, database)
        if shared is not None:
            add_figures(running, shared)
    except ConfigError as error:
        service.release()
        _leave(sentence_of(error), WRONG)
    except ForeignFileError as error:
        service.release()
        _leave(Sentence("database: {why}", why=error), WRONG)
    except InUseError as error:
        service.release()
        _leave(Sentence("database: {why}", why=error))
    except CannotListenError as error:
        service.release()
        address = host_and_port(place.interface or "*", place.port)
        _leave(
            Sentence("port: cannot listen on {address}: {why}", address=address, why=reason(error))
        )
    except (CannotStartError, ControlError) as error:
        service.release()
        _leave(sentence_of(error))
    return service


def _server(
    reactor: Any, place: PlaceSettings, registry: Registry, limits: Limits
) -> RendezvousService:
    endpoint, balancers = place.listen, place.proxy_protocol
    more: dict[str, Any] = {}
    if endpoint is not None:
        more["open_port"] = lambda factory: listen_on(reactor, factory, endpoint)
    if balancers:
        more["in_front"] = lambda factory: ProxiedFactory(factory, balancers)
    return RendezvousService(
        place.port,
        place.interface or "",
        registry=registry,
        limits=limits,
        reactor=reactor,
        drain=place.drain,
        **more,
    )


def _check_listening(server: RendezvousService) -> None:
    """Raise `ConfigError` when nobody's address would be known: on a socket of systemd's, say."""
    if server.on_unix_socket and not isinstance(server.front, ProxiedFactory):
        raise ConfigError(
            Sentence(
                "listen: a UNIX socket tells no client's address: this needs --proxy-protocol unix"
            )
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server in the foreground until it is told to stop; the exit status."""
    output_closed = fill_standard_descriptors()
    use()
    options = RendezvousOptions()
    options.parseOptions(sys.argv[1:] if argv is None else argv)
    if output_closed:
        forget_output()
    logging = options.logging
    if logging.file is None:
        _log_to_stderr(logging.level, logging.format)
    else:
        start_logging(logging, logging.file)
    service = makeService(options)

    from twisted.internet import reactor

    running: Any = reactor
    service.privilegedStartService()
    service.startService()
    running.addSystemEventTrigger("before", "shutdown", service.stopService)
    running.run()
    return 0


def _log_to_stderr(level: str, format_name: str = "text") -> None:
    text = stream_format(format_name, 2)

    def line(event: LogEvent) -> str | None:
        return text(event) if wanted(event) else None

    set_level(level)
    observer = FileLogObserver(sys.stderr, line)
    globalLogBeginner.beginLoggingTo([counters, observer], redirectStandardIO=False)


def _leave(sentence: Sentence, status: int = 1) -> NoReturn:
    complain(sentence)
    raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
